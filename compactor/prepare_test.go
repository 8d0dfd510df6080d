package compactor

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"lethe/internal/layout"
	"lethe/objstore/objtest"
)

// rawLists counts the listings under raw/ of a pass by their prefixes.
func rawLists(t *testing.T, w *world) map[string]int {
	t.Helper()
	var mu sync.Mutex
	lists := map[string]int{}
	b := objtest.NewHooks(w.mem, objtest.Hooks{Before: func(_ context.Context, c objtest.Call) error {
		mu.Lock()
		defer mu.Unlock()
		if c.Op == objtest.ListOp && strings.HasPrefix(c.Key, layout.RawPrefix) {
			lists[c.Key]++
		}
		return nil
	}})
	if _, err := w.compactor(b, nil).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	return lists
}

// Many targets with work share a listing; one alone has its own, which is shorter.
func TestTargetsShareAListing(t *testing.T) {
	w := newWorld(t)
	const targets = maxPreparedTargets + 6
	for minute := range 3 {
		for i := range targets {
			w.upload(layout.Target{Kind: layout.Pod, Name: fmt.Sprint("ns", i)}, fmt.Sprint(minute), linesAt(fmt.Sprint(minute, "-", i), w.Now(), 2))
		}
		// Who has work, and once more for each part of the targets.
		if lists := rawLists(t, w); len(lists) != 1 || lists[layout.RawPrefix] != 3 {
			t.Errorf("minute %d: listings %v", minute, lists)
		}
		w.check(fmt.Sprint("minute ", minute))
		w.advance(time.Minute)
	}
	w.settle("at last", nil)
	w.upload(shop, "alone", linesAt("alone", w.Now(), 2))
	if lists := rawLists(t, w); len(lists) != 2 || lists[layout.RawPrefix] != 1 || lists[layout.RawPrefixOf(shop)] != 1 {
		t.Errorf("one target alone: listings %v", lists)
	}
}

// The plan of a commit holds no more of a long backlog than the batch takes, also when it is made along with others.
func TestPlannersKeepToTheBatch(t *testing.T) {
	w := newWorld(t)
	for i := range 9 {
		w.upload(shop, fmt.Sprint("a", i), linesAt(fmt.Sprint("a", i), epoch, 1))
		w.upload(layout.Target{Kind: layout.Pod, Name: "bank"}, fmt.Sprint("b", i), linesAt(fmt.Sprint("b", i), epoch, 1))
	}
	s, err := w.compactor(w.mem, func(o *Options) { o.BatchObjects = 2 }).Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if s.In.Objects != 18 || s.Commits < 10 {
		t.Errorf("%d objects in %d commits, want 18 in 5 and more for each of two targets", s.In.Objects, s.Commits)
	}
	w.check("after the backlog")
}
