package compactor

import (
	"fmt"
	"testing"
	"time"

	"lethe/internal/layout"
)

// manyTargets uploads one small object for each of n targets.
func manyTargets(w *world, n int, name string) {
	for i := range n {
		w.upload(layout.Target{Kind: layout.Pod, Name: fmt.Sprintf("ns-%04d", i)}, name, linesAt(fmt.Sprint(name, i), w.Now(), 2))
	}
}

// What a pass asks of the store is in proportion to the targets that have work; without work it is the listing of raw/ and the summary, however many
// targets there are.
func TestManyTargets(t *testing.T) {
	const targets = 300
	w := newWorld(t)
	c := w.compactor(w.mem, func(o *Options) {
		o.Block.NoIndex = true
		o.Concurrency, o.Retention.Interval, o.SweepInterval, o.SweepAge = 2, 0, 0, 0 // the defaults
	})
	pass := func() *Summary {
		t.Helper()
		s, err := c.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	pass() // tries out the store
	manyTargets(w, targets, "a")
	w.advance(time.Minute)
	s := pass()
	// For each a manifest that is not there yet, the object, a block and a manifest.
	if r := s.Requests; s.Lines.Written != 2*targets || r.Gets > 2*targets+3 || r.Puts > 2*targets+3 || r.Lists > 3+targets/maxPreparedTargets+1 || r.Stats > 0 {
		t.Errorf("%d targets with work: %+v", targets, r)
	}
	for range 4 {
		w.advance(11 * time.Minute)
		pass() // deletes what was consumed, with the upkeep
	}
	w.advance(time.Minute)
	if r := pass().Requests; r.Lists != 1 || r.Gets > 1 || r.Puts > 1 || r.Requests() > 3 {
		t.Errorf("%d idle targets: %+v", targets, r)
	}
	w.check("at last")
}
