package compactor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"lethe/internal/catalog"
	"lethe/internal/layout"
	"lethe/objstore"
)

// saveTimeout is how long writing the summary may take.
const saveTimeout = 10 * time.Second

// forgetNode is how long a node is remembered that uploads nothing: one that has left the cluster must not look like one whose agent has stopped for ever.
const forgetNode = 24 * time.Hour

// pass is one run over the bucket. Its mutex guards what stands below it.
type pass struct {
	*Compactor
	bucket *objstore.Counting
	store  *catalog.Store
	stopAt time.Time
	held   func(rawKey string, lastModified time.Time) bool
	memory int64 // for the rows of one target
	// rawBytes is what the flat listing shows of each target, of other shards too, and listed what it shows of the objects of this one's.
	rawBytes   map[layout.Target]int64
	listed     map[layout.Target]listed
	rawObjects int

	mu      sync.Mutex
	deleted map[string]bool // replaced objects
	// prepared commits, until it is the turn of their targets.
	prepared map[layout.Target]prepared
	sum      Summary
	pending  map[layout.Target]Backlog
}

// Run makes one pass: retention and upkeep where they are due, then everything that waits under raw/, then orphans where they are due.
// A target that fails does not stop the others. The summary is returned also with an error, and is written to the bucket.
func (c *Compactor) Run(ctx context.Context) (*Summary, error) {
	p := c.newPass(ctx)
	err := p.run(ctx)
	return p.finish(ctx, err)
}

func (c *Compactor) newPass(ctx context.Context) *pass {
	now := c.opts.Now()
	b := objstore.NewCounting(c.bucket)
	p := &pass{
		Compactor: c,
		bucket:    b,
		store:     &catalog.Store{Bucket: b, NewID: c.opts.NewID, SingleWriter: c.opts.SingleWriter},
		held:      func(string, time.Time) bool { return false },
		memory:    c.opts.Memory / int64(c.opts.Concurrency),
		rawBytes:  map[layout.Target]int64{},
		listed:    map[layout.Target]listed{},
		pending:   map[layout.Target]Backlog{},
		deleted:   map[string]bool{},
		prepared:  map[layout.Target]prepared{},
		sum: Summary{
			Version: 1, Started: now, Shard: fmt.Sprintf("%d/%d", c.opts.Shard.Index, c.opts.Shard.Count),
			Backlog: map[layout.Kind]Backlog{}, NewestByNode: map[string]time.Time{}, Odd: map[string]Odd{}, Failed: map[string]int64{},
			Batches: map[string]int{},
		},
	}
	if c.opts.Deadline > 0 {
		p.stopAt = now.Add(c.opts.Deadline)
	}
	if d, ok := ctx.Deadline(); ok {
		// What is begun must end before the deadline, and the summary must be written.
		soft := d.Add(-d.Sub(now) / 10)
		if p.stopAt.IsZero() || soft.Before(p.stopAt) {
			p.stopAt = soft
		}
	}
	return p
}

func (p *pass) run(ctx context.Context) error {
	if err := p.probe(ctx); err != nil {
		return err
	}
	if err := p.recall(ctx); err != nil {
		return err
	}
	held := p.askHeld(ctx)
	waiting, err := p.listRaw(ctx)
	if err != nil {
		return errors.Join(held, err)
	}
	upkeep := p.due(p.sum.LastUpkeep, p.opts.Retention.Interval)
	p.forgetBatches()
	waiting = p.awake(waiting, upkeep)
	// Targets that are worked on at once share the memory.
	p.memory = p.opts.Memory / int64(min(p.opts.Concurrency, max(1, len(waiting))))
	var all []layout.Target
	sweep := p.due(p.sum.LastSweep, p.opts.SweepInterval)
	if upkeep || sweep {
		if all, err = p.listTargets(ctx); err != nil {
			return errors.Join(held, err)
		}
	}
	errs := []error{held}
	var idle []layout.Target
	if upkeep {
		// First of all, so that a full disk can be freed (rule 16).
		targets, err := p.retain(ctx, all)
		errs = append(errs, err)
		idle = without(p.untidyOf(targets), waiting)
	}
	for some := range slices.Chunk(waiting, maxPreparedTargets) {
		if err := p.prepare(ctx, some); err != nil {
			return errors.Join(append(errs, err)...)
		}
		errs = append(errs, p.each(ctx, some, p.compact))
	}
	errs = append(errs, p.each(ctx, idle, p.compact))
	if sweep {
		errs = append(errs, p.each(ctx, p.mineOf(all), p.sweep))
	}
	err = errors.Join(errs...)
	if stopped := ctx.Err(); stopped != nil && !errors.Is(err, stopped) {
		return errors.Join(err, stopped)
	}
	if ctx.Err() != nil || p.enough() {
		return err
	}
	if upkeep {
		p.keepBallast(ctx)
	}
	// What failed at one target does not bring upkeep of all of them with every pass; retention that found no room is tried again at once.
	if !errors.Is(err, ErrRetention) {
		p.mark(upkeep, sweep)
	}
	return err
}

// askHeld asks which raw objects alert rules wait for. An answer that is older than the manifests holds too much, never too little. Without an
// answer all are held, and the pass goes on.
func (p *pass) askHeld(ctx context.Context) error {
	if p.opts.Held == nil {
		return nil
	}
	held, err := p.opts.Held(ctx)
	if err != nil {
		p.held = func(string, time.Time) bool { return true }
		err = fmt.Errorf("asking which raw objects alert rules wait for; until that is known none is deleted: %w", err)
		p.failed(err)
		return err
	}
	p.held = held
	return nil
}

// mark remembers that upkeep and sweeping of all targets are done.
func (p *pass) mark(upkeep, sweep bool) {
	if upkeep {
		p.sum.LastUpkeep = p.sum.Started
	}
	if sweep {
		p.sum.LastSweep = p.sum.Started
	}
}

// recall takes over from the last pass when what was done.
func (p *pass) recall(ctx context.Context) error {
	last, err := loadSummary(ctx, p.bucket, stateKey(&p.opts))
	switch {
	case errors.Is(err, objstore.ErrNotExist):
		return nil
	case errors.Is(err, ErrSummary):
		p.opts.Logger.Warn("the summary of the last pass is damaged; this pass does what is due without it, and writes a new one", "err", err)
		return nil
	case err != nil:
		return err
	}
	p.sum.LastSuccess, p.sum.LastUpkeep, p.sum.LastSweep = last.LastSuccess, last.LastUpkeep, last.LastSweep
	maps.Copy(p.sum.Batches, last.Batches)
	for node, at := range last.NewestByNode {
		if p.sum.Started.Sub(at) < forgetNode {
			p.sum.NewestByNode[node] = at
		}
	}
	return nil
}

// due tells whether something that was last done at last is to be done again. A time ahead of the clock is not believed.
func (p *pass) due(last time.Time, interval time.Duration) bool {
	since := p.sum.Started.Sub(last)
	return interval < 0 || since >= interval || since < 0
}

// enough tells whether the pass should begin nothing more.
func (p *pass) enough() bool {
	return !p.stopAt.IsZero() && !p.opts.Now().Before(p.stopAt)
}

// each works on targets at once. An error of one does not stop the others; it is counted, logged and returned at the end. Where the pass is stopped none is
// begun any more; run says so, once.
func (p *pass) each(ctx context.Context, targets []layout.Target, work func(context.Context, layout.Target) error) error {
	var mu sync.Mutex
	var errs []error
	eachOf(targets, p.opts.Concurrency, func(t layout.Target) {
		if ctx.Err() != nil {
			return
		}
		if err := p.one(ctx, t, work); err != nil {
			mu.Lock()
			defer mu.Unlock()
			errs = append(errs, err)
		}
	})
	return errors.Join(errs...)
}

// eachOf calls work for n targets at once, in their order.
func eachOf(targets []layout.Target, n int, work func(layout.Target)) {
	var g errgroup.Group
	g.SetLimit(n)
	for _, t := range targets {
		g.Go(func() error {
			work(t)
			return nil
		})
	}
	_ = g.Wait() // no error comes from it
}

// one works on a target, if there is time.
func (p *pass) one(ctx context.Context, t layout.Target, work func(context.Context, layout.Target) error) error {
	if p.enough() {
		p.unfinished("the deadline came before all targets had their turn")
		return nil
	}
	if err := work(ctx, t); err != nil {
		return p.failedAt(t, err)
	}
	return nil
}

// failedAt counts and logs an error of one target, and returns it with the target's name.
func (p *pass) failedAt(t layout.Target, err error) error {
	err = fmt.Errorf("%s: %w", t, err)
	p.failed(err)
	return err
}

// failed counts and logs an error.
func (p *pass) failed(err error) {
	k := class(err)
	p.opts.Logger.Error("compaction failed", "class", k, "err", err)
	p.count(func(s *Summary) {
		s.Failed[k]++
		s.Failures = named(s.Failures, err.Error())
	})
}

// count changes the summary.
func (p *pass) count(f func(*Summary)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(&p.sum)
}

// unfinished notes why something is left to the next pass.
func (p *pass) unfinished(why string) {
	p.count(func(s *Summary) { s.Unfinished = why })
}

// finish completes the summary and writes it to the bucket.
func (p *pass) finish(ctx context.Context, err error) (*Summary, error) {
	p.mu.Lock()
	s := p.sum
	for t, b := range p.pending {
		s.Backlog[t.Kind] = s.Backlog[t.Kind].plus(b)
	}
	p.mu.Unlock()
	if err != nil && len(s.Failed) == 0 {
		s.Failed[class(err)]++
		s.Failures = named(s.Failures, err.Error())
	}
	s.Ended = p.opts.Now()
	if err == nil {
		s.LastSuccess = s.Ended
	}
	s.Requests = p.bucket.Counts()
	// A pass that was told to stop says what it has done all the same.
	saving, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTimeout)
	defer cancel()
	if serr := s.save(saving, p.bucket, stateKey(&p.opts)); serr != nil {
		p.opts.Logger.Warn("the summary of the pass was not written", "err", serr)
		if err == nil {
			err = serr
		}
	}
	if p.opts.Metrics != nil {
		p.opts.Metrics.Observe(&s)
	}
	return &s, err
}
