package scan_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lethe/internal/record"
	"lethe/internal/scan"
	"lethe/letheql"
	"lethe/objstore"
	"lethe/objstore/objtest"
)

// hours has a small block in each of so many hours, each of which is got by one request.
func hours(t *testing.T, n int) *world {
	w := newWorld(t)
	for i := range n {
		w.compact([]rawObject{w.put(podDefault, []record.Row{row(3600*i, fmt.Sprint("line ", i))})})
	}
	return w
}

// lateFirst is a store that answers the first get of each block when it is cancelled, or, where one is given, with an error once there was a second.
func lateFirst(b objstore.Bucket, failed error) objstore.Bucket {
	var mu sync.Mutex
	asked := map[string]chan struct{}{}
	return objtest.NewHooks(b, objtest.Hooks{Before: func(ctx context.Context, c objtest.Call) error {
		if c.Op != objtest.GetOp || !isBlock(c.Key) {
			return nil
		}
		mu.Lock()
		second, again := asked[c.Key]
		if !again {
			second = make(chan struct{})
			asked[c.Key] = second
		}
		mu.Unlock()
		switch {
		case again:
			close(second)
			return nil
		case failed != nil:
			<-second
			return failed
		}
		<-ctx.Done()
		return ctx.Err()
	}})
}

func TestALateGetIsSentAgain(t *testing.T) {
	broken := errors.New("broken")
	for _, failed := range []error{nil, broken} {
		w := hours(t, 1)
		var stats letheql.Stats
		got, err := collect(t.Context(), newScanner(t, lateFirst(w.bucket, failed), scan.Options{HedgeAfter: time.Millisecond}), all(), &stats)
		if err != nil {
			t.Fatal(err)
		}
		if d := diff(got, texts(all(), w.naive(all()))); d != "" {
			t.Error(d)
		}
		if stats.Hedges != 1 {
			t.Errorf("%d gets were sent again", stats.Hedges)
		}
	}
}

// TestHedgesAreFew has a store that is slow with all of its answers.
func TestHedgesAreFew(t *testing.T) {
	const blocks = 40
	w := hours(t, blocks)
	slow := hook(w.bucket, func(ctx context.Context, _ string) {
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
		}
	})
	var stats letheql.Stats
	s := newScanner(t, slow, scan.Options{HedgeAfter: time.Nanosecond})
	plan, err := s.Explain(t.Context(), all())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := collect(t.Context(), s, all(), &stats); err != nil {
		t.Fatal(err)
	}
	if stats.Gets > plan.Gets {
		t.Errorf("%d gets were sent, explained were at most %d", stats.Gets, plan.Gets)
	}
	if stats.Hedges == 0 || stats.Hedges > 1+stats.Gets/10 || stats.Gets < blocks {
		t.Errorf("%d of %d gets were sent again", stats.Hedges, stats.Gets)
	}
}

// TestAHedgeThatFailsToo ends with the error of the store.
func TestAHedgeThatFailsToo(t *testing.T) {
	w := hours(t, 1)
	broken := errors.New("broken")
	var asked atomic.Int64
	second := make(chan struct{})
	b := objtest.NewHooks(w.bucket, objtest.Hooks{Before: func(_ context.Context, c objtest.Call) error {
		if c.Op != objtest.GetOp || !isBlock(c.Key) {
			return nil
		}
		if asked.Add(1) == 2 {
			close(second)
		}
		<-second
		return broken
	}})
	if _, err := collect(t.Context(), newScanner(t, b, scan.Options{HedgeAfter: time.Millisecond}), all(), nil); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if n := asked.Load(); n != 2 {
		t.Errorf("the block was asked for %d times", n)
	}
}

// TestACancelledQueryLeavesNoRequest: both requests of a get wait for the store when the query is cancelled. TestMain sees goroutines that are left.
func TestACancelledQueryLeavesNoRequest(t *testing.T) {
	w := hours(t, 1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var waiting, left atomic.Int64
	b := objtest.NewHooks(w.bucket, objtest.Hooks{Before: func(ctx context.Context, c objtest.Call) error {
		if c.Op != objtest.GetOp || !isBlock(c.Key) {
			return nil
		}
		if waiting.Add(1) == 2 {
			cancel()
		}
		<-ctx.Done()
		left.Add(1)
		return ctx.Err()
	}})
	_, err := collect(ctx, newScanner(t, b, scan.Options{HedgeAfter: time.Millisecond}), all(), nil)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if waiting.Load() != 2 || left.Load() != 2 {
		t.Errorf("%d requests were sent, %d have ended with the query", waiting.Load(), left.Load())
	}
}
