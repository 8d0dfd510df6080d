package letheql_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"

	"lethe/internal/record"
	"lethe/letheql"
	"lethe/letheql/lqltest"
)

// Numbers out of lines are compared with Prometheus over samples of the same numbers at the same times.

// numberRows are lines of which no two of a series share a millisecond, since samples cannot.
func numberRows(r *rand.Rand, n int) []record.Row {
	var rows []record.Row
	used := map[string]bool{}
	for range n {
		ms := diffStart - diffSpan + r.Int64N(2*diffSpan)
		if r.IntN(3) == 0 {
			ms = ms / 1000 * 1000
		}
		row := record.Row{Time: ms * int64(time.Millisecond), Namespace: pick(r, "a", "b"), Pod: pick(r, "p1", "p2"), Container: "c"}
		key := fmt.Sprint(row.Namespace, row.Pod, ms)
		if used[key] {
			continue
		}
		used[key] = true
		row.Log = []byte("size=" + pick(r, strconv.Itoa(r.IntN(1000)), fmt.Sprint(r.Float64()-0.5), "1e3", "1e17"))
		rows = append(rows, row)
	}
	// What agents send is unsorted.
	r.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
	return rows
}

type numberStorage struct{ rows []record.Row }

func (s numberStorage) Querier(int64, int64) (storage.Querier, error) {
	return &numberQuerier{lineQuerier{rows: s.rows}}, nil
}

type numberQuerier struct{ lineQuerier }

func (q *numberQuerier) Select(_ context.Context, _ bool, _ *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	bySeries := map[string]*promql.Series{}
	rows := slices.Clone(q.rows)
	slices.SortFunc(rows, func(a, b record.Row) int { return int((a.Time - b.Time) / int64(time.Millisecond)) })
	for _, r := range rows {
		metric := labels.FromStrings("container", r.Container, "namespace", r.Namespace, "pod", r.Pod)
		keep := !slices.ContainsFunc(matchers, func(m *labels.Matcher) bool { return m.Name != "__name__" && !m.Matches(r.Label(m.Name)) })
		v, err := strconv.ParseFloat(string(r.Log[len("size="):]), 64)
		if !keep || err != nil {
			continue
		}
		s := bySeries[metric.String()]
		if s == nil {
			s = &promql.Series{Metric: metric}
			bySeries[metric.String()] = s
		}
		s.Floats = append(s.Floats, promql.FPoint{T: r.Time / int64(time.Millisecond), F: v})
	}
	var out []promql.Series
	for _, s := range bySeries {
		out = append(out, *s)
	}
	return &lineSet{out: out}
}

func TestNumbersAgreeWithPrometheus(t *testing.T) {
	prom := promql.NewEngine(promql.EngineOpts{
		MaxSamples: 50_000_000, Timeout: time.Minute, EnableAtModifier: true, EnableNegativeOffset: true,
		NoStepSubqueryIntervalFn: func(int64) int64 { return 60_000 }, Parser: parser.NewParser(parser.Options{}),
	})
	answered := 0
	for seed := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, 2))
		rows := numberRows(r, 20+r.IntN(200))
		fn := pick(r, "sum_over_time(", "avg_over_time(", "min_over_time(", "max_over_time(", "stddev_over_time(", "stdvar_over_time(",
			"count_over_time(", "quantile_over_time(0.9, ", "quantile_over_time(-(1), ", "quantile_over_time(0, ", "quantile_over_time(1.5, ",
			"quantile_over_time(99 / 100, ", "quantile_over_time((2 ^ -1 + 7 % 4 * 0.1 - 0.2), ",
			"first_over_time(", "last_over_time(")
		sel, over := pick(r, "{}", `{namespace="a"}`, `{pod!="p1"}`), fmt.Sprintf("[%s]%s", duration(r, 200), modifiers(r))
		wrap := pick(r, "%s", "sum by (pod) (%s)", "max(%s)", "min by (namespace) (%s)", "avg(%s)", "max_over_time(%s[1m:7s])")
		lethe := fmt.Sprintf(wrap, fn+"pod"+sel+" | logfmt | unwrap size "+over+")")
		// Adding nothing takes the metric's name away, which the first and the last sample keep.
		want := fmt.Sprintf(wrap, "("+fn+"size"+sel+over+") + 0)")
		start := time.UnixMilli(diffStart)
		end, step := start.Add(time.Duration(r.Int64N(200))*time.Second), pick(r, time.Second, 7*time.Second, 90*time.Second)
		q, err := prom.NewRangeQuery(t.Context(), numberStorage{rows}, nil, want, start, end, step)
		if err != nil {
			t.Fatal(err)
		}
		w := q.Exec(t.Context())
		res, err := newEngine(t, &lqltest.Source{Pod: rows}, letheql.Options{}).Query(t.Context(), letheql.Request{Query: lethe, Start: start, End: end, Step: step})
		if err != nil || w.Err != nil {
			t.Fatalf("seed %d: %s: %v; %s: %v", seed, lethe, err, want, w.Err)
		}
		if len(flatten(w.Value)) > 0 {
			answered++
		}
		if msg := differ(flatten(res.Value), flatten(w.Value)); msg != "" {
			t.Fatalf("seed %d: %s from %s to %s step %s: %s", seed, lethe, start.UTC(), end.UTC(), step, msg)
		}
		warnings, _ := w.Warnings.AsStrings("", 0, 0)
		if !slices.Equal(res.Warnings, warnings) {
			t.Fatalf("seed %d: %s warns of %q, want %q", seed, lethe, res.Warnings, warnings)
		}
	}
	if answered < 300 {
		t.Fatalf("only %d of the queries had an answer to compare", answered)
	}
}

// A line without a number is no mistake of the query's text.
func TestNoNumberIsOfTheLines(t *testing.T) {
	src := &lqltest.Source{Pod: []record.Row{{Time: noon.UnixNano(), Namespace: "a", Pod: "p", Log: []byte("size=x")}}}
	_, err := newEngine(t, src, letheql.Options{}).Query(t.Context(), letheql.Request{Query: "sum_over_time(pod{} | logfmt | unwrap size [1m])", Now: noon})
	var e *letheql.Error
	if !errors.As(err, &e) || !e.Eval || e.Col != 15 {
		t.Errorf("got %v", err)
	}
}
