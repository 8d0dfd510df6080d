package compactor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"lethe/internal/layout"
	"lethe/objstore/objtest"
)

// A server shows the passes of other processes: counted once, over all shards, and without those of shards that there are no more.
func TestWatch(t *testing.T) {
	w := newWorld(t)
	reg := prometheus.NewRegistry()
	m, err := NewMetrics(reg)
	if err != nil {
		t.Fatal(err)
	}
	watch := NewWatch(w.mem, m)
	look := func(when string, lines, backlog int, success time.Time) {
		t.Helper()
		for range 2 {
			if err := watch.Look(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		want := fmt.Sprintf(`# HELP lethe_compactor_backlog_objects Raw objects that wait to be compacted.
# TYPE lethe_compactor_backlog_objects gauge
lethe_compactor_backlog_objects{kind="node"} 0
lethe_compactor_backlog_objects{kind="pod"} %d
# HELP lethe_compactor_last_success_timestamp_seconds When the last pass without an error ended.
# TYPE lethe_compactor_last_success_timestamp_seconds gauge
lethe_compactor_last_success_timestamp_seconds %g
# HELP lethe_compactor_lines_total Lines that were written to blocks for the first time.
# TYPE lethe_compactor_lines_total counter
lethe_compactor_lines_total %d
`, backlog, seconds(success), lines)
		err := testutil.GatherAndCompare(reg, strings.NewReader(want), "lethe_compactor_lines_total", "lethe_compactor_backlog_objects",
			"lethe_compactor_last_success_timestamp_seconds")
		if err != nil {
			t.Errorf("%s: %v", when, err)
		}
	}
	if err := watch.Look(t.Context()); err != nil {
		t.Fatalf("no summary yet: %v", err)
	}
	for i := range 12 {
		w.upload(layout.Target{Kind: layout.Pod, Name: fmt.Sprint("ns", i)}, "a", linesAt(fmt.Sprint("a", i), epoch, 2))
	}
	w.run(nil)
	look("one compactor", 24, 0, epoch)
	for i := range 3 {
		w.advance(time.Minute)
		w.run(func(o *Options) { o.Shard = Shard{i, 3} })
	}
	look("three shards", 24, 0, epoch.Add(time.Minute))
	// One of them leaves some of its targets to the next pass; a pass over one target says nothing of the others.
	for i := range 12 {
		w.upload(layout.Target{Kind: layout.Pod, Name: fmt.Sprint("ns", i)}, "b", linesAt(fmt.Sprint("b", i), epoch, 2))
	}
	one := layout.Target{Kind: layout.Pod, Name: "ns1"}
	w.run(func(o *Options) { o.Targets = []layout.Target{one} })
	look("a pass over one target", 24, 0, epoch.Add(time.Minute))
	denied := objtest.NewHooks(w.mem, objtest.Hooks{Before: func(_ context.Context, c objtest.Call) error {
		if c.Op == objtest.GetOp && strings.HasPrefix(c.Key, layout.RawPrefix) {
			return errDenied
		}
		return nil
	}})
	var left, shards int
	for i := range 3 {
		w.advance(time.Minute)
		s, err := w.compactor(denied, func(o *Options) { o.Shard = Shard{i, 3} }).Run(t.Context())
		if n := int(s.Backlogged().Objects); errors.Is(err, errDenied) && n > 0 {
			left, shards = left+n, shards+1
		}
	}
	if left != 11 || shards < 2 {
		t.Fatalf("%d shards have left %d objects", shards, left)
	}
	look("the backlog of all shards", 24, left, epoch.Add(time.Minute))
}
