package letheql_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"

	"lethe/internal/record"
	"lethe/letheql"
	"lethe/letheql/lqltest"
)

// The engine is compared with Prometheus's own over a storage in which every line is a series of its own with one sample, so
// that no two lines share a time. There, the number of lines is the sum over those series, and Prometheus alone decides which
// windows a range, a step, an offset, @ or a subquery mean.

const (
	diffStart = int64(1_700_000_000_000) // milliseconds
	diffSpan  = int64(600_000)
)

func randomRows(r *rand.Rand, n int) []record.Row {
	words := []string{"GET", "POST", "error", "timeout", "id=7", ""}
	rows := make([]record.Row, n)
	burst := time.UnixMilli(diffStart).UnixNano()
	for i := range rows {
		t := time.UnixMilli(diffStart - diffSpan + r.Int64N(2*diffSpan)).UnixNano()
		switch r.IntN(5) {
		case 0: // on a whole second, where the edges of windows are
			t = t / int64(time.Second) * int64(time.Second)
		case 1: // many lines in one millisecond
			t = burst + r.Int64N(int64(time.Millisecond))
		case 2: // just beside an edge
			t = t/int64(time.Second)*int64(time.Second) + r.Int64N(3) - 1
		default:
			t += r.Int64N(int64(time.Millisecond))
		}
		rows[i] = record.Row{
			Time: t, Namespace: pick(r, "a", "b"), Pod: pick(r, "p1", "p2", "p3"), Container: pick(r, "c", "d"),
			Stream: pick(r, "stdout", "stderr"), Node: "n1",
			Log: []byte(pick(r, words...) + " " + pick(r, words...) + strings.Repeat("x", r.IntN(4))),
		}
	}
	return rows
}

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

// lineStorage has one series a line.
type lineStorage struct{ rows []record.Row }

func (s lineStorage) Querier(int64, int64) (storage.Querier, error) {
	return &lineQuerier{rows: s.rows}, nil
}

type lineQuerier struct {
	storage.Querier
	rows []record.Row
}

func (q *lineQuerier) Select(_ context.Context, _ bool, _ *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	var out []promql.Series
rows:
	for i, r := range q.rows {
		set := map[string]string{"__name__": "", "line": fmt.Sprint(i), "log": string(r.Log)}
		for _, name := range record.PodLabels {
			set[name] = r.Label(name)
		}
		size := 1.0
		for _, m := range matchers {
			if m.Name == model.MetricNameLabel {
				set["__name__"] = m.Value
				if m.Value == "bytes" {
					size = float64(len(r.Log))
				}
			}
			if !m.Matches(set[m.Name]) {
				continue rows
			}
		}
		at := int64(math.Ceil(float64(r.Time%int64(time.Second))/1e6)) + r.Time/int64(time.Second)*1000
		out = append(out, promql.Series{Metric: labels.FromMap(set), Floats: []promql.FPoint{{T: at, F: size}}})
	}
	return &lineSet{out: out}
}

func (q *lineQuerier) Close() error { return nil }

type lineSet struct{ out []promql.Series }

func (s *lineSet) Next() bool { return len(s.out) > 0 }

func (s *lineSet) At() storage.Series {
	first := s.out[0]
	s.out = s.out[1:]
	return promql.NewStorageSeries(first)
}
func (s *lineSet) Err() error                        { return nil }
func (s *lineSet) Warnings() annotations.Annotations { return nil }

// pair is one query in both languages.
type pair struct{ lethe, prom string }

func duration(r *rand.Rand, longest int) string {
	return pick(r, fmt.Sprintf("%ds", 1+r.IntN(longest)), fmt.Sprintf("%dms", 1+r.IntN(longest*1000)), fmt.Sprintf("%ds", 10*(1+r.IntN(longest/10))))
}

func modifiers(r *rand.Rand) string {
	out := ""
	if r.IntN(4) == 0 {
		out += pick(r, fmt.Sprintf(" @ %d.%03d", diffStart/1000+r.Int64N(300)-100, r.IntN(1000)), " @ start()", " @ end()")
	}
	if r.IntN(3) == 0 {
		out += " offset " + pick(r, "", "-") + duration(r, 90)
	}
	return out
}

// leaf is a function over lines. The filters become matchers on the line in Prometheus.
func leaf(r *rand.Rand) pair {
	matchers := []string{pick(r, `namespace="a"`, `namespace=~"a|b"`, `pod!="p1"`)}
	by := "namespace, pod, container"
	if r.IntN(4) == 0 {
		matchers = append(matchers, pick(r, `stream="stderr"`, `stream=~"std.*"`))
		by += ", stream"
	}
	prom := slices.Clone(matchers)
	filter := ""
	for range r.IntN(3) {
		op, word := r.IntN(4), pick(r, "GET", "error", "id=7", "nowhere")
		filter += fmt.Sprintf(" %s %q", []string{"|=", "!=", "|~", "!~"}[op], word)
		prom = append(prom, fmt.Sprintf(`log%s".*%s.*"`, []string{"=~", "!~", "=~", "!~"}[op], word))
	}
	span, mod := duration(r, 120), modifiers(r)
	sel := fmt.Sprintf("pod{%s}%s[%s]%s", strings.Join(matchers, ","), filter, span, mod)
	over := fmt.Sprintf("{%s}[%s]%s", strings.Join(prom, ","), span, mod)
	sum := func(what string) string { return fmt.Sprintf("sum by (%s) (sum_over_time(%s%s))", by, what, over) }
	secs := fmt.Sprintf(" / %v", seconds(span))
	switch r.IntN(7) {
	case 0:
		return pair{"rate(" + sel + ")", "(" + sum("lines") + secs + ")"}
	case 1:
		return pair{"bytes_over_time(" + sel + ")", sum("bytes")}
	case 2:
		return pair{"bytes_rate(" + sel + ")", "(" + sum("bytes") + secs + ")"}
	case 3:
		return pair{"present_over_time(" + sel + ")", fmt.Sprintf("max by (%s) (present_over_time(lines%s))", by, over)}
	case 4:
		if filter == "" {
			return pair{"absent_over_time(" + sel + ")", "absent_over_time(lines" + over + ")"}
		}
	}
	return pair{"count_over_time(" + sel + ")", sum("lines")}
}

func seconds(d string) float64 {
	x, err := time.ParseDuration(d)
	if err != nil {
		panic(err)
	}
	return x.Seconds()
}

// query nests leaves in what PromQL has around them.
func query(r *rand.Rand, depth int) pair {
	if depth == 0 {
		return leaf(r)
	}
	x := query(r, depth-1)
	wrap := func(format string, args ...any) pair {
		return pair{fmt.Sprintf(format, append([]any{x.lethe}, args...)...), fmt.Sprintf(format, append([]any{x.prom}, args...)...)}
	}
	switch r.IntN(7) {
	case 0:
		return wrap(pick(r, "sum by (pod) (%s)", "sum(%s)", "sum without (pod) (%s)", "max by (namespace) (%s)", "count by (container) (%s)", "quantile by (pod) (0.3, %s)"))
	case 1:
		return wrap("%[2]s(%[1]s[%[3]s:%[4]s]%[5]s)", pick(r, "max_over_time", "sum_over_time", "count_over_time", "last_over_time"),
			duration(r, 90), pick(r, "", "7s", "10s", "13s", "333ms"), modifiers(r))
	case 2:
		y := query(r, 0)
		op := pick(r, "+", "- on (pod) group_left ()", "> bool", "and", "or", "unless")
		if strings.Contains(op, "on (pod)") {
			y = pair{"sum by (pod) (" + y.lethe + ")", "sum by (pod) (" + y.prom + ")"}
		}
		return pair{"(" + x.lethe + " " + op + " " + y.lethe + ")", "(" + x.prom + " " + op + " " + y.prom + ")"}
	case 3:
		return wrap(pick(r, "(%s > 1)", "(-%s)", "(%s * 2)", "(%s ^ 0.5)", "(scalar(%s) + vector(1))", "absent(%s)", "timestamp(%s)"))
	case 4:
		return wrap(`label_replace(%s, "pod", "x-$1", "pod", "p(.)")`)
	}
	return x
}

func TestEngineAgreesWithPrometheusOverSingleLines(t *testing.T) {
	prom := promql.NewEngine(promql.EngineOpts{
		MaxSamples: 50_000_000, Timeout: time.Minute, EnableAtModifier: true, EnableNegativeOffset: true,
		NoStepSubqueryIntervalFn: func(int64) int64 { return 60_000 }, Parser: parser.NewParser(parser.Options{}),
	})
	answered := 0
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 1))
		rows := randomRows(r, 20+r.IntN(80))
		engine, err := letheql.NewEngine(&lqltest.Source{Pod: rows}, letheql.Options{})
		if err != nil {
			t.Fatal(err)
		}
		q := query(r, r.IntN(4))
		start := time.UnixMilli(diffStart + r.Int64N(1000)*r.Int64N(2))
		end, step := start, time.Duration(0)
		req := letheql.Request{Query: q.lethe, Time: start}
		pq, perr := prom.NewInstantQuery(t.Context(), lineStorage{rows}, nil, q.prom, start)
		if r.IntN(2) == 0 {
			end = start.Add(time.Duration(r.Int64N(200_000)) * time.Millisecond)
			step = pick(r, time.Second, 10*time.Second, 7*time.Second, 1234*time.Millisecond, 500*time.Second)
			req = letheql.Request{Query: q.lethe, Start: start, End: end, Step: step}
			pq, perr = prom.NewRangeQuery(t.Context(), lineStorage{rows}, nil, q.prom, start, end, step)
		}
		if perr != nil {
			t.Fatalf("seed %d: %s: %v", seed, q.prom, perr)
		}
		want := pq.Exec(t.Context())
		got, err := engine.Query(t.Context(), req)
		name := fmt.Sprintf("seed %d: %s from %s to %s step %s", seed, q.lethe, start.UTC(), end.UTC(), step)
		if (err != nil) != (want.Err != nil) {
			t.Fatalf("%s\n%s\n got error %v\nwant error %v", name, q.prom, err, want.Err)
		}
		if err != nil {
			continue
		}
		g, w := flatten(got.Value), flatten(want.Value)
		if len(w) > 0 {
			answered++
		}
		if msg := differ(g, w); msg != "" {
			t.Fatalf("%s\n%s\n%s\n got %v\nwant %v", name, q.prom, msg, g, w)
		}
	}
	if answered < 1000 {
		t.Fatalf("only %d of the queries had an answer to compare", answered)
	}
}

// flatten writes each value of a result under its series and time.
func flatten(v parser.Value) map[string]float64 {
	out := map[string]float64{}
	switch x := v.(type) {
	case promql.Vector:
		for _, s := range x {
			out[fmt.Sprint(s.Metric, s.T)] = s.F
		}
	case promql.Matrix:
		for _, s := range x {
			for _, p := range s.Floats {
				out[fmt.Sprint(s.Metric, p.T)] = p.F
			}
		}
	case promql.Scalar:
		out["scalar"] = x.V
	}
	return out
}

// differ compares but for what the order of additions does to the last digits.
func differ(got, want map[string]float64) string {
	for k, w := range want {
		g, ok := got[k]
		if !ok {
			return k + " is missing"
		}
		if g != w && math.Abs(g-w) > 1e-9*math.Abs(w) && !(math.IsNaN(g) && math.IsNaN(w)) {
			return fmt.Sprintf("%s is %v, want %v", k, g, w)
		}
	}
	for k := range got {
		if _, ok := want[k]; !ok {
			return k + " is too much"
		}
	}
	return ""
}
