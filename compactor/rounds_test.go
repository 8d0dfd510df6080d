package compactor

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"lethe/internal/layout"
	"lethe/objstore/objtest"
)

// scattered uploads lines of many hours, in no order: one of each hour in each object.
func scattered(w *world, hours, objects int) (keys []string) {
	r := rand.New(rand.NewPCG(5, 6))
	w.now = epoch.Add(time.Duration(hours+3) * time.Hour)
	for n := range objects {
		var lines []line
		for _, h := range r.Perm(hours) {
			at := epoch.Add(time.Duration(h)*time.Hour + time.Duration(n)*time.Second)
			lines = append(lines, line{at, "web-1", fmt.Sprintf("line %d of hour %d", n, h)})
		}
		keys = append(keys, w.upload(shop, fmt.Sprint("o", n), lines))
		w.advance(time.Second)
	}
	w.put(layout.RawKey(shop, 0, "again.jsonl"), w.get(keys[0])) // a retry
	return keys
}

// bare blocks are written fast.
func bare(o *Options) { o.Block.NoIndex = true }

// Lines of more hours than are collected at once still make one block an hour, and everything is counted once.
func TestManyHours(t *testing.T) {
	const hours, objects = 2*maxHours + 50, 3
	for _, n := range []int{maxHours, maxHours + 1, hours} {
		w := newWorld(t)
		scattered(w, n, objects)
		s := w.run(bare)
		lines := int64(objects * n)
		if s.Out.Blocks != int64(n) || s.Merged.Merges != 0 || s.In.Objects != objects+1 || s.In.Duplicates != 1 ||
			s.Lines.Written != lines || s.Odd[shop.String()].Late != lines {
			t.Errorf("%d hours: the summary is\n%s", n, s)
		}
		w.check("compacted")
	}
}

// Inputs that another compactor has consumed and deleted before they were read for the last time are missing inputs like others.
func TestGoneBetweenRounds(t *testing.T) {
	w := newWorld(t)
	key := scattered(w, maxHours+1, 1)[0]
	gets := 0
	b := objtest.NewHooks(w.mem, objtest.Hooks{Before: func(_ context.Context, c objtest.Call) error {
		if c.Op != objtest.GetOp || c.Key != key {
			return nil
		}
		if gets++; gets == 2 {
			for range 3 {
				w.run(bare)
				w.advance(21 * time.Minute)
			}
		}
		return nil
	}})
	s, err := w.compactor(b, bare).Run(t.Context())
	if err != nil || gets < 2 || s.StartedOver != 1 {
		t.Errorf("%v after %d gets, and the summary is\n%s", err, gets, s)
	}
	w.check("started over")
	w.settle("at last", bare)
}

// When the deadline comes between two readings of the inputs, the commit is left to the next pass. A pass that got no further says so.
func TestDeadlineBetweenRounds(t *testing.T) {
	w := newWorld(t)
	key := scattered(w, maxHours+1, 1)[0]
	gets, puts := 0, 0
	b := objtest.NewHooks(w.mem, objtest.Hooks{Before: func(_ context.Context, c objtest.Call) error {
		if c.Op == objtest.GetOp && c.Key == key {
			gets++
		}
		if _, _, _, err := layout.ParseBlock(c.Key); err == nil && c.Op == objtest.PutOp {
			if puts++; puts == maxHours { // of the first round
				w.advance(time.Hour)
			}
		}
		return nil
	}})
	s, err := w.compactor(b, func(o *Options) { bare(o); o.Deadline = time.Minute }).Run(t.Context())
	if !errors.Is(err, errLate) || s.Failed[classStopped] != 1 || s.Unfinished == "" || s.Commits != 0 || gets != 1 || puts != maxHours || s.Backlogged().Objects != 2 {
		t.Errorf("%v after %d gets and %d puts, and the summary is\n%s", err, gets, puts, s)
	}
	w.check("unfinished")
	w.run(bare)
	w.check("finished")
}
