package alerting

import (
	"context"
	"iter"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/promql"

	"lethe/alerting/rulefile"
	"lethe/internal/record"
	"lethe/letheql"
)

// asked is an engine that remembers for which times metric rules were evaluated.
type asked struct {
	Engine
	times []time.Time
}

func (a *asked) Vector(_ context.Context, _ letheql.Source, _ string, at time.Time) (promql.Vector, error) {
	a.times = append(a.times, at)
	return nil, nil
}

// A group with an interval is evaluated once in each, however often and however punctually it is called.
func TestGroupsHaveIntervals(t *testing.T) {
	w := newWorld()
	e := w.evaluator(t, nil)
	if err := e.Reload([]rulefile.Group{{File: "f.yml", Name: "slow", Interval: 5 * time.Minute, Rules: []rulefile.Rule{logRule("r")}}}); err != nil {
		t.Fatal(err)
	}
	var evaluated []float64
	for _, m := range []float64{0, 1, 4.9, 5.1, 6, 9.9, 10, 10.5, 14, 17, 19.9, 20.1} {
		w.now = at(m)
		s, err := e.Run(t.Context(), w.now)
		if err != nil || s.Groups+s.NotDue != 1 {
			t.Fatalf("minute %v: %+v, %v", m, s, err)
		}
		if s.Groups == 1 {
			evaluated = append(evaluated, m)
		}
	}
	if d := cmp.Diff([]float64{0, 5.1, 10, 17, 20.1}, evaluated); d != "" {
		t.Error(d)
	}
}

// Metric rules look at the time that is query_offset ago: that of their group, else the evaluator's.
func TestMetricRulesLookBack(t *testing.T) {
	w := newWorld()
	e := w.evaluator(t, nil)
	a := &asked{Engine: e.opts.Engine}
	e.opts.Engine, e.opts.QueryOffset = a, time.Minute
	for _, tc := range []struct {
		offset *time.Duration
		want   time.Time
	}{{nil, at(9)}, {new(2 * time.Minute), at(8)}, {new(time.Duration(0)), at(10)}} {
		rule := rulefile.Rule{Alert: "r", Expr: "vector(1)"}
		if err := e.Reload([]rulefile.Group{{File: "f.yml", Name: tc.want.String(), QueryOffset: tc.offset, Rules: []rulefile.Rule{rule}}}); err != nil {
			t.Fatal(err)
		}
		a.times = nil
		e.run(t, w, 10)
		if len(a.times) != 1 || !a.times[0].Equal(tc.want) {
			t.Errorf("offset %v: evaluated for %v, want %v", tc.offset, a.times, tc.want)
		}
	}
}

// slow is an engine that takes a second for each query of lines.
type slow struct {
	Engine
	w *world
}

func (s slow) Lines(ctx context.Context, src letheql.Source, query string, start, end int64) iter.Seq2[record.Row, error] {
	s.w.now = s.w.now.Add(time.Second)
	return s.Engine.Lines(ctx, src, query, start, end)
}

// The time of a log rule's evaluation is that of counting its lines: one query for its window, and one for what came late.
func TestLogRulesTakeTheTimeOfTheirLines(t *testing.T) {
	w := newWorld()
	e := w.evaluator(t, nil, logRule("r"))
	e.opts.Engine = slow{e.opts.Engine, w}
	e.run(t, w, 0)
	for min, late := range []int{1: 0, 2: 1} {
		if min == 0 {
			continue
		}
		if late > 0 {
			w.put(0, line(-1.5, "late"))
		}
		e.run(t, w, float64(min))
		if s := e.Status(t.Context()).Groups[0]; s.EvaluationTime != float64(1+late) || s.Rules[0].EvaluationTime != s.EvaluationTime {
			t.Errorf("minute %d: %vs, %vs", min, s.EvaluationTime, s.Rules[0].EvaluationTime)
		}
	}
}
