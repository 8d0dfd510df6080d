package letheql_test

import (
	"context"
	"iter"
	"slices"
	"testing"

	"lethe/internal/record"
	"lethe/letheql"
	"lethe/letheql/lqltest"
)

// partial leaves out objects that it cannot read, and says so when it has ended.
type partial struct{ *lqltest.Source }

func (s *partial) Lines(ctx context.Context, q letheql.Select, st *letheql.Stats) iter.Seq2[record.Row, error] {
	return func(yield func(record.Row, error) bool) {
		defer func() { st.Skipped = append(st.Skipped, "b.parquet", "a.parquet", "b.parquet") }()
		s.Source.Lines(ctx, q, st)(yield)
	}
}

func (s *partial) Visit(ctx context.Context, q letheql.Select, st *letheql.Stats, visit func(*letheql.Batch) error) error {
	st.Skipped = append(st.Skipped, "b.parquet", "a.parquet", "b.parquet")
	return s.Source.Visit(ctx, q, st, visit)
}

// An answer that is not whole never looks as if it were.
func TestSkippedObjectsAreWarnedOf(t *testing.T) {
	forward, all := letheql.Forward, 0
	for _, r := range []letheql.Request{
		{Query: "pod{}"}, {Query: "pod{}", Direction: &forward}, {Query: "pod{}", Limit: &all}, {Query: "rate(pod{}[1m])"},
	} {
		r.Time = noon
		res, err := newEngine(t, &partial{podLines(10, "a")}, letheql.Options{}).Query(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		if res.Type == letheql.Logs {
			for _, err := range res.Rows {
				if err != nil {
					t.Error(err)
				}
			}
		}
		want := []string{"the answer is not whole: a.parquet could not be read", "the answer is not whole: b.parquet could not be read"}
		if !slices.Equal(res.Warnings, want) {
			t.Errorf("%s: got %q", r.Query, res.Warnings)
		}
	}
}
