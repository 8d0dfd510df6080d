package scan

import (
	"cmp"
	"context"
	"strings"
	"sync"
	"sync/atomic"

	"lethe/internal/layout"
	"lethe/internal/record"
	"lethe/letheql"
)

// gatherRows and gatherBytes bound how many rows of this machine are gathered before they are merged with those of others.
const (
	gatherRows  = 256
	gatherBytes = 256 << 10
)

// stream is rows in order that a goroutine gets ready, at most two batches ahead of who takes them.
type stream struct {
	batches chan []Ranked
	rows    []Ranked
	// err is why the stream ended, once batches is closed.
	err error
}

// gather merges the rows of pieces, which others read, with those of the raw objects, which are read here, and calls each for one row after the other
// until it returns false. No goroutine is left when it returns.
func (q *query) gather(ctx context.Context, p *plan, pieces []Piece, each func(*record.Row, *key) bool) error {
	ctx, cancel := context.WithCancelCause(ctx)
	var running sync.WaitGroup
	defer func() {
		cancel(nil)
		running.Wait()
	}()
	var merging atomic.Bool
	var streams []*stream
	open := func(produce func(send func([]Ranked) bool) error) {
		s := &stream{batches: make(chan []Ranked, 1)}
		streams = append(streams, s)
		running.Go(func() {
			defer close(s.batches)
			s.err = produce(func(rows []Ranked) bool {
				select {
				case s.batches <- rows:
					return true
				case <-ctx.Done():
					return false
				}
			})
			if ctx.Err() != nil {
				s.err = context.Cause(ctx)
			}
			if s.err != nil && !merging.Load() {
				// Nothing comes out before all streams have a row, and this one has none: the others work for nobody.
				cancel(s.err)
			}
		})
	}
	for _, piece := range pieces {
		open(func(send func([]Ranked) bool) error { return q.linesElsewhere(ctx, p, piece, send) })
	}
	if p.hasRaw() {
		open(func(send func([]Ranked) bool) error { return q.linesOfRaw(ctx, p, send) })
	}
	return q.mergeStreams(streams, func(r *record.Row, k *key) bool {
		merging.Store(true)
		return each(r, k)
	})
}

// next makes sure that the stream has a row; it is false where there are no more.
func (s *stream) next() (bool, error) {
	for len(s.rows) == 0 {
		rows, ok := <-s.batches
		if !ok {
			return false, s.err
		}
		s.rows = rows
	}
	return true, nil
}

func (q *query) mergeStreams(streams []*stream, each func(*record.Row, *key) bool) error {
	backward := q.sel.Direction == letheql.Backward
	for {
		var first *stream
		for _, s := range streams {
			more, err := s.next()
			if err != nil {
				return err
			}
			if !more {
				continue
			}
			if first == nil {
				first = s
				continue
			}
			if c := compareRanked(q.sel.Kind, &s.rows[0], &first.rows[0]); c < 0 != backward && c != 0 {
				first = s
			}
		}
		if first == nil {
			return nil
		}
		row := &first.rows[0]
		first.rows = first.rows[1:]
		if !each(&row.Row, nil) {
			return nil
		}
	}
}

// compareRanked orders rows as keys do: by time, then series, then rank of the source, then place in it.
func compareRanked(k layout.Kind, a, b *Ranked) int {
	if c := cmp.Compare(a.Time, b.Time); c != 0 {
		return c
	}
	at, bt := a.Namespace, b.Namespace
	if k == layout.Node {
		at, bt = a.Node, b.Node
	}
	a1, a2 := a.Group(k)
	b1, b2 := b.Group(k)
	return cmp.Or(strings.Compare(at, bt), strings.Compare(a1, b1), strings.Compare(a2, b2), cmp.Compare(a.Rank, b.Rank), cmp.Compare(a.Place, b.Place))
}

func (p *plan) hasRaw() bool {
	for _, t := range p.targets {
		if len(t.raw) > 0 {
			return true
		}
	}
	return false
}

// linesOfRaw sends the rows of the raw objects of a plan.
func (q *query) linesOfRaw(ctx context.Context, p *plan, send func([]Ranked) bool) error {
	backward := q.sel.Direction == letheql.Backward
	var batch []Ranked
	bytes, left := 0, q.sel.Limit
	err := q.inOrder(ctx, &plan{targets: p.targets}, func(r *record.Row, k *key) bool {
		row := Ranked{Row: *r}
		row.Log = append([]byte(nil), r.Log...)
		row.Rank, row.Place = k.source(backward)
		batch = append(batch, row)
		left--
		if bytes += len(row.Log); len(batch) < gatherRows && bytes < gatherBytes {
			return left != 0
		}
		out := batch
		batch, bytes = nil, 0
		return send(out) && left != 0
	})
	if err == nil && len(batch) > 0 {
		send(batch)
	}
	return err
}
