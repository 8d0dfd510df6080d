package scan

import (
	"context"

	"golang.org/x/sync/errgroup"

	"lethe/internal/linefilter"
	"lethe/internal/record"
	"lethe/letheql"
)

// Visit implements letheql.Source. It holds no more than what the requests and pages under way take, and a batch for each series of
// the raw object that it reads.
func (s *Scanner) Visit(ctx context.Context, sel letheql.Select, stats *letheql.Stats, visit func(*letheql.Batch) error) error {
	q, err := s.begin(ctx, sel)
	if err != nil {
		return err
	}
	defer q.end(stats)
	out := false
	return q.retry(ctx, &out, func(ctx context.Context) error {
		defer func() { out = q.handed.Load() }()
		return q.visit(ctx, q.counting(visit))
	})
}

// counting notes what is handed to visit.
func (q *query) counting(visit func(*letheql.Batch) error) func(*letheql.Batch) error {
	return func(b *letheql.Batch) error {
		q.handed.Store(true)
		q.count.linesReturned.Add(int64(len(b.Times)))
		return visit(b)
	}
}

// visit plans the query and visits the raw objects, and at the same time the blocks, some hours at a time.
func (q *query) visit(ctx context.Context, visit func(*letheql.Batch) error) error {
	p, err := q.makePlan(ctx)
	if err != nil {
		return err
	}
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		return q.eachRaw(gctx, p, func(rawSource) rawVisitor {
			return &rawBatches{q: q, visit: visit, open: map[batchKey]*letheql.Batch{}}
		})
	})
	pieces := q.spread(p, true)
	for _, piece := range pieces {
		g.Go(func() error { return q.countElsewhere(gctx, p, piece, visit) })
	}
	if len(pieces) == 0 {
		g.Go(func() error { return q.visitBlocks(gctx, p.blocks, visit) })
	}
	return g.Wait()
}

func (q *query) visitBlocks(ctx context.Context, blocks []*blockPlan, visit func(*letheql.Batch) error) error {
	for g := range q.groups(blocks) {
		opened, err := q.open(ctx, g.blocks)
		if err != nil {
			return err
		}
		var refs []*pageRef
		for _, b := range opened {
			refs = append(refs, b.refs...)
		}
		err = q.load(ctx, refs, func(*pageRef) span { return always }, func(r *pageRef, w *worker) error {
			return w.batches(q, r, visit)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// newBatch returns an empty batch of a series.
func newBatch(s series) *letheql.Batch {
	var r record.Row
	s.fill(&r)
	return &letheql.Batch{Namespace: r.Namespace, Pod: r.Pod, Container: r.Container, Node: r.Node, Process: r.Process}
}

// batches hands out the matching rows of a page: a batch for each run, or for each stream and node in it where these are wanted.
func (w *worker) batches(q *query, r *pageRef, visit func(*letheql.Batch) error) error {
	for i := range r.segs {
		s := &r.segs[i]
		n := w.sel.CountWithin(s.from, s.to)
		if n == 0 {
			continue
		}
		if q.need.stream || q.need.node {
			if err := w.batchesByLabels(q, r, s, visit); err != nil {
				return err
			}
			continue
		}
		b := newBatch(seriesOf(r.in.plan.in.target, s.run))
		if n == s.to-s.from && !wantsLines(&q.sel) {
			b.Times = w.times[s.from:s.to]
		} else {
			b.Times = make([]int64, 0, n)
			for row := range w.sel.Within(s.from, s.to) {
				w.addRow(q, b, row)
			}
		}
		if err := visit(b); err != nil {
			return err
		}
	}
	return nil
}

func (w *worker) batchesByLabels(q *query, r *pageRef, s *segRef, visit func(*letheql.Batch) error) error {
	type streamNode struct{ stream, node string }
	parts := map[streamNode]*letheql.Batch{}
	var last *letheql.Batch
	for row := range w.sel.Within(s.from, s.to) {
		var key streamNode
		if q.need.stream {
			key.stream = w.stream.get(row, s.run.Stream, s.run.OneStream)
		}
		if q.need.node {
			key.node = w.node.get(row, s.run.Node, s.run.OneNode)
		}
		if last == nil || key.stream != last.Stream || key.node != last.Node {
			if last = parts[key]; last == nil {
				last = newBatch(seriesOf(r.in.plan.in.target, s.run))
				last.Stream, last.Node = key.stream, key.node
				parts[key] = last
			}
		}
		w.addRow(q, last, row)
	}
	for _, b := range parts {
		if err := visit(b); err != nil {
			return err
		}
	}
	return nil
}

func (w *worker) addRow(q *query, b *letheql.Batch, row int) {
	b.Times = append(b.Times, w.times[row])
	if q.sel.NeedSize {
		b.Sizes = append(b.Sizes, int32(w.log.Offsets[row+1]-w.log.Offsets[row]))
	}
	if q.sel.NeedLog {
		b.Logs = append(b.Logs, w.log.Line(row))
	}
}

// rawBatches gathers the rows of one raw object by their series.
type rawBatches struct {
	q     *query
	visit func(*letheql.Batch) error
	open  map[batchKey]*letheql.Batch
	bytes int
}

type batchKey struct {
	series
	stream, node string
}

// rawBatchBytes is how many bytes of rows are gathered before they are handed out.
const rawBatchBytes = 1 << 20

func (v *rawBatches) expect(*table, linefilter.Bitmap) {}

func (v *rawBatches) row(r *record.Row, s series, _ uint32) error {
	key := batchKey{series: s}
	if v.q.need.stream {
		key.stream = r.Stream
	}
	if v.q.need.node {
		key.node = r.Node
	}
	b, ok := v.open[key]
	if !ok {
		b = newBatch(s)
		if v.q.need.stream {
			b.Stream = key.stream
		}
		if v.q.need.node {
			b.Node = key.node
		}
		v.open[key] = b
	}
	b.Times = append(b.Times, r.Time)
	v.bytes += rawOverhead
	if v.q.sel.NeedSize {
		b.Sizes = append(b.Sizes, int32(len(r.Log)))
	}
	if v.q.sel.NeedLog {
		b.Logs = append(b.Logs, append([]byte(nil), r.Log...))
		v.bytes += len(r.Log)
	}
	if v.bytes >= rawBatchBytes {
		return v.done()
	}
	return nil
}

func (v *rawBatches) done() error {
	for _, b := range v.open {
		if err := v.visit(b); err != nil {
			return err
		}
	}
	clear(v.open)
	v.bytes = 0
	return nil
}
