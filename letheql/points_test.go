package letheql

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
)

// numbers returns a counter that has n lines of one series, a second apart, and 60 windows that hold them all.
func numbers(t *testing.T, n int, left *atomic.Int64) *counter {
	t.Helper()
	expr, err := Parse("quantile_over_time(0.9, pod{} | logfmt | unwrap v [1d])")
	if err != nil {
		t.Fatal(err)
	}
	nodes, err := nodesOf(&expr, expr.root, grid{0, 59_000, 1000}, Options{SubqueryStep: 1, MaxSamples: 1})
	if err != nil {
		t.Fatal(err)
	}
	c := newCounter(nodes[0], 1, left)
	b := &Batch{Namespace: "a"}
	for i := range n {
		b.Times, b.Logs = append(b.Times, -int64(i+1)*1e9), append(b.Logs, fmt.Appendf(nil, "v=%d", i))
	}
	if err := c.visit(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	return c
}

// ending is a context that has ended when it was asked a number of times.
type ending struct {
	context.Context
	left int
}

func (c *ending) Err() error {
	if c.left--; c.left < 0 {
		return context.Canceled
	}
	return nil
}

// Sorting all values of a window takes long, so the end of the query is looked for in each.
func TestQuantilesEndWithTheContext(t *testing.T) {
	left := &atomic.Int64{}
	left.Store(1e6)
	if _, err := numbers(t, 1000, left).seriesPoints(&ending{t.Context(), 20}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// The copy that is sorted counts, once for all windows.
func TestQuantilesCountTheirCopy(t *testing.T) {
	left := &atomic.Int64{}
	left.Store(1e6)
	c := numbers(t, 1000, left)
	held := c.spent.Load()
	if _, err := c.seriesPoints(t.Context()); err != nil {
		t.Fatal(err)
	}
	if spent := c.spent.Load() - held; spent != 1000/2+60 {
		t.Errorf("%d values for 1000 that are sorted and 60 points", spent)
	}
	c = numbers(t, 1000, left)
	left.Store(499)
	if _, err := c.seriesPoints(t.Context()); !errors.Is(err, ErrLimit) {
		t.Errorf("got %v", err)
	}
}
