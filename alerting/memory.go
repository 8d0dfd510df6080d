package alerting

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"iter"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/labels"

	"lethe/internal/layout"
	"lethe/internal/record"
	"lethe/letheql"
)

// Memory is a source of lines held in memory: late lines, and those of rule tests. It keeps rows in the order of adding where they have
// one time and one series.
type Memory struct {
	rows  []KindRow
	bytes int
	// first and last time of the rows.
	first, last int64
}

var _ letheql.Source = (*Memory)(nil)

// Add copies the row.
func (m *Memory) Add(r KindRow) {
	r.Log = bytes.Clone(r.Log)
	if m.empty() {
		m.first, m.last = r.Time, r.Time
	}
	m.first, m.last = min(m.first, r.Time), max(m.last, r.Time)
	m.rows = append(m.rows, r)
	m.bytes += len(r.Log) + 64
}

func (m *Memory) empty() bool { return len(m.rows) == 0 }

// Reset forgets all rows.
func (m *Memory) Reset() { m.rows, m.bytes = m.rows[:0], 0 }

// filter decides about a line.
type filter func(line []byte) bool

func compileFilters(fs []letheql.LineFilter) ([]filter, error) {
	var out []filter
	for _, f := range fs {
		var match filter
		switch f.Op {
		case letheql.Contains, letheql.NotContains:
			texts := f.Texts()
			match = func(line []byte) bool {
				return slices.ContainsFunc(texts, func(text string) bool { return bytes.Contains(line, []byte(text)) })
			}
		default:
			re, err := regexp.Compile(f.Text)
			if err != nil {
				return nil, fmt.Errorf("line filter %q: %w", f.Text, err)
			}
			match = re.Match
		}
		if f.Op == letheql.NotContains || f.Op == letheql.NotMatches {
			yes := match
			match = func(line []byte) bool { return !yes(line) }
		}
		out = append(out, match)
	}
	return out, nil
}

// selected returns the rows that q selects, in time order.
func (m *Memory) selected(q letheql.Select) ([]KindRow, error) {
	filters, err := compileFilters(q.Filters)
	if err != nil {
		return nil, err
	}
	var out []KindRow
	for _, r := range m.rows {
		if r.Kind == q.Kind && r.Time >= q.Start && r.Time <= q.End && matches(&r.Row, q.Matchers) &&
			!slices.ContainsFunc(filters, func(f filter) bool { return !f(r.Log) }) {
			out = append(out, r)
		}
	}
	slices.SortStableFunc(out, func(a, b KindRow) int {
		return cmp.Or(cmp.Compare(a.Time, b.Time), strings.Compare(target(&a), target(&b)), record.CompareStored(q.Kind, &a.Row, &b.Row))
	})
	return out, nil
}

func matches(r *record.Row, ms []*labels.Matcher) bool {
	for _, m := range ms {
		if !m.Matches(r.Label(m.Name)) {
			return false
		}
	}
	return true
}

func target(r *KindRow) string {
	if r.Kind == layout.Node {
		return r.Node
	}
	return r.Namespace
}

// Lines implements letheql.Source.
func (m *Memory) Lines(ctx context.Context, q letheql.Select, stats *letheql.Stats) iter.Seq2[record.Row, error] {
	return func(yield func(record.Row, error) bool) {
		rows, err := m.selected(q)
		if err != nil {
			yield(record.Row{}, err)
			return
		}
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
			if !yield(r.Row, nil) {
				return
			}
		}
	}
}

// Visit implements letheql.Source, with one batch for each run of rows of one series.
func (m *Memory) Visit(ctx context.Context, q letheql.Select, stats *letheql.Stats, visit func(*letheql.Batch) error) error {
	rows, err := m.selected(q)
	if err != nil {
		return err
	}
	for i := range rows {
		if err := ctx.Err(); err != nil {
			return err
		}
		r := &rows[i]
		b := &letheql.Batch{
			Namespace: r.Namespace, Pod: r.Pod, Container: r.Container, Process: r.Process, Times: []int64{r.Time},
		}
		if q.NeedStream {
			b.Stream = r.Stream
		}
		if q.NeedNode || q.Kind == layout.Node {
			b.Node = r.Node
		}
		if q.NeedSize {
			b.Sizes = []int32{int32(len(r.Log))} //nolint:gosec // a line is at most record.MaxLineBytes long
		}
		if q.NeedLog {
			b.Logs = [][]byte{r.Log}
		}
		if err := visit(b); err != nil {
			return err
		}
	}
	return nil
}

// Series implements letheql.Source.
func (m *Memory) Series(ctx context.Context, q letheql.Select, stats *letheql.Stats) ([]labels.Labels, error) {
	rows, err := m.selected(q)
	if err != nil {
		return nil, err
	}
	found := map[uint64]labels.Labels{}
	for _, r := range rows {
		b := labels.NewBuilder(labels.EmptyLabels())
		for _, name := range record.LabelsOf(q.Kind) {
			if name != "stream" && (name != "node" || q.Kind == layout.Node) || name == "stream" && q.NeedStream || name == "node" && q.NeedNode {
				b.Set(name, r.Label(name))
			}
		}
		found[b.Labels().Hash()] = b.Labels()
	}
	return slices.SortedFunc(maps.Values(found), labels.Compare), nil
}

// Explain implements letheql.Source: memory has nothing to plan.
func (m *Memory) Explain(context.Context, letheql.Select) (*letheql.Plan, error) {
	return &letheql.Plan{}, nil
}
