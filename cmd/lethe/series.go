package main

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/urfave/cli/v2"

	"lethe/internal/overview"
	"lethe/internal/record"
	"lethe/letheql"
)

func (p *program) seriesCommand() *cli.Command {
	return &cli.Command{
		Name: "series", Usage: "print the series that a selector selects", ArgsUsage: "SELECTOR",
		Flags:  flags(p.config, join([]string{"cli.start start", "cli.end end", "cli.since since", "cli.output output"}, querying)...),
		Action: p.action(1, 1, func(ctx context.Context, args []string) error { return p.series(ctx, args[0]) }),
	}
}

func (p *program) series(ctx context.Context, text string) error {
	if err := p.tableOnly("series"); err != nil {
		return err
	}
	sel, err := letheql.ParseSelector(text)
	if err != nil {
		return err
	}
	q, err := sel.Select()
	if err != nil {
		return err
	}
	if len(q.Filters) > 0 {
		return usagef("series takes a selector without filters: the lines are not read")
	}
	found, err := p.seriesOf(ctx, q)
	if err != nil {
		return err
	}
	names := record.LabelsOf(q.Kind)
	if p.args.Output.Word == "json" {
		return p.printJSON(found)
	}
	table := [][]string{names}
	for _, l := range found {
		row := make([]string, len(names))
		for i, n := range names {
			row[i] = l.Get(n)
		}
		table = append(table, row)
	}
	return writeTable(p.stdout, table)
}

// seriesOf returns the series of a selection in the range of the flags, with all their labels.
func (p *program) seriesOf(ctx context.Context, q letheql.Select) ([]labels.Labels, error) {
	r := letheql.Request{}
	if err := p.setRange(&r, p.now()); err != nil {
		return nil, err
	}
	bucket, err := p.openBucket(ctx)
	if err != nil {
		return nil, err
	}
	source, err := p.source(bucket)
	if err != nil {
		return nil, err
	}
	q.Start, q.End, q.NeedStream, q.NeedNode = letheql.UnixNano(r.Start), letheql.UnixNano(r.End), true, true
	return source.Series(ctx, q, &letheql.Stats{})
}

func (p *program) labelsCommand() *cli.Command {
	return &cli.Command{
		Name: "labels", Usage: "print the targets and their labels, or the values of one label", ArgsUsage: "[LABEL]",
		Flags:  flags(p.config, join([]string{"cli.start start", "cli.end end", "cli.since since", "cli.output output"}, querying)...),
		Action: p.action(0, 1, p.labels),
	}
}

func (p *program) labels(ctx context.Context, args []string) error {
	if err := p.tableOnly("labels"); err != nil {
		return err
	}
	bucket, err := p.openBucket(ctx)
	if err != nil {
		return err
	}
	all, err := overview.Read(ctx, bucket, p.config.Query.Parallel.N)
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for i := range all {
		names := record.LabelsOf(all[i].Kind)
		if len(args) == 0 {
			for _, n := range names {
				seen[n] = true
			}
			continue
		}
		if err := p.labelValues(ctx, &all[i], args[0], seen); err != nil {
			return err
		}
	}
	values := slices.Sorted(maps.Keys(seen))
	if p.args.Output.Word == "json" {
		return p.printJSON(values)
	}
	for _, v := range values {
		if _, err := fmt.Fprintln(p.stdout, v); err != nil {
			return err
		}
	}
	return nil
}

// labelValues adds the values that a label has in a target. The target's own label needs no reading.
func (p *program) labelValues(ctx context.Context, t *overview.Target, name string, into map[string]bool) error {
	names := record.LabelsOf(t.Kind)
	own := names[0]
	switch {
	case name == own:
		into[t.Name] = true
		return nil
	case !slices.Contains(names, name):
		return nil
	}
	m, err := labels.NewMatcher(labels.MatchEqual, own, t.Name)
	if err != nil {
		return err
	}
	found, err := p.seriesOf(ctx, letheql.Select{Kind: t.Kind, Matchers: []*labels.Matcher{m}})
	if err != nil {
		return err
	}
	for _, l := range found {
		if v := l.Get(name); v != "" {
			into[v] = true
		}
	}
	return nil
}
