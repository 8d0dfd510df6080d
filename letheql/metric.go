package letheql

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"
	"golang.org/x/sync/errgroup"

	"lethe/letheql/internal/pipeline"
)

// queryMetric evaluates a query for numbers. Each function over lines is computed by Lethe at exactly the times at which the engine will
// ask for it, and the engine sees its values as series of samples: it evaluates all around them.
func (e *Engine) queryMetric(ctx context.Context, expr Expr, r Request) (*Result, error) {
	ctx, cancel := e.timeout(ctx)
	defer cancel()
	g, err := e.grid(r)
	if err != nil {
		return nil, err
	}
	root, err := expr.fresh()
	if err != nil {
		return nil, err
	}
	nodes, err := nodesOf(&expr, root, g, e.o)
	if err != nil {
		return nil, err
	}
	stats := &Stats{}
	res, err := e.compute(ctx, root, nodes, r, g, stats)
	if err != nil {
		return &Result{Stats: stats}, err
	}
	return res, nil
}

// compute computes the nodes of a query, and what stands around them.
func (e *Engine) compute(ctx context.Context, root parser.Expr, nodes []*node, r Request, g grid, stats *Stats) (*Result, error) {
	data, err := e.collect(ctx, nodes, stats)
	if err != nil {
		return nil, causeOf(ctx, err)
	}
	for i, n := range nodes {
		n.replace(strconv.Itoa(i))
	}
	q, err := e.promQuery(ctx, data, root.String(), r, g)
	if err != nil {
		return nil, userError("%s", err)
	}
	out := q.Exec(ctx)
	if out.Err != nil {
		return nil, execError(ctx, out.Err)
	}
	res := &Result{Type: ResultType(out.Value.Type()), Value: out.Value, Stats: stats}
	data.warn(nodes, &out.Warnings)
	res.Warnings, res.Infos = out.Warnings.AsStrings("", 0, 0)
	slices.Sort(res.Warnings)
	res.Warnings = append(res.Warnings, uncounted(res.Stats)...)
	res.Warnings = append(res.Warnings, skipped(res.Stats)...)
	slices.Sort(res.Infos)
	return res, nil
}

// warn adds what the engine would say of functions that it does not see.
func (q queryable) warn(all []*node, to *annotations.Annotations) {
	for i, n := range all {
		if n.fn.name == "quantile_over_time" && (n.param < 0 || n.param > 1) && len(q[sampleName(strconv.Itoa(i))]) > 0 {
			to.Add(annotations.NewInvalidQuantileWarning(n.param, n.call.PosRange))
		}
	}
}

// uncounted warns of lines that were left out.
func uncounted(s *Stats) []string {
	if s.LinesUndecided == 0 {
		return nil
	}
	return []string{fmt.Sprintf("%d lines were not counted: a comparison of numbers had none to compare after a mistake of an earlier stage; "+
		"| %s=\"\" leaves them out without this warning, | %[2]s!=\"\" counts them", s.LinesUndecided, pipeline.ErrorLabel)}
}

// grid is the times at which a request wants values.
func (e *Engine) grid(r Request) (grid, error) {
	if r.instant() {
		t := r.Time
		if t.IsZero() {
			t = r.Now
		}
		return grid{t.UnixMilli(), t.UnixMilli(), 1}, nil
	}
	step := r.Step
	if step == 0 {
		step = max(r.End.Sub(r.Start)/250, time.Second).Truncate(time.Millisecond)
	}
	if step < time.Millisecond {
		return grid{}, userError("step %s is below a millisecond", r.Step)
	}
	g := grid{r.Start.UnixMilli(), r.End.UnixMilli(), step.Milliseconds()}
	// As in Prometheus, a range of 11,000 steps passes, although it has one point more.
	if n := g.points() - 1; n > int64(e.o.MaxPoints) {
		return grid{}, fmt.Errorf("%w: step %s gives %d points a series, at most %d are allowed: use a longer step or a shorter range", ErrAsked, step, n, e.o.MaxPoints)
	}
	return g, nil
}

func (e *Engine) promQuery(ctx context.Context, data storage.Queryable, text string, r Request, g grid) (promql.Query, error) {
	if r.instant() {
		return e.prom.NewInstantQuery(ctx, data, nil, text, time.UnixMilli(g.start))
	}
	return e.prom.NewRangeQuery(ctx, data, nil, text, time.UnixMilli(g.start), time.UnixMilli(g.end), time.Duration(g.step)*time.Millisecond)
}

// attempts is how often a part of a query is run while the bucket changes under it.
const attempts = 3

// parallelNodes is how many functions of a query are computed at once: over a store far away, they wait together.
const parallelNodes = 4

// collect computes the nodes, some at once, and those that are the same once.
func (e *Engine) collect(ctx context.Context, nodes []*node, stats *Stats) (queryable, error) {
	left := &atomic.Int64{}
	left.Store(int64(e.o.MaxSamples))
	results := make([][]promql.Series, len(nodes))
	first := map[string]int{}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallelNodes)
	for i, n := range nodes {
		if _, known := first[n.key()]; known || n.empty() {
			continue
		}
		first[n.key()] = i
		g.Go(func() (err error) {
			for try := 1; ; try++ {
				results[i], err = e.count(ctx, n, left, stats)
				if try == attempts || !errors.Is(err, ErrChanged) {
					return err
				}
			}
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	data := queryable{}
	for i, n := range nodes {
		if at, ok := first[n.key()]; ok {
			data[sampleName(strconv.Itoa(i))] = results[at]
		}
	}
	return data, nil
}

// count computes one node. What it takes of the values that are left it gives back when it fails.
func (e *Engine) count(ctx context.Context, n *node, left *atomic.Int64, stats *Stats) ([]promql.Series, error) {
	q := n.selectRows()
	if err := e.checkRange(q); err != nil {
		return nil, err
	}
	c := newCounter(n, e.o.MaxSeries, left)
	if q.Share = n.share(); q.Share != nil {
		q.Share.Add = c.merge
	}
	err := e.src.Visit(ctx, q, stats, func(b *Batch) error { return c.visit(ctx, b) })
	var points []promql.Series
	if err == nil {
		points, err = c.seriesPoints(ctx)
	}
	if err != nil {
		left.Add(c.spent.Load())
		return nil, err
	}
	atomic.AddInt64(&stats.LinesUndecided, c.undecided.Load())
	return points, nil
}

// selects are the selects of a query.
func (e *Engine) selects(expr Expr, r Request) ([]Select, error) {
	if expr.IsLog() {
		lq, err := e.logQuery(expr, r)
		if err != nil {
			return nil, err
		}
		return []Select{lq.limited()}, nil
	}
	g, err := e.grid(r)
	if err != nil {
		return nil, err
	}
	nodes, err := nodesOf(&expr, expr.root, g, e.o)
	if err != nil {
		return nil, err
	}
	var out []Select
	for _, n := range nodes {
		if !n.empty() {
			q := n.selectRows()
			q.Share = n.share()
			out = append(out, q)
		}
	}
	return out, nil
}

// sampleName is the metric under which the engine finds the values of a node. A selector of the language cannot have it.
func sampleName(id string) string { return "lethe:" + id }

// replace puts the computed values in the place of the function: a range of one millisecond holds exactly the sample of the time at which the
// engine looks. absent_over_time stays, since it makes its labels of the matchers.
func (x *node) replace(id string) {
	vs := &parser.VectorSelector{
		Name:          sampleName(id),
		LabelMatchers: []*labels.Matcher{labels.MustNewMatcher(labels.MatchEqual, model.MetricNameLabel, sampleName(id))},
	}
	name := "last_over_time"
	if x.fn.name == "absent_over_time" {
		name = x.fn.name
		vs.LabelMatchers = append(vs.LabelMatchers, x.sel.Matchers...)
	}
	x.call.Func = &parser.Function{Name: name, ArgTypes: []parser.ValueType{parser.ValueTypeMatrix}, ReturnType: parser.ValueTypeVector}
	x.call.Args = parser.Expressions{&parser.MatrixSelector{VectorSelector: vs, Range: time.Millisecond}}
}

// execError tells apart what the user asked for, what took too long or too much, and what went wrong.
func execError(ctx context.Context, err error) error {
	var timeout promql.ErrQueryTimeout
	var canceled promql.ErrQueryCanceled
	var samples promql.ErrTooManySamples
	var bug runtime.Error
	switch {
	case errors.As(err, &timeout), errors.As(err, &canceled):
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		return fmt.Errorf("%w: %w", context.DeadlineExceeded, err)
	case errors.As(err, &samples):
		return errTooManySamples()
	case errors.As(err, &bug):
		return err
	}
	return &Error{Pos: -1, Eval: true, Msg: err.Error()}
}
