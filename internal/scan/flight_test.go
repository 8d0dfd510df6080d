package scan_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"lethe/internal/block"
	"lethe/internal/record"
	"lethe/internal/scan"
	"lethe/letheql"
)

// scattered has a block of many row groups, too large to be got at once: the times of each lie behind the lines of the one before.
func scattered(t *testing.T) *world {
	w := newWorld(t)
	w.block = block.Options{PageBytes: 8 << 10, RowGroupRows: 40}
	random := rand.New(rand.NewPCG(1, 1))
	rows := make([]record.Row, 4000)
	for i := range rows {
		rows[i] = row(i/10, fmt.Sprintf("%x %x %x %x %x", random.Uint64(), random.Uint64(), random.Uint64(), random.Uint64(), random.Uint64()))
	}
	w.compact([]rawObject{w.put(podDefault, rows)})
	return w
}

// TestRequestsUnderWayAreBounded lets no get of a block return before all goroutines wait, so that as many are under way as there can be.
func TestRequestsUnderWayAreBounded(t *testing.T) {
	w := scattered(t)
	o := scan.Options{Concurrency: 2, GapBytes: -1, GetBytes: 64 << 10}
	const most = 8 * 2
	synctest.Test(t, func(t *testing.T) {
		var underWay, greatest, gets atomic.Int64
		turn := make(chan struct{})
		sc := newScanner(t, hook(w.bucket, func(context.Context, string) {
			gets.Add(1)
			underWay.Add(1)
			<-turn
			underWay.Add(-1)
		}), o)
		sel := all()
		sel.NeedLog = false
		done := make(chan error)
		go func() { done <- sc.Visit(t.Context(), sel, nil, func(*letheql.Batch) error { return nil }) }()
		for {
			synctest.Wait()
			greatest.Store(max(greatest.Load(), underWay.Load()))
			select {
			case turn <- struct{}{}:
				continue
			case err := <-done:
				if err != nil {
					t.Error(err)
				}
			}
			break
		}
		if greatest.Load() > most || gets.Load() < 2*most {
			t.Errorf("%d of %d gets were under way at once, %d may", greatest.Load(), gets.Load(), most)
		}
	})
}
