package compactor

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"lethe/internal/layout"
)

// seldom leaves upkeep and sweeps alone.
func seldom(o *Options) { o.Retention.Interval, o.SweepInterval = 100*time.Hour, 100*time.Hour }

// A minute without uploads costs the listing of raw/ and the summary of the last pass, however many targets have objects that wait for their grace.
func TestIdleMinute(t *testing.T) {
	const targets = 150
	w := newWorld(t)
	c := w.compactor(w.mem, seldom)
	pass := func() *Summary {
		t.Helper()
		w.advance(time.Minute)
		s, err := c.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	pass() // tries out the store
	manyTargets(w, targets, "a")
	pass()
	expect := func(what string, gets, puts int64, written int64) *Summary {
		t.Helper()
		s := pass()
		if r := s.Requests; r.Gets != gets || r.Puts != puts || r.Stats != 0 || s.Lines.Written != written || s.Backlogged().Objects != 0 {
			t.Errorf("%s: %+v, %d lines written, %+v waits", what, r, s.Lines.Written, s.Backlogged())
		}
		return s
	}
	for range 3 {
		if s := expect("idle", 1, 0, 0); s.Requests.Lists != 1 || s.Targets != 0 { // the summary of the last pass, whose own is not counted
			t.Errorf("%+v, %d targets were worked on", s.Requests, s.Targets)
		}
	}
	manyTargets(w, 1, "b")
	expect("an upload", 3, 2, 2) // a manifest and the object, a block and the manifest
	expect("idle again", 1, 0, 0)
	// The grace of all uploads is over: their targets are looked at, and what was consumed is deleted.
	w.advance(20 * time.Minute)
	if s := pass(); s.Deleted.Raw != targets+1 {
		t.Errorf("%d raw objects were deleted", s.Deleted.Raw)
	}
	expect("all deleted", 1, 0, 0)
	// Upkeep looks at every target.
	manyTargets(w, targets, "c")
	pass()
	w.advance(100 * time.Hour)
	if s := pass(); s.Requests.Gets < targets || s.Targets != targets {
		t.Errorf("upkeep: %+v, %d targets were worked on", s.Requests, s.Targets)
	}
	w.check("at last")
}

// What a compactor remembers of targets hides nothing from it: neither what comes under a name that was used before, nor what other compactors do.
func TestRestsHideNothing(t *testing.T) {
	for seed := range uint64(4) {
		w := newWorld(t)
		r := rand.New(rand.NewPCG(seed, 4))
		var cs []*Compactor
		for range 3 {
			cs = append(cs, w.compactor(w.mem, seldom))
		}
		var put []string
		for n := range 100 {
			switch r.IntN(6) {
			case 0:
				target := layout.Target{Kind: layout.Pod, Name: fmt.Sprint("ns", r.IntN(3))}
				put = append(put, w.upload(target, fmt.Sprint("o", n), linesAt(fmt.Sprint(n, "-"), w.Now(), 2)))
			case 1:
				if len(put) > 0 {
					w.again(put[r.IntN(len(put))], n)
				}
			case 2:
				w.advance(time.Duration(r.IntN(15)) * time.Minute)
			default:
				w.advance(time.Second)
				if s, err := cs[r.IntN(len(cs))].Run(t.Context()); err != nil || s.Backlogged().Objects != 0 {
					t.Fatalf("seed %d, step %d: %v, %+v waits", seed, n, err, s.Backlogged())
				}
			}
		}
		w.check(fmt.Sprint("seed ", seed))
		for _, c := range cs {
			for range 2 {
				w.advance(21 * time.Minute)
				if _, err := c.Run(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		if left := w.list(layout.RawPrefix); len(left) > 0 {
			t.Errorf("seed %d: %d raw objects are left", seed, len(left))
		}
	}
}

// again puts other lines under a key that was used and is free.
func (w *world) again(key string, n int) {
	w.t.Helper()
	raw, ok := layout.ParseRaw(key)
	if !ok || w.has(key) {
		return
	}
	for _, c := range w.manifest(raw.Target).Consumed {
		if c.Key == key { // its name is not forgotten yet
			return
		}
	}
	lines := linesAt(fmt.Sprint("again ", n), w.Now(), 1)
	w.put(key, bodyOf(lines))
	for _, l := range lines {
		w.lines[l.text] = note(raw.Target, l.at.UnixNano())
	}
}

// Where somebody has restored a manifest from before a commit, upkeep finds what is not consumed any more, though a listing shows nothing new.
func TestNoRestOutlastsUpkeep(t *testing.T) {
	w := newWorld(t)
	c := w.compactor(w.mem, func(o *Options) { o.Retention.Interval = 5 * time.Minute })
	if _, err := c.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.upload(shop, "a", linesAt("a", epoch, 2))
	written := int64(0)
	for minute := range 12 {
		s, err := c.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if written += s.Lines.Written; minute == 1 {
			if err := w.mem.Delete(t.Context(), layout.ManifestKey(shop)); err != nil {
				t.Fatal(err)
			}
		}
		w.advance(time.Minute)
	}
	if written != 4 {
		t.Errorf("%d lines were written, two of them twice", written)
	}
	w.check("restored")
}
