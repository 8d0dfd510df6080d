package letheql_test

import (
	"context"
	"errors"
	"iter"
	"strings"
	"testing"

	"lethe/internal/record"
	"lethe/letheql"
)

// Queries whose tree would take the square of their length are refused before anything looks at the tree.
func TestDeepQueriesAreRefused(t *testing.T) {
	for _, query := range []string{
		"1" + strings.Repeat("+1", 30_000), strings.Repeat("(", 30_000) + "1" + strings.Repeat(")", 30_000),
		"vector(1)" + strings.Repeat(" or vector(1)", 5000), strings.Repeat("-", 60_000) + "1", "vector(1)" + strings.Repeat("[1s:1s]", 6000),
		`pod{} | a="1"` + strings.Repeat(` or a="1"`, 5000), "pod{}" + strings.Repeat(" | json | a > 1", 6000),
	} {
		_, err := letheql.Parse(query)
		var e *letheql.Error
		if !errors.As(err, &e) || !strings.HasSuffix(e.Msg, "more than 5000 operators and parentheses") || e.Line != 1 {
			t.Errorf("%.30s…: %v", query, err)
		}
	}
	if _, err := letheql.Parse(`pod{} |= "` + strings.Repeat("(+", 5000) + `"`); err != nil {
		t.Error("text of a filter has no operators:", err)
	}
	if _, err := letheql.Parse("1" + strings.Repeat(" + 1", 1000)); err != nil {
		t.Error(err)
	}
}

// Long queries are printed in one line: breaking them takes the cube of their depth. What is left takes a moment, not minutes.
func TestLongQueriesArePrintedInOneLine(t *testing.T) {
	for _, query := range []string{
		"1" + strings.Repeat(" + 1", 4900), strings.Repeat("(", 4900) + "1" + strings.Repeat(")", 4900), "pod{} | a=\"1\"" + strings.Repeat(` or a="1"`, 4900),
	} {
		e, err := letheql.Parse(query)
		if err != nil {
			t.Fatal(err)
		}
		if got := e.Pretty(); got != query {
			t.Errorf("%.30s…: %.60s…", query, got)
		}
	}
	short, err := letheql.Parse("1" + strings.Repeat(" + 1", 90))
	if err != nil {
		t.Fatal(err)
	}
	if got := short.Pretty(); strings.Count(got, "\n") < 50 {
		t.Error("not broken into lines:", got)
	}
}

// endless has many lines at hand, and does not look at the context: fetching does, and it has nothing to fetch.
type endless struct {
	letheql.Source
	rows   int
	cancel context.CancelFunc
}

func (s *endless) Lines(context.Context, letheql.Select, *letheql.Stats) iter.Seq2[record.Row, error] {
	return func(yield func(record.Row, error) bool) {
		for i := range s.rows {
			if i == 10 {
				s.cancel()
			}
			if !yield(record.Row{Time: noon.UnixNano(), Namespace: "a", Log: []byte("x")}, nil) {
				return
			}
		}
	}
}

func (s *endless) Visit(_ context.Context, _ letheql.Select, _ *letheql.Stats, visit func(*letheql.Batch) error) error {
	b := &letheql.Batch{Namespace: "a"}
	for range s.rows {
		b.Times, b.Logs = append(b.Times, noon.UnixNano()), append(b.Logs, []byte("x"))
	}
	s.cancel()
	return visit(b)
}

// Stages end with their query, also where the lines are there already.
func TestStagesEndWithTheContext(t *testing.T) {
	for _, query := range []string{`pod{} | json | line_format "y"`, `sum(count_over_time(pod{} | json [1m]))`} {
		ctx, cancel := context.WithCancel(t.Context())
		engine := newEngine(t, &endless{rows: 1000, cancel: cancel}, letheql.Options{})
		forward, all := letheql.Forward, 0
		res, err := engine.Query(ctx, letheql.Request{Query: query, Time: noon, Now: noon, Direction: &forward, Limit: &all})
		rows := 0
		if err == nil && res.Rows != nil {
			for _, rowErr := range res.Rows {
				if err = rowErr; err == nil {
					rows++
				}
			}
		}
		if !errors.Is(err, context.Canceled) || rows > 10 {
			t.Errorf("%s: %v after %d rows", query, err, rows)
		}
	}
}
