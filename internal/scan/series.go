package scan

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/prometheus/prometheus/model/labels"

	"lethe/internal/layout"
	"lethe/internal/linefilter"
	"lethe/internal/record"
	"lethe/letheql"
)

// errFilters: a caller has asked for something that the interface rules out.
var errFilters = errors.New("series cannot be asked for with line filters")

// Series implements letheql.Source. Of blocks it reads the tails only, unless values of stream or node are wanted that the directory of
// runs does not have.
func (s *Scanner) Series(ctx context.Context, sel letheql.Select, stats *letheql.Stats) ([]labels.Labels, error) {
	if len(sel.Filters) > 0 {
		return nil, errFilters
	}
	sel.NeedLog, sel.NeedSize = false, false
	q, err := s.begin(ctx, sel)
	if err != nil {
		return nil, err
	}
	defer q.end(stats)
	var found *seriesSet
	out := false
	err = q.retry(ctx, &out, func(ctx context.Context) error {
		found = &seriesSet{known: map[batchKey]bool{}}
		return q.collectSeries(ctx, found)
	})
	if err != nil {
		return nil, err
	}
	return found.sorted(q), nil
}

func (q *query) collectSeries(ctx context.Context, found *seriesSet) error {
	p, err := q.makePlan(ctx)
	if err != nil {
		return err
	}
	err = q.eachRaw(ctx, p, func(rawSource) rawVisitor { return &rawSeries{q, found} })
	if err != nil {
		return err
	}
	for g := range q.groups(p.blocks) {
		blocks, err := q.open(ctx, g.blocks)
		if err != nil {
			return err
		}
		var refs []*pageRef
		for _, b := range blocks {
			for _, r := range b.refs {
				if !q.addSeries(r, found) {
					refs = append(refs, r)
				}
			}
		}
		err = q.load(ctx, refs, func(*pageRef) span { return always }, func(r *pageRef, w *worker) error {
			return w.batches(q, r, func(b *letheql.Batch) error {
				found.add(keyOf(b))
				return nil
			})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// addSeries adds the series of a page, where the directory of runs knows all of them.
func (q *query) addSeries(r *pageRef, found *seriesSet) bool {
	for i := range r.segs {
		s := &r.segs[i]
		if s.check || (q.need.stream && !s.run.OneStream) || (q.need.node && !s.run.OneNode) {
			return false
		}
	}
	for i := range r.segs {
		run := r.segs[i].run
		key := batchKey{series: seriesOf(r.in.plan.in.target, run)}
		if q.need.stream {
			key.stream = run.Stream
		}
		if q.need.node {
			key.node = run.Node
		}
		found.add(key)
	}
	return true
}

func keyOf(b *letheql.Batch) batchKey {
	if b.Namespace == "" {
		return batchKey{series: series{target: layout.Target{Kind: layout.Node, Name: b.Node}, group1: b.Process}}
	}
	return batchKey{
		series: series{target: layout.Target{Kind: layout.Pod, Name: b.Namespace}, group1: b.Pod, group2: b.Container},
		stream: b.Stream, node: b.Node,
	}
}

// seriesSet is safe for concurrent use.
type seriesSet struct {
	mu    sync.Mutex
	known map[batchKey]bool
}

func (s *seriesSet) add(k batchKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known[k] = true
}

// sorted returns the label sets in the order of labels.Compare. Labels that are empty are left out, as everywhere in Prometheus.
func (s *seriesSet) sorted(q *query) []labels.Labels {
	out := make([]labels.Labels, 0, len(s.known))
	b := labels.NewScratchBuilder(5)
	for k := range s.known {
		b.Reset()
		var r record.Row
		k.fill(&r)
		if q.sel.Kind == layout.Pod {
			r.Stream, r.Node = k.stream, k.node
		}
		for _, name := range record.LabelsOf(q.sel.Kind) {
			if v := r.Label(name); v != "" {
				b.Add(name, v)
			}
		}
		b.Sort()
		out = append(out, b.Labels())
	}
	slices.SortFunc(out, labels.Compare)
	return out
}

// rawSeries notes the series of raw rows.
type rawSeries struct {
	q     *query
	found *seriesSet
}

func (v *rawSeries) expect(*table, linefilter.Bitmap) {}

func (v *rawSeries) row(r *record.Row, s series, _ uint32) error {
	k := batchKey{series: s}
	if v.q.need.stream {
		k.stream = r.Stream
	}
	if v.q.need.node {
		k.node = r.Node
	}
	v.found.add(k)
	return nil
}

func (v *rawSeries) done() error { return nil }
