package alerting

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"math"
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"lethe/alerting/rulefile"
	"lethe/internal/layout"
	"lethe/internal/record"
	"lethe/letheql"
)

// lateBatch is how many bytes of late lines are evaluated at a time.
const lateBatch = 8 << 20

// counter counts the lines of a log rule.
type counter struct {
	rule *rulefile.Rule
	kind layout.Kind
	max  int
	by   map[seriesKey]*sample
	// err has ended the counting, took is how long it has taken.
	err  error
	took time.Duration
}

// seriesKey is namespace, pod and container, or node and process.
type seriesKey [3]string

func newCounter(r *rulefile.Rule, limit int) *counter {
	c := &counter{rule: r, max: limit, by: map[seriesKey]*sample{}, kind: layout.Pod}
	if len(r.Query.Scopes) > 0 {
		c.kind = r.Query.Scopes[0].Kind
	}
	return c
}

func (c *counter) key(r *record.Row) seriesKey {
	if c.kind == layout.Node {
		return seriesKey{r.Node, r.Process}
	}
	return seriesKey{r.Namespace, r.Pod, r.Container}
}

func (c *counter) labels(k seriesKey) labels.Labels {
	b := labels.NewBuilder(labels.EmptyLabels())
	names := [...]string{"namespace", "pod", "container"}
	if c.kind == layout.Node {
		names = [...]string{"node", "process", ""}
	}
	for i, n := range names {
		if n != "" {
			b.Set(n, k[i])
		}
	}
	return b.Labels()
}

func (c *counter) add(r *record.Row) error {
	k := c.key(r)
	s := c.by[k]
	if s == nil {
		if len(c.by) >= c.max {
			return fmt.Errorf("%w: lines of more than %d pods and containers, or nodes and processes", ErrLimit, c.max)
		}
		s = &sample{lineTime: math.MinInt64}
		c.by[k] = s
	}
	s.value++
	if r.Time < s.lineTime {
		return nil
	}
	line := bounded(string(r.Log[:min(len(r.Log), maxLine+4)]), maxLine)
	if r.Time > s.lineTime || line > s.line {
		s.line, s.lineTime = line, r.Time
	}
	return nil
}

func (c *counter) samples() []sample {
	out := make([]sample, 0, len(c.by))
	for k, s := range c.by {
		v := *s
		v.labels = c.labels(k)
		out = append(out, v)
	}
	return out
}

// countWindow adds the lines of the view after through and until end, included.
func (e *Evaluator) countWindow(ctx context.Context, c *counter, v View, through, end int64) error {
	if through >= end {
		return nil
	}
	return e.count(ctx, c, v.Window(), through+1, end)
}

// count adds the lines of a source from start to end, both included.
func (e *Evaluator) count(ctx context.Context, c *counter, src letheql.Source, start, end int64) error {
	begun := e.opts.Now()
	defer func() { c.took += e.opts.Now().Sub(begun) }()
	for row, err := range e.opts.Engine.Lines(ctx, src, c.rule.Expr, start, end) {
		if err != nil {
			return err
		}
		if err := c.add(&row); err != nil {
			return err
		}
	}
	return nil
}

// countLate adds the late lines of a cursor to its counters, and returns how many objects were deleted before they were seen. What fails is
// the error of those counters that have none yet, unless it ends the run.
func (e *Evaluator) countLate(ctx context.Context, r *run, c Cursor, v View, cs []*counter, ev *evaluation) (missed int, err error) {
	if !slices.ContainsFunc(cs, func(c *counter) bool { return c.err == nil }) {
		return 0, nil // nobody would count them
	}
	q, err := e.lateSelect(r, c)
	if err == nil {
		q.Missed = func(Arrival) { missed++ }
		err = e.countBatches(ctx, cs, v.Late(ctx, q), ev)
	}
	if err != nil && r.fatal(ctx, err) {
		return missed, err
	}
	for _, c := range cs {
		c.err = cmp.Or(c.err, err)
	}
	return missed, nil
}

// countBatches adds rows to all counters that have not failed: the engine evaluates them in batches of bounded size, as it evaluates a window.
func (e *Evaluator) countBatches(ctx context.Context, cs []*counter, rows iter.Seq2[KindRow, error], ev *evaluation) error {
	batch := &Memory{}
	flush := func() error {
		defer batch.Reset()
		for _, c := range cs {
			if c.err == nil && !batch.empty() {
				c.err = e.count(ctx, c, batch, batch.first, batch.last)
			}
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		return nil
	}
	for row, err := range rows {
		if err != nil {
			return err
		}
		batch.Add(row)
		ev.late++
		if batch.bytes >= lateBatch {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}
