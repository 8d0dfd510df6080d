package letheql_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"lethe/letheql"
	"lethe/letheql/lqltest"
)

func TestOptionsAreChecked(t *testing.T) {
	for name, o := range map[string]letheql.Options{
		"MaxQueryBytes": {MaxQueryBytes: -1}, "Lookback": {Lookback: -1}, "MaxPoints": {MaxPoints: -1}, "MaxSeries": {MaxSeries: -1},
		"MaxSamples": {MaxSamples: -1}, "MaxRange": {MaxRange: -1}, "DefaultLimit": {DefaultLimit: -1}, "MaxBuffer": {MaxBuffer: -1}, "MaxLimit": {MaxLimit: -1}, "SubqueryStep": {SubqueryStep: 1},
	} {
		if _, err := letheql.NewEngine(&lqltest.Source{}, o); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// Each limit refuses what is beyond it with an error that says which limit it was, and lets pass what is just within.
func TestLimits(t *testing.T) {
	src := podLines(100, "a", "b", "c")
	limit := func(n int) *int { return &n }
	for _, tc := range []struct {
		name string
		over letheql.Options
		ok   letheql.Options
		req  letheql.Request
		want string
	}{
		{"query bytes", letheql.Options{MaxQueryBytes: 4}, letheql.Options{MaxQueryBytes: 5}, letheql.Request{Query: "pod{}"}, "the query is 5 bytes long, at most 4 are allowed"},
		{
			"points", letheql.Options{MaxPoints: 59}, letheql.Options{MaxPoints: 60},
			letheql.Request{Query: "rate(pod{}[1m])", Start: noon.Add(-time.Minute), End: noon, Step: time.Second},
			"step 1s gives 60 points a series, at most 59 are allowed: use a longer step or a shorter range",
		},
		{
			"series", letheql.Options{MaxSeries: 2}, letheql.Options{MaxSeries: 3}, letheql.Request{Query: "rate(pod{}[1m])"},
			"more than 2 series: aggregate by fewer labels, as in sum by (namespace) (…), or select fewer pods",
		},
		{
			"samples", letheql.Options{MaxSamples: 8}, letheql.Options{MaxSamples: 20}, letheql.Request{Query: "rate(pod{}[1m])"},
			"the query holds more values in memory than query.max_memory allows: ask for fewer series, a longer step or a shorter range",
		},
		{
			"range of a log query", letheql.Options{MaxRange: time.Hour}, letheql.Options{MaxRange: 2 * time.Hour},
			letheql.Request{Query: "pod{}", Start: noon.Add(-2 * time.Hour), End: noon}, "the query reads a range of 2h0m0s, at most 1h0m0s are allowed",
		},
		{
			"range of a window", letheql.Options{MaxRange: time.Hour}, letheql.Options{MaxRange: 2 * time.Hour},
			letheql.Request{Query: "rate(pod{}[2h])"}, "the query reads a range of 2h0m0s, at most 1h0m0s are allowed",
		},
		{
			"limit", letheql.Options{MaxLimit: 10}, letheql.Options{MaxLimit: 11}, letheql.Request{Query: "pod{}", Limit: limit(11)},
			"limit 11, at most 10 lines are allowed (0 asks for all)",
		},
		{
			"all lines", letheql.Options{MaxLimit: 10}, letheql.Options{}, letheql.Request{Query: "pod{}", Limit: limit(0)},
			"limit 0, at most 10 lines are allowed (0 asks for all)",
		},
		{
			"bytes of lines", letheql.Options{MaxBuffer: 500}, letheql.Options{MaxBuffer: 1 << 20}, letheql.Request{Query: "pod{}", Time: noon},
			"the newest 3 lines have more than 500 bytes, which a query without direction does not hold: set direction, or a lower limit",
		},
		{
			"steps of a subquery", letheql.Options{MaxSamples: 100}, letheql.Options{MaxSamples: 1000},
			letheql.Request{Query: "max_over_time(sum(rate(pod{}[1m]))[2m:1s])"}, "the subquery [2m:1s] has 120 steps, at most 100 are allowed: use a longer step or a shorter range",
		},
	} {
		tc.req.Now = noon
		_, err := newEngine(t, src, tc.over).Query(t.Context(), tc.req)
		if !errors.Is(err, letheql.ErrLimit) || !strings.HasSuffix(err.Error(), ": "+tc.want) {
			t.Errorf("%s: got %v, want %s", tc.name, err, tc.want)
		}
		if _, err := newEngine(t, src, tc.ok).Query(t.Context(), tc.req); err != nil {
			t.Errorf("%s, within the limit: %v", tc.name, err)
		}
	}
}

// sum by around a function is done while counting: only its groups count as series.
func TestGroupsCountAsSeries(t *testing.T) {
	e := newEngine(t, podLines(100, "a", "b", "c"), letheql.Options{MaxSeries: 1})
	for _, q := range []string{"sum(rate(pod{}[1m]))", "sum by (namespace) (bytes_over_time(pod{}[1m]))", "absent_over_time(pod{}[1m])", "max((present_over_time(pod{}[1m])))"} {
		if _, err := e.Query(t.Context(), letheql.Request{Query: q, Now: noon}); err != nil {
			t.Errorf("%s: %v", q, err)
		}
	}
	for _, q := range []string{"max(rate(pod{}[1m]))", "sum without (pod) (rate(pod{}[1m]))", "sum(-rate(pod{}[1m]))"} {
		if _, err := e.Query(t.Context(), letheql.Request{Query: q, Now: noon}); !errors.Is(err, letheql.ErrLimit) {
			t.Errorf("%s: got %v", q, err)
		}
	}
}
