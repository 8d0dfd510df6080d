package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/urfave/cli/v2"

	"lethe/compactor"
	"lethe/internal/alertstore"
	"lethe/internal/layout"
	"lethe/objstore"
)

func (p *program) compactCommand() *cli.Command {
	return &cli.Command{
		Name: "compact", Usage: "rewrite raw objects to Parquet, merge, and delete what retention does not keep",
		Description: "It may be killed at any time, and run any number of times at once.",
		Flags:       flags(p.config, join([]string{"cli.dry_run dry-run", "cli.every every", "cli.target target", "cli.output output", "query.timeout", "alerting.hold_max"}, compacting)...),
		Action:      p.action(0, 0, func(ctx context.Context, _ []string) error { return p.compact(ctx) }),
	}
}

func (p *program) compact(ctx context.Context) error {
	bucket, err := p.openBucket(ctx)
	if err != nil {
		return err
	}
	bar := p.progress("compacting")
	c, err := p.compactor(bucket, compactor.Options{Progress: func(g compactor.Progress) { bar.update(g.Bytes, g.TotalBytes, g.Lines) }})
	if err != nil {
		return err
	}
	if p.args.DryRun {
		plan, err := c.Plan(ctx)
		if plan != nil {
			err = errors.Join(err, p.print(plan))
		}
		return err
	}
	every := p.args.Every.Std()
	if every == 0 {
		return p.pass(ctx, c, bar)
	}
	return p.loop(ctx, 0, every, func() error { return p.pass(ctx, c, bar) })
}

// pass runs the compactor once and prints what it did.
func (p *program) pass(ctx context.Context, c *compactor.Compactor, bar *progress) error {
	s, err := c.Run(ctx)
	bar.end()
	if s != nil {
		err = errors.Join(err, p.print(s))
	}
	return err
}

// loop does something after first, and then once an interval until the context ends, at once where the last time took longer than that. Its errors are
// logged, and do not end it.
func (p *program) loop(ctx context.Context, first, every time.Duration, do func() error) error {
	timer := time.NewTimer(first)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		timer.Reset(every) // before the run: intervals do not grow by what it takes
		if err := do(); err != nil && ctx.Err() == nil {
			p.log.Error("a run failed", "error", err)
		}
	}
}

// compactor returns one as the configuration says. It holds consumed raw objects until the alert rules of the bucket have seen them.
// What the configuration does not say is taken from o.
func (p *program) compactor(bucket objstore.Bucket, o compactor.Options) (*compactor.Compactor, error) {
	if err := p.setCompactorOptions(&o); err != nil {
		return nil, err
	}
	held, err := alertstore.NewHeld(bucket, p.config.Alerting.HoldMax.Std())
	if err != nil {
		return nil, usagef("alerting.hold_max: %w", err)
	}
	o.Held = held.Load
	c, err := compactor.New(bucket, o)
	if errors.Is(err, compactor.ErrOptions) || errors.Is(err, compactor.ErrGrace) {
		return nil, usage(err)
	}
	return c, err
}

func (p *program) setCompactorOptions(o *compactor.Options) (err error) {
	k, r := &p.config.Compactor, &p.config.Retention
	o.Now, o.NewID, o.Logger, o.SingleWriter, o.Concurrency, o.Memory = p.now, newID, p.log, bool(k.SingleWriter), k.Concurrency.N, int64(k.Memory)
	o.TempDir, o.TargetSize, o.Grace, o.RawGrace = string(k.TempDir), int64(k.TargetSize), k.Grace.Std(), k.RawGrace.Std()
	if o.QueryTimeout = p.config.Query.Timeout.Std(); o.QueryTimeout == 0 {
		p.log.Warn("query.timeout is 0, unlimited: a query that reads for longer than compactor.grace may find its objects deleted, and fails", "grace", k.Grace.String())
	}
	o.Retention = compactor.Retention{Time: r.Time.Std(), Size: int64(r.Size), Interval: orNone(r.Interval.Std())}
	for _, v := range r.Overrides {
		o.Retention.Overrides = append(o.Retention.Overrides, compactor.Override{Selector: v.Selector, Time: v.Time.Std(), Size: int64(v.Size)})
	}
	for _, name := range p.args.Targets {
		t, err := layout.ParseTarget(name)
		if err != nil {
			return usagef("--target: %w", err)
		}
		o.Targets = append(o.Targets, t)
	}
	o.Shard, err = p.shard()
	return err
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
	c, err := p.compactor(bucket, compactor.Options{Metrics: m})
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
