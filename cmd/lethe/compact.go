package main

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/urfave/cli/v2"

	"lethe/compactor"
	"lethe/internal/layout"
	"lethe/objstore"
)

func (p *program) compactCommand() *cli.Command {
	return &cli.Command{
		Name: "compact", Usage: "rewrite raw objects to Parquet, merge, and delete what retention does not keep",
		Description: "It may be killed at any time, and run any number of times at once.",
		Flags:       flags(p.config, join([]string{"cli.dry_run dry-run", "cli.every every", "cli.target target", "query.timeout"}, compacting)...),
		Action:      p.action(0, 0, func(ctx context.Context, _ []string) error { return p.compact(ctx) }),
	}
}

func (p *program) compact(ctx context.Context) error {
	bucket, err := p.openBucket(ctx)
	if err != nil {
		return err
	}
	o, err := p.compactorOptions()
	if err != nil {
		return err
	}
	c, err := compactor.New(bucket, o)
	if err != nil {
		return err
	}
	every := p.args.Every.Std()
	if every == 0 {
		return p.pass(ctx, c)
	}
	return p.loop(ctx, every, every, func() error { return p.pass(ctx, c) })
}

// pass runs the compactor once and prints what it did.
func (p *program) pass(ctx context.Context, c *compactor.Compactor) error {
	s, err := c.Run(ctx)
	if s != nil {
		if _, perr := fmt.Fprintln(p.stdout, s); perr != nil && err == nil {
			err = perr
		}
	}
	return err
}

// loop does something after first, and then after each interval, until the context ends. Its errors are logged, and do not end it.
func (p *program) loop(ctx context.Context, first, every time.Duration, do func() error) error {
	timer := time.NewTimer(first)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		if err := do(); err != nil && ctx.Err() == nil {
			p.log.Error("a run failed", "error", err)
		}
		timer.Reset(every)
	}
}

// compactorOptions are those that the configuration says.
func (p *program) compactorOptions() (compactor.Options, error) {
	k, r := &p.config.Compactor, &p.config.Retention
	o := compactor.Options{
		Now: p.now, NewID: newID, Logger: p.log, SingleWriter: bool(k.SingleWriter), Concurrency: k.Concurrency.N, Memory: int64(k.Memory),
		TempDir: string(k.TempDir), TargetSize: int64(k.TargetSize), Grace: k.Grace.Std(), RawGrace: k.RawGrace.Std(), QueryTimeout: p.config.Query.Timeout.Std(),
		Retention: compactor.Retention{Time: r.Time.Std(), Size: int64(r.Size), Interval: orNone(r.Interval.Std())},
	}
	for _, v := range r.Overrides {
		o.Retention.Overrides = append(o.Retention.Overrides, compactor.Override{Selector: v.Selector, Time: v.Time.Std(), Size: int64(v.Size)})
	}
	for _, name := range p.args.Targets {
		t, err := layout.ParseTarget(name)
		if err != nil {
			return o, usagef("--target: %w", err)
		}
		o.Targets = append(o.Targets, t)
	}
	var err error
	o.Shard, err = p.shard()
	return o, err
}

// shard reads i/n. Without it, the index that Kubernetes gives the pods of an indexed job counts, where n is in the configuration.
func (p *program) shard() (compactor.Shard, error) {
	text := string(p.config.Compactor.Shard)
	if text == "" {
		return compactor.Shard{}, nil
	}
	var s compactor.Shard
	if index, ok := p.lookupEnv("JOB_COMPLETION_INDEX"); ok && text[0] == '/' {
		text = index + text
	}
	if n, err := fmt.Sscanf(text, "%d/%d", &s.Index, &s.Count); err != nil || n != 2 || fmt.Sprintf("%d/%d", s.Index, s.Count) != text || s.Index < 0 || s.Index >= s.Count {
		return s, usagef("--shard: %q is not i/n with i from 0 to n-1 (or /n in a pod of an indexed Job)", p.config.Compactor.Shard)
	}
	return s, nil
}

// newID returns an id that sorts after those before it.
func newID() string {
	id, err := uuid.NewV7()
	if err != nil {
		// The operating system has no random numbers: nothing that Lethe promises would hold.
		panic(fmt.Sprintf("no random numbers: %v", err))
	}
	return id.String()
}

// compactLoop compacts in a server, after first and then after each interval.
func (p *program) compactLoop(ctx context.Context, bucket objstore.Bucket, m *compactor.Metrics, first time.Duration) error {
	o, err := p.compactorOptions()
	if err != nil {
		return err
	}
	o.Metrics = m
	c, err := compactor.New(bucket, o)
	if err != nil {
		return err
	}
	return p.loop(ctx, first, p.config.Compactor.Every.Std(), func() error {
		s, err := c.Run(ctx)
		if s != nil && (s.Lines.Written > 0 || len(s.Failures) > 0) {
			p.log.Info("compacted", "lines", s.Lines.Written, "objects", s.In.Objects, "merges", s.Merged.Merges, "failures", len(s.Failures), "took", s.Ended.Sub(s.Started))
		}
		return err
	})
}
