package compactor

import (
	"context"
	"math"
	"sync"
	"testing"

	"lethe/internal/layout"
	"lethe/internal/scan"
	"lethe/letheql"
	"lethe/objstore"
	"lethe/objstore/objtest"
)

// queryAll asks a scanner for all lines.
func queryAll(t *testing.T, s *scan.Scanner) map[string]int {
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

// Queries with warm caches are stopped before each of their calls, and go on after others have done all that they can do.
func TestQueryStoppedAnywhere(t *testing.T) {
	base := busyWorld(t, true, func(b objstore.Bucket) objstore.Bucket { return b })
	for i := 1; ; i++ {
		reached := false
		for _, m := range meddling {
			w := base.clone()
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
					once.Do(func() { m.do(t, w, w.mem) })
				}
				return nil
			}})
			s, err := scan.New(b, scan.Options{Concurrency: 1})
			if err != nil {
				t.Fatal(err)
			}
			queryAll(t, s)
			calls = 0
			must := w.retained()
			got := queryAll(t, s)
			reached = reached || calls >= i
			for text, n := range got {
				if n > 1 {
					t.Fatalf("%s before call %d of a query: %q comes %d times", m.name, i, text, n)
				}
			}
			for text := range must {
				if got[text] == 0 {
					t.Fatalf("%s before call %d of a query: %q is missing", m.name, i, text)
				}
			}
		}
		if !reached {
			return
		}
	}
}
