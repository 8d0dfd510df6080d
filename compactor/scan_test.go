package compactor

import (
	"context"
	"fmt"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql"

	"lethe/internal/layout"
	"lethe/internal/scan"
	"lethe/letheql"
	"lethe/objstore/objtest"
)

// queryAll asks a scanner for all lines.
func queryAll(t *testing.T, _ *world, s *scan.Scanner) map[string]int {
	t.Helper()
	got := map[string]int{}
	var stats letheql.Stats
	all := letheql.Select{Kind: layout.Pod, Start: math.MinInt64, End: math.MaxInt64, NeedLog: true}
	for row, err := range s.Lines(t.Context(), all, &stats) {
		if err != nil {
			t.Fatal(err)
		}
		got[string(row.Log)]++
	}
	return got
}

// countAll asks for the number of lines of each text. Counts take blocks and raw objects at the same time, and begin anew when one is gone.
func countAll(t *testing.T, w *world, s *scan.Scanner) map[string]int {
	t.Helper()
	e, err := letheql.NewEngine(s, letheql.Options{})
	if err != nil {
		t.Fatal(err)
	}
	const query = `sum by (text) (count_over_time(pod{} | regexp "^(?P<text>.*)$" [200h]))`
	res, err := e.Query(t.Context(), letheql.Request{Query: query, Now: w.Now(), Time: w.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	vector, ok := res.Value.(promql.Vector)
	if !ok {
		t.Fatalf("the answer is a %T", res.Value)
	}
	got := map[string]int{}
	for _, p := range vector {
		got[p.Metric.Get("text")] += int(p.F)
	}
	return got
}

// Queries with warm caches are stopped before each of their calls, and go on after others have done all that they can do.
func TestQueryStoppedAnywhere(t *testing.T) {
	for _, tc := range memories() {
		for name, ask := range map[string]func(*testing.T, *world, *scan.Scanner) map[string]int{"lines": queryAll, "counts": countAll} {
			t.Run(tc.name+" "+name, func(t *testing.T) {
				base := busyWorld(t, tc.retries, tc.wrap)
				for i := 1; ; i++ {
					reached := false
					for _, m := range meddling {
						reached = queryStopped(t, base.clone(), tc, m, i, ask) || reached
					}
					if !reached {
						return
					}
				}
			})
		}
	}
}

// queryStopped meddles before the i-th call of a query; it is false where there is none.
func queryStopped(t *testing.T, w *world, tc memory, m meddle, i int, ask func(*testing.T, *world, *scan.Scanner) map[string]int) bool {
	t.Helper()
	var mu sync.Mutex
	calls := -1 // not counting
	var once sync.Once
	b := objtest.NewHooks(w.mem, objtest.Hooks{PageSize: 2, Before: func(context.Context, objtest.Call) error {
		mu.Lock()
		if calls >= 0 {
			calls++
		}
		stop := calls == i
		mu.Unlock()
		if stop {
			once.Do(func() { m.do(t, w, tc.wrap(w.mem)) })
		}
		return nil
	}})
	s, err := scan.New(b, scan.Options{Concurrency: 1})
	if err != nil {
		t.Fatal(err)
	}
	ask(t, w, s)
	mu.Lock()
	calls = 0
	mu.Unlock()
	must := w.retained()
	got := ask(t, w, s)
	checkOnce(t, fmt.Sprintf("%s before call %d of a query", m.name, i), got, must)
	mu.Lock()
	defer mu.Unlock()
	return calls >= i
}
