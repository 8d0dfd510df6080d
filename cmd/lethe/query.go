package main

import (
	"context"
	"errors"
	"time"

	"github.com/urfave/cli/v2"

	"lethe/internal/config"
	"lethe/letheql"
	"lethe/objstore"
)

func (p *program) queryCommand() *cli.Command {
	return &cli.Command{
		Name: "query", Usage: "print the lines or numbers that a query selects", ArgsUsage: "QUERY",
		Description: `lethe query --since 3h 'pod{namespace="default"} |= "error"'` + "\n" +
			`lethe query --time now 'sum by (pod) (count_over_time(pod{namespace="default"} |= "error" [5m]))'`,
		Flags: flags(p.config, join([]string{
			"cli.start start", "cli.end end", "cli.since since", "cli.time time", "cli.step step", "query.limit limit", "cli.direction direction",
			"cli.output output", "cli.local local", "cli.stats stats", "cli.follow follow", "cli.poll poll",
		}, querying)...),
		Action: p.action(1, 1, func(ctx context.Context, args []string) error { return p.query(ctx, args[0]) }),
	}
}

func (p *program) query(ctx context.Context, text string) error {
	if p.args.Follow {
		return p.follow(ctx, text)
	}
	r, err := p.request(text)
	if err != nil {
		return err
	}
	bucket, err := p.openBucket(ctx)
	if err != nil {
		return err
	}
	if p.config.Query.Limit.N == 0 && p.rank("query.timeout") == 0 {
		// All lines of a week take their time, and nobody else waits: Ctrl-C is there. A timeout that was asked for holds.
		p.config.Query.Timeout = 0
	}
	e, err := p.engineOver(bucket)
	if err != nil {
		return err
	}
	res, err := e.Query(ctx, r)
	if err == nil {
		err = p.printResult(ctx, bucket, res)
	}
	if res != nil && p.args.Stats {
		p.printStats(res.Stats)
	}
	return err
}

// printResult prints a result and its warnings.
func (p *program) printResult(ctx context.Context, bucket objstore.Reader, res *letheql.Result) error {
	err := p.printer().result(res)
	if err == nil && res.Type == letheql.Logs && res.Stats.Blocks+res.Stats.RawObjects == 0 {
		p.warnEmpty(ctx, bucket)
	}
	for _, w := range append(res.Warnings, res.Infos...) {
		p.say("lethe: warning: %s\n", w)
	}
	return err
}

// warnEmpty says that a bucket holds nothing at all, which hints at a wrong URL. Where it cannot be listed now, it has been before.
func (p *program) warnEmpty(ctx context.Context, bucket objstore.Reader) {
	for _, err := range bucket.List(ctx, objstore.ListOptions{Delimiter: "/"}) {
		p.log.Debug("the bucket is not empty, or cannot be listed", "error", err)
		return
	}
	p.say("lethe: warning: the bucket %s is empty\n", p.config.Storage.Bucket)
}

// request makes a request of the flags.
func (p *program) request(text string) (letheql.Request, error) {
	now := p.now()
	limit := p.config.Query.Limit.N
	r := letheql.Request{Query: text, Now: now, Limit: &limit, Step: p.args.Step.Std()}
	switch p.args.Direction.Word {
	case "forward":
		d := letheql.Forward
		r.Direction = &d
	case "backward":
		d := letheql.Backward
		r.Direction = &d
	}
	expr, err := letheql.Parse(text)
	if err != nil {
		return r, err
	}
	// Of settings that exclude each other, the one counts that was said closer by: on the command line, else in the environment.
	at, ranged := p.rank("cli.time"), max(p.rank("cli.start"), p.rank("cli.end"), p.rank("cli.since"), p.rank("cli.step"))
	switch {
	case at > 0 && at == ranged:
		return r, usage(errors.New("--time is one instant: it goes without --start, --end, --since and --step"))
	case at > ranged:
		r.Time, err = p.timeOf("--time", p.args.Time, now)
		return r, err
	case ranged == 0 && !expr.IsLog():
		r.Time = now
		return r, nil
	}
	return r, p.setRange(&r, now)
}

func (p *program) rank(key string) int { return p.config.Setting(key).Rank() }

// setRange sets the start and end of a request.
func (p *program) setRange(r *letheql.Request, now time.Time) (err error) {
	if r.End, err = p.timeOf("--end", p.args.End, now); err != nil {
		return err
	}
	start, since := p.rank("cli.start"), p.rank("cli.since")
	if start > 0 && start == since {
		return usage(errors.New("--start and --since exclude each other"))
	}
	if start <= since {
		r.Start = r.End.Add(-p.args.Since.Std())
		return nil
	}
	if r.Start, err = p.timeOf("--start", p.args.Start, now); err != nil {
		return err
	}
	if r.End.Before(r.Start) {
		return usagef("the end %s is before the start %s", r.End.Format(time.RFC3339Nano), r.Start.Format(time.RFC3339Nano))
	}
	return nil
}

// timeOf reads a time; an absent one is now.
func (p *program) timeOf(flag string, text config.Text, now time.Time) (time.Time, error) {
	if text == "" {
		return now, nil
	}
	t, err := config.ParseTime(string(text), now)
	if err != nil {
		return t, usagef("%s: %w", flag, err)
	}
	return t, nil
}

func (p *program) printStats(s *letheql.Stats) {
	if s == nil {
		return
	}
	p.say("targets %d, hours %d, blocks %d (%d left out, %d with a damaged line index), pages %d (%d left out, %d read), raw objects %d (%s)\n",
		s.Targets, s.Hours, s.Blocks, s.BlocksPruned, s.IndexErrors, s.Pages, s.PagesPruned, s.PagesRead, s.RawObjects, bytesText(s.RawBytes))
	p.say("bytes planned %s, left out %s\n", bytesText(s.BytesPlanned), bytesText(s.BytesPruned))
	p.say("requests %d (%d lists, %d gets, %d of them again), fetched %s, cache hits %d\n", s.Lists+s.Gets, s.Lists, s.Gets, s.Hedges, bytesText(s.BytesFetched),
		s.CacheHits)
	took := func(nanos int64) time.Duration { return time.Duration(nanos).Round(time.Microsecond) }
	p.say("lines scanned %d (%s), returned %d\n", s.LinesScanned, bytesText(s.BytesScanned), s.LinesReturned)
	p.say("plan %s, run %s: open %s, raw %s; added up over what ran at once: fetch %s, search %s\n",
		took(s.PlanNanos), took(s.RunNanos), took(s.OpenNanos), took(s.RawNanos), took(s.FetchNanos), took(s.SearchNanos))
}
