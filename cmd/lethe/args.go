package main

import (
	"lethe/internal/config"
)

// args are the settings of the command line itself. Their keys in lethe.yaml are under "cli".
type args struct {
	Config    config.Text
	Start     config.Text
	End       config.Text
	Since     config.Duration
	Time      config.Text
	Step      config.Duration
	Direction config.Choice
	Output    config.Choice
	Local     config.Bool
	Stats     config.Bool
	Follow    config.Bool
	Poll      config.Duration
	DryRun    config.Bool
	Targets   config.List
	Once      config.Bool
	Fix       config.Bool
	Live      config.Bool
	Locations config.Bool
	Symlinks  config.Text
	Every     config.Duration
	Write     config.Bool
	Function  config.Text
	Stream    config.Bool
}

func newArgs() *args {
	return &args{
		Since:     config.Duration(hour),
		Direction: config.Choice{Words: []string{"forward", "backward"}},
		Output:    config.Choice{Word: "text", Words: []string{"text", "raw", "jsonl", "json", "csv", "graph"}},
		Poll:      config.Duration(5 * second),
	}
}

func (a *args) table() []*config.Setting {
	return []*config.Setting{
		{Key: "cli.config", Usage: "configuration file; without it lethe.yaml, etc/lethe.yaml or /etc/lethe/lethe.yaml, where there is one", Value: &a.Config},
		{Key: "cli.start", Usage: "start of the range: 2026-03-01T09:00:00Z, Unix seconds, or now-1h", Value: &a.Start},
		{Key: "cli.end", Usage: "end of the range, included; without it now", Value: &a.End},
		{Key: "cli.since", Usage: "length of the range where there is no start", Value: &a.Since},
		{Key: "cli.time", Usage: "evaluate a metric query at this one time", Value: &a.Time},
		{Key: "cli.step", Usage: "evaluate a metric query over the range in such steps", Value: &a.Step},
		{Key: "cli.direction", Usage: "forward: the oldest lines first; backward: the newest first; without it the newest lines, in ascending order", Value: &a.Direction},
		{Key: "cli.output", Usage: "text, raw, jsonl, json, csv or graph", Value: &a.Output},
		{Key: "cli.local", Usage: "print times in the local time zone instead of UTC", Value: &a.Local},
		{Key: "cli.stats", Usage: "print on stderr what the query cost", Value: &a.Stats},
		{Key: "cli.follow", Usage: "go on printing lines as they arrive in the bucket, until Ctrl-C", Value: &a.Follow},
		{Key: "cli.poll", Usage: "how often --follow looks for new lines", Value: &a.Poll},
		{Key: "cli.dry_run", Usage: "print what would be done, and do nothing", Value: &a.DryRun},
		{Key: "cli.target", Usage: "only this target, as pod/default or node/worker1; may be repeated", Value: &a.Targets},
		{Key: "cli.once", Usage: "one evaluation of all rules, then end", Value: &a.Once},
		{Key: "cli.fix", Usage: "delete the objects that no manifest names", Value: &a.Fix},
		{Key: "cli.live", Usage: "print the keys of the live objects, one a line", Value: &a.Live},
		{Key: "cli.locations", Usage: "print where they are, s3://bucket/key or the path of the file, instead of their keys", Value: &a.Locations},
		{Key: "cli.symlinks", Usage: "write the list into this folder instead, as a symlink manifest for each hour, which Athena and Hive read", Value: &a.Symlinks},
		{Key: "cli.every", Usage: "do it again after each such time, until Ctrl-C; 0 is once", Value: &a.Every},
		{Key: "cli.write", Usage: "write the result back to the file", Value: &a.Write},
		{Key: "cli.function", Usage: "function that is served under the AWS Lambda runtime: query, compact or alert", Value: &a.Function},
		{Key: "cli.stream", Usage: "answer queries of a function as a stream; its URL must have the invoke mode RESPONSE_STREAM", Value: &a.Stream},
	}
}
