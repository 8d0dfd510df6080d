package scan

import (
	"context"
	"iter"

	"golang.org/x/sync/errgroup"

	"lethe/internal/layout"
	"lethe/internal/record"
	"lethe/letheql"
)

// Lines implements letheql.Source. It holds rows of at most about Options.Memory at a time.
func (s *Scanner) Lines(ctx context.Context, sel letheql.Select, stats *letheql.Stats) iter.Seq2[record.Row, error] {
	return func(yield func(record.Row, error) bool) {
		q, err := s.begin(ctx, sel)
		if err != nil {
			yield(record.Row{}, err)
			return
		}
		defer q.end(stats)
		out, stopped := false, false
		left, n := sel.Limit, 0
		each := func(r *record.Row, _ *key) bool {
			out = true
			n++
			if stopped = !yield(*r, nil); stopped {
				return false
			}
			left--
			return left != 0
		}
		err = q.retry(ctx, &out, func(ctx context.Context) error {
			n = 0
			defer func() { q.count.linesReturned.Add(int64(n)) }()
			p, err := q.makePlan(ctx)
			if err != nil {
				return err
			}
			if pieces := q.spread(p, false); len(pieces) > 0 {
				return q.gather(ctx, p, pieces, each)
			}
			return q.inOrder(ctx, p, each)
		})
		if err != nil && !stopped {
			yield(record.Row{}, err)
		}
	}
}

// inOrder calls each for one row of a plan after the other, until it returns false.
func (q *query) inOrder(ctx context.Context, p *plan, each func(*record.Row, *key) bool) error {
	var ended error
	n := 0
	err := q.windows(ctx, p, func(w *window) bool {
		return newMerge(w, q.sel.Direction == letheql.Backward).each(func(r *record.Row, k *key) bool {
			if n%checkRows == 0 {
				if ended = ctx.Err(); ended != nil {
					return false
				}
			}
			n++
			return each(r, k)
		})
	})
	return errorOf(ended, err)
}

// checkRows is how many rows go out before the end of the context is asked for again: a window that is ready may hold megabytes of them.
const checkRows = 256

// windows calls consume for one window of a plan after the other, until it returns false. The next window is loaded while one is consumed. No
// goroutine is left when it returns.
func (q *query) windows(ctx context.Context, p *plan, consume func(*window) bool) error {
	ctx, cancel := context.WithCancel(ctx)
	ready := make(chan *window)
	failed := make(chan error, 1)
	go func() {
		defer close(ready)
		failed <- q.produce(ctx, p, func(w *window) error {
			select {
			case ready <- w:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	enough := false
	for w := range ready {
		if enough = !consume(w); enough {
			break
		}
		for _, page := range w.spent {
			q.s.logPages.Put(page)
		}
	}
	cancel()
	err := <-failed
	for range ready { //nolint:revive // waits for the producer to be gone
	}
	if enough {
		return nil
	}
	return err
}

// produce reads the raw objects of a plan, and emits windows hour by hour. The first blocks are opened while raw objects are read.
func (q *query) produce(ctx context.Context, p *plan, emit func(*window) error) error {
	next, stop := iter.Pull(q.groups(p.blocks))
	defer stop()
	g, _ := next() // there is always one
	s := &slicer{q: q, emit: emit, limit: q.sel.Limit, grown: 1}
	var blocks []*openBlock
	both, bctx := errgroup.WithContext(ctx)
	both.Go(func() (err error) {
		s.raw, err = q.readRaw(bctx, p)
		return err
	})
	both.Go(func() (err error) {
		blocks, err = q.open(bctx, g.blocks)
		return err
	})
	if err := both.Wait(); err != nil {
		return err
	}
	if q.sel.Limit == 0 {
		q.aside = aside{budget: q.s.opts.Memory / 8}
	}
	from, to := q.place(q.sel.Start), q.place(q.sel.End)
	if q.sel.Direction == letheql.Backward {
		from, to = to, from
	}
	for from <= to {
		end := to
		if !g.last {
			end = q.edge(g.hour)
		}
		if end >= from {
			if err := s.group(ctx, blocks, from, end); err != nil || s.enough() || end == to {
				return err
			}
			from = end + 1
		}
		var more bool
		if g, more = next(); !more {
			return nil
		}
		var err error
		if blocks, err = q.open(ctx, g.blocks); err != nil {
			return err
		}
	}
	return nil
}

// edge returns the last place on the line that lies in an hour.
func (q *query) edge(h layout.Hour) int64 {
	if q.sel.Direction == letheql.Backward {
		return ^(int64(h) * layout.HourNanos)
	}
	return (int64(h)+1)*layout.HourNanos - 1
}

// group is a number of neighbouring hours whose blocks are opened together.
type group struct {
	blocks []*blockPlan
	// hour is the last of them in the direction of the query; last tells that there is no other group.
	hour layout.Hour
	last bool
}

const (
	// groupTails bounds the tails of a group in bytes.
	groupTails = 16 << 20
	// filteredHours is how many hours the first group has where there are filters, so that few requests find a rare line.
	filteredHours = 4
)

// groups yields the hours of blocks in the direction of the query. Where a limit may make later hours needless, groups begin small and
// grow. There is always a last group, which may be empty.
func (q *query) groups(blocks []*blockPlan) iter.Seq[group] {
	hours := 1 << 30
	if q.sel.Limit > 0 {
		if hours = 1; !q.chain.All() {
			hours = filteredHours
		}
	}
	return func(yield func(group) bool) {
		rest := byHour(blocks, q.sel.Direction == letheql.Backward)
		for {
			var g group
			var tails int64
			n := 0
			for n < len(rest) && (n == 0 || (n < hours && tails < groupTails)) {
				for _, b := range rest[n] {
					tails += b.Tail
				}
				g.blocks = append(g.blocks, rest[n]...)
				g.hour = rest[n][0].Hour
				n++
			}
			rest = rest[n:]
			g.last = len(rest) == 0
			if !yield(g) || g.last {
				return
			}
			hours = min(hours*4, 1<<30)
		}
	}
}

// byHour cuts blocks, which are sorted by hour, into hours.
func byHour(blocks []*blockPlan, backward bool) [][]*blockPlan {
	var out [][]*blockPlan
	for i, b := range blocks {
		if i == 0 || blocks[i-1].Hour != b.Hour {
			out = append(out, nil)
		}
		out[len(out)-1] = append(out[len(out)-1], b)
	}
	if backward {
		for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
			out[i], out[j] = out[j], out[i]
		}
	}
	return out
}
