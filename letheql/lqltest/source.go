// Package lqltest has a letheql.Source over a slice of rows, for tests. It is as plain as it can be: what it answers is what the
// language means.
package lqltest

import (
	"bytes"
	"cmp"
	"context"
	"iter"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/prometheus/prometheus/model/labels"
	"golang.org/x/sync/errgroup"

	"lethe/internal/layout"
	"lethe/internal/record"
	"lethe/letheql"
)

// Source holds the rows of both kinds, in the order in which the agents sent them. It is safe for concurrent reads.
type Source struct {
	Pod, Node []record.Row
}

var _ letheql.Source = (*Source)(nil)

// Lines implements letheql.Source.
func (s *Source) Lines(ctx context.Context, q letheql.Select, stats *letheql.Stats) iter.Seq2[record.Row, error] {
	return func(yield func(record.Row, error) bool) {
		rows, err := s.rows(q)
		if err != nil {
			yield(record.Row{}, err)
			return
		}
		atomic.AddInt64(&stats.LinesScanned, int64(len(rows)))
		slices.SortStableFunc(rows, func(a, b record.Row) int { return compare(q.Kind, &a, &b) })
		if q.Direction == letheql.Backward {
			slices.Reverse(rows)
		}
		if q.Limit > 0 && len(rows) > q.Limit {
			rows = rows[:q.Limit]
		}
		for _, r := range rows {
			if err := ctx.Err(); err != nil {
				yield(record.Row{}, err)
				return
			}
			if !q.NeedLog {
				r.Log = nil
			}
			if !yield(r, nil) {
				return
			}
		}
	}
}

// Visit implements letheql.Source. Batches hold up to seven rows, and two goroutines hand them out.
func (s *Source) Visit(ctx context.Context, q letheql.Select, stats *letheql.Stats, visit func(*letheql.Batch) error) error {
	rows, err := s.rows(q)
	if err != nil {
		return err
	}
	atomic.AddInt64(&stats.LinesScanned, int64(len(rows)))
	batches := batches(q, rows)
	g, ctx := errgroup.WithContext(ctx)
	for worker := range 2 {
		g.Go(func() error {
			for i := worker; i < len(batches); i += 2 {
				if err := ctx.Err(); err != nil {
					return err
				}
				if err := visit(batches[i]); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

func batches(q letheql.Select, rows []record.Row) []*letheql.Batch {
	type key [6]string
	var out []*letheql.Batch
	open := map[key]*letheql.Batch{}
	for i := range rows {
		r := &rows[i]
		k := key{r.Namespace, r.Pod, r.Container, r.Process}
		if q.NeedStream {
			k[4] = r.Stream
		}
		if q.NeedNode || q.Kind == layout.Node {
			k[5] = r.Node
		}
		b := open[k]
		if b == nil || len(b.Times) == 7 {
			b = &letheql.Batch{Namespace: k[0], Pod: k[1], Container: k[2], Process: k[3], Stream: k[4], Node: k[5]}
			open[k] = b
			out = append(out, b)
		}
		b.Times = append(b.Times, r.Time)
		if q.NeedSize {
			b.Sizes = append(b.Sizes, int32(len(r.Log)))
		}
		if q.NeedLog {
			b.Logs = append(b.Logs, r.Log)
		}
	}
	return out
}

// Series implements letheql.Source.
func (s *Source) Series(_ context.Context, q letheql.Select, _ *letheql.Stats) ([]labels.Labels, error) {
	rows, err := s.rows(q)
	if err != nil {
		return nil, err
	}
	var out []labels.Labels
	for i := range rows {
		b := labels.NewScratchBuilder(5)
		for _, name := range record.LabelsOf(q.Kind) {
			if q.Kind == layout.Pod && (name == "stream" && !q.NeedStream || name == "node" && !q.NeedNode) {
				continue
			}
			if v := rows[i].Label(name); v != "" {
				b.Add(name, v)
			}
		}
		b.Sort()
		out = append(out, b.Labels())
	}
	slices.SortFunc(out, labels.Compare)
	return slices.CompactFunc(out, labels.Equal), nil
}

// Explain implements letheql.Source.
func (s *Source) Explain(_ context.Context, q letheql.Select) (*letheql.Plan, error) {
	rows, err := s.rows(q)
	if err != nil {
		return nil, err
	}
	p := &letheql.Plan{}
	for i := range rows {
		p.MaxBytes += int64(len(rows[i].Log))
	}
	return p, nil
}

// rows are copies of those that q selects, whatever its direction and limit.
func (s *Source) rows(q letheql.Select) ([]record.Row, error) {
	all := s.Pod
	if q.Kind == layout.Node {
		all = s.Node
	}
	filters := make([]func([]byte) bool, 0, len(q.Filters))
	for _, f := range q.Filters {
		m, err := matcher(f)
		if err != nil {
			return nil, err
		}
		filters = append(filters, m)
	}
	var out []record.Row
next:
	for _, r := range all {
		if r.Time < q.Start || r.Time > q.End {
			continue
		}
		for _, m := range q.Matchers {
			if !m.Matches(r.Label(m.Name)) {
				continue next
			}
		}
		for _, keep := range filters {
			if !keep(r.Log) {
				continue next
			}
		}
		out = append(out, r)
	}
	return out, nil
}

func matcher(f letheql.LineFilter) (func([]byte) bool, error) {
	if f.Op == letheql.Contains || f.Op == letheql.NotContains {
		return func(l []byte) bool {
			found := slices.ContainsFunc(f.Texts(), func(text string) bool { return bytes.Contains(l, []byte(text)) })
			return found == (f.Op == letheql.Contains)
		}, nil
	}
	re, err := regexp.Compile(f.Text)
	if err != nil {
		return nil, err
	}
	return func(l []byte) bool { return re.Match(l) == (f.Op == letheql.Matches) }, nil
}

// compare is the order of an answer: time, target, then pod and container or process.
func compare(k layout.Kind, a, b *record.Row) int {
	if c := cmp.Compare(a.Time, b.Time); c != 0 {
		return c
	}
	target := func(r *record.Row) string {
		if k == layout.Node {
			return r.Node
		}
		return r.Namespace
	}
	if c := strings.Compare(target(a), target(b)); c != 0 {
		return c
	}
	return record.CompareStored(k, a, b)
}
