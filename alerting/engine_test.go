package alerting

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lethe/internal/layout"
	"lethe/internal/record"
	"lethe/letheql"
)

func TestCheckExpr(t *testing.T) {
	for expr, want := range map[string]string{
		`pod{namespace="a",pod=~"b.*"} |= "x"`: "log pod[namespace=\"a\"] ",
		`node{} !~ "x"`:                        "log node[] ",
		`sum(count_over_time(pod{namespace=~"a|b"} |= "x" [5m])) / sum(rate(node{node!="n"}[1m]))`: "metric pod[namespace=~\"a|b\"] node[node!=\"n\"] ",
		`vector(1) > 0`: "metric ",
		`time()`:        "metric ",
	} {
		q, err := CheckExpr(expr)
		if err != nil {
			t.Errorf("%s: %v", expr, err)
			continue
		}
		got := map[bool]string{true: "log ", false: "metric "}[q.Log]
		for _, s := range q.Scopes {
			var ms []string
			for _, m := range s.Matchers {
				ms = append(ms, m.String())
			}
			got += fmt.Sprintf("%s[%s] ", s.Kind, strings.Join(ms, ","))
		}
		if got != want {
			t.Errorf("%s: %q, want %q", expr, got, want)
		}
	}
	var user *letheql.Error
	for _, expr := range []string{`pod{namespace="a"`, `pod{colour="red"}`, `pod{} |~ "("`, `rate(pod{}[5m]) +`} {
		if _, err := CheckExpr(expr); !errors.As(err, &user) {
			t.Errorf("%s: %v", expr, err)
		}
	}
	for _, expr := range []string{`pod{}[5m]`, `pod{} |= "x" offset 5m`, `"text"`} {
		if _, err := CheckExpr(expr); err == nil {
			t.Errorf("%s: no error", expr)
		}
	}
}

func memoryOf(rows ...KindRow) *Memory {
	m := &Memory{}
	for _, r := range rows {
		m.Add(r)
	}
	return m
}

func podRow(sec int, ns, pod, node, log string) KindRow {
	return KindRow{layout.Pod, record.Row{
		Time: epoch.Add(time.Duration(sec) * time.Second).UnixNano(), Namespace: ns, Pod: pod, Container: "c", Stream: "stdout", Node: node, Log: []byte(log),
	}}
}

// A line that a comparison of numbers keeps only because it did not parse fires nothing, unless the rule asks for it.
func TestUndecidedLinesDoNotFire(t *testing.T) {
	m := memoryOf(podRow(1, "a", "p", "n1", `{"status":503}`), podRow(2, "a", "p", "n1", "starting"), podRow(3, "a", "p", "n1", `{"status":200}`))
	e, err := NewEngine(letheql.Options{}, func() time.Time { return at(1) })
	if err != nil {
		t.Fatal(err)
	}
	for query, want := range map[string]string{
		`pod{} | json | status >= 500`:                    `{"status":503},`,
		`pod{} | json | status >= 500 or __error__ != ""`: `{"status":503},starting,`,
	} {
		got := ""
		for r, err := range e.Lines(t.Context(), m, query, epoch.UnixNano(), at(1).UnixNano()) {
			if err != nil {
				t.Fatal(err)
			}
			got += string(r.Log) + ","
		}
		if got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
}

func TestEngineOverMemory(t *testing.T) {
	m := memoryOf(
		podRow(3, "a", "p", "n1", "an error"), podRow(1, "a", "p", "n2", "an error, first"), podRow(2, "b", "p", "n1", "error"),
		podRow(2, "a", "q", "n1", "fine"), KindRow{layout.Node, record.Row{Time: epoch.UnixNano(), Node: "n1", Process: "kernel", Log: []byte("error")}},
	)
	e, err := NewEngine(letheql.Options{MaxLimit: 1, MaxRange: time.Second}, func() time.Time { return at(1) })
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for r, err := range e.Lines(t.Context(), m, `pod{namespace="a"} |= "error" !~ "nothing"`, epoch.UnixNano(), at(1).UnixNano()) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(r.Log))
	}
	if d := cmp.Diff([]string{"an error, first", "an error"}, got); d != "" {
		t.Error(d)
	}
	v, err := e.Vector(t.Context(), m, `sum by (namespace, pod) (count_over_time(pod{} |= "error" [1m]))`, at(1))
	if err != nil || len(v) != 2 {
		t.Fatalf("%v, %v", v, err)
	}
	for _, s := range v {
		if want := map[string]float64{"a": 2, "b": 1}[s.Metric.Get("namespace")]; s.F != want {
			t.Errorf("%s is %v, want %v", s.Metric, s.F, want)
		}
	}
	// Two nodes are one series, unless a query asks for the node.
	for expr, want := range map[string]int{`count_over_time(pod{namespace="a",pod="p"}[1m])`: 1, `sum by (node) (count_over_time(pod{namespace="a",pod="p"}[1m]))`: 2} {
		if v, err := e.Vector(t.Context(), m, expr, at(1)); err != nil || len(v) != want {
			t.Errorf("%s: %v, %v", expr, v, err)
		}
	}
	if v, err := e.Vector(t.Context(), m, `1 + 1`, at(1)); err != nil || len(v) != 1 || v[0].F != 2 {
		t.Errorf("a scalar: %v, %v", v, err)
	}
	if _, err := e.Vector(t.Context(), m, `pod{}`, at(1)); !errors.Is(err, ErrExpr) {
		t.Errorf("lines where a vector belongs: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range e.Lines(ctx, m, `pod{}`, epoch.UnixNano(), at(1).UnixNano()) {
		if err == nil {
			t.Error("a row after the end of the context")
		}
	}
	if _, err := NewEngine(letheql.Options{MaxPoints: -1}, time.Now); err == nil {
		t.Error("bad options were taken")
	}
}
