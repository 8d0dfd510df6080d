package alerting

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"

	"lethe/alerting/rulefile"
	"lethe/internal/layout"
	"lethe/internal/record"
	"lethe/letheql"
)

// ErrExpr is wrapped where an expression cannot be that of a rule.
var ErrExpr = errors.New("not an expression for a rule")

// CheckExpr is the rulefile.CheckFunc of LetheQL. Its errors are of type *letheql.Error or wrap ErrExpr.
func CheckExpr(text string) (rulefile.Query, error) {
	expr, err := letheql.Parse(text)
	if err != nil {
		return rulefile.Query{}, err
	}
	if err := expr.Validate(); err != nil {
		return rulefile.Query{}, err
	}
	q := rulefile.Query{Log: expr.IsLog()}
	if q.Log {
		err = checkLines(expr.Root())
	} else if t := expr.Root().Type(); t != parser.ValueTypeVector && t != parser.ValueTypeScalar {
		err = fmt.Errorf("%w: its result is a %s; a rule needs lines, a vector or a scalar", ErrExpr, t)
	}
	if err != nil {
		return rulefile.Query{}, err
	}
	for _, s := range expr.Selectors() {
		q.Scopes = append(q.Scopes, scopeOf(s))
	}
	return q, nil
}

// checkLines refuses what would move a log rule's windows, which touch: each line belongs to one of them.
func checkLines(root parser.Expr) error {
	var err error
	parser.Inspect(root, func(n parser.Node, _ []parser.Node) error {
		switch n := n.(type) {
		case *parser.MatrixSelector:
			err = fmt.Errorf("%w: a rule over lines counts each line once and has no range: leave out [%s], or compare count_over_time(…[%s]) with a number",
				ErrExpr, n.Range, n.Range)
		case *parser.VectorSelector:
			if n.OriginalOffset != 0 {
				err = fmt.Errorf("%w: a rule over lines has no offset", ErrExpr)
			}
		}
		return err
	})
	return err
}

// scopeOf returns the targets that a selector reads.
func scopeOf(s letheql.Selector) rulefile.Scope {
	name := "namespace"
	if s.Kind == layout.Node {
		name = "node"
	}
	scope := rulefile.Scope{Kind: s.Kind}
	for _, m := range s.Matchers {
		if m.Name == name {
			scope.Matchers = append(scope.Matchers, m)
		}
	}
	return scope
}

// queryEngine is LetheQL's engine as rules use it: log queries give all lines.
type queryEngine struct {
	opts letheql.Options
	now  func() time.Time
}

// NewEngine returns the Engine that evaluates LetheQL within the limits of o, but for those on the number of lines and on the range of a
// query: a rule's windows are bounded by Options.MaxWindow. Now is the clock that requests are stamped with.
func NewEngine(o letheql.Options, now func() time.Time) (Engine, error) {
	o.MaxLimit, o.MaxRange = 0, 0
	if _, err := letheql.NewEngine(nil, o); err != nil {
		return nil, err
	}
	return queryEngine{o, now}, nil
}

// Lines implements Engine.
func (q queryEngine) Lines(ctx context.Context, src letheql.Source, query string, start, end int64) iter.Seq2[record.Row, error] {
	return func(yield func(record.Row, error) bool) {
		forward, all := letheql.Forward, 0
		res, err := q.query(ctx, src, letheql.Request{
			Query: query, Start: time.Unix(0, start), End: time.Unix(0, end), Limit: &all, Direction: &forward,
		})
		if err == nil && res.Type != letheql.Logs {
			err = fmt.Errorf("%w: it gives a %s, not lines", ErrExpr, res.Type)
		}
		if err != nil {
			yield(record.Row{}, err)
			return
		}
		for row, err := range res.Rows {
			// A rule's value is a count, which leaves them out in metric queries too.
			if err == nil && row.Undecided {
				continue
			}
			if !yield(row.Row, err) || err != nil {
				return
			}
		}
	}
}

// Vector implements Engine.
func (q queryEngine) Vector(ctx context.Context, src letheql.Source, query string, at time.Time) (promql.Vector, error) {
	res, err := q.query(ctx, src, letheql.Request{Query: query, Time: at})
	if err != nil {
		return nil, err
	}
	switch v := res.Value.(type) {
	case promql.Vector:
		return v, nil
	case promql.Scalar:
		return promql.Vector{{T: v.T, F: v.V}}, nil
	}
	return nil, fmt.Errorf("%w: it gives a %s, not a vector", ErrExpr, res.Type)
}

func (q queryEngine) query(ctx context.Context, src letheql.Source, r letheql.Request) (*letheql.Result, error) {
	e, err := letheql.NewEngine(src, q.opts)
	if err != nil {
		return nil, err
	}
	r.Now = q.now()
	return e.Query(ctx, r)
}
