package compactor

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"lethe/internal/layout"
	"lethe/objstore"
	"lethe/objstore/objtest"
)

// shortAfterLong is a bucket in which a retry was consumed, and its shorter original landed in the grace, which is over now. Of another consumed object
// the grace is over as well.
func shortAfterLong(t *testing.T) (w *world, long, other string) {
	w = newWorld(t)
	lines := linesAt("a", epoch, 3)
	long = w.upload(shop, "long", lines)
	other = w.upload(shop, "other", linesAt("b", epoch, 3))
	w.run(nil)
	w.advance(10 * time.Minute)
	w.upload(shop, "short", lines[:2])
	w.advance(15 * time.Minute)
	return w, long, other
}

func (w *world) has(key string) bool {
	w.t.Helper()
	_, err := w.mem.Stat(w.t.Context(), key)
	if err != nil && !errors.Is(err, objstore.ErrNotExist) {
		w.t.Fatal(err)
	}
	return err == nil
}

// A consumed object is deleted after what landed in its grace was compared with it, however late the compactor comes.
func TestComparedBeforeItIsDeleted(t *testing.T) {
	t.Run("in one commit", func(t *testing.T) {
		w, long, _ := shortAfterLong(t)
		if s := w.run(nil); s.Lines.Written != 0 || s.In.Duplicates != 1 || s.Deleted.Raw != 2 || w.has(long) {
			t.Errorf("the summary is\n%s", s)
		}
		w.settle("at last", nil)
	})
	t.Run("in a later commit", func(t *testing.T) {
		for _, batch := range []int{1, 2} { // the short one is forgotten while the raw objects are listed, or behind the inputs
			w, _, _ := shortAfterLong(t)
			newer := epoch.Add(time.Hour)
			w.upload(shop, "new1", linesAt("c", newer, 2))
			w.upload(shop, "new2", linesAt("d", newer, 2))
			w.upload(shop, "new3", linesAt("e", newer, 2))
			small := func(o *Options) { o.BatchObjects = batch }
			if s := w.run(small); s.Lines.Written != 6 || s.In.Duplicates != 1 || s.Deleted.Raw != 2 {
				t.Errorf("the summary is\n%s", s)
			}
			w.settle("at last", small)
		}
	})
	t.Run("after a commit that failed", func(t *testing.T) {
		w, long, other := shortAfterLong(t)
		w.upload(shop, "new", linesAt("c", epoch, 2))
		full := objtest.NewHooks(w.mem, objtest.Hooks{Before: func(_ context.Context, c objtest.Call) error {
			if c.Op == objtest.PutOp && strings.HasPrefix(c.Key, layout.TargetPrefix(shop)) {
				return errDenied
			}
			return nil
		}})
		if _, err := w.compactor(full, nil).Run(t.Context()); !errors.Is(err, errDenied) {
			t.Fatalf("got %v", err)
		}
		if !w.has(long) || w.has(other) {
			t.Errorf("what is to be compared is there: %t, and what is not: %t", w.has(long), w.has(other))
		}
		if s := w.run(nil); s.Lines.Written != 2 || s.In.Duplicates != 1 {
			t.Errorf("the summary is\n%s", s)
		}
		w.settle("at last", nil)
	})
	t.Run("after room was made for retention", func(t *testing.T) {
		w, long, other := shortAfterLong(t)
		w.upload(shop, "new", linesAt("c", epoch.Add(time.Hour), 2)) // the only one that a commit would take
		p := w.compactor(w.mem, func(o *Options) { o.BatchObjects = 1 }).newPass(t.Context())
		targets, err := p.loadAll(t.Context(), []layout.Target{shop}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.freeRaw(t.Context(), targets); err != nil {
			t.Fatal(err)
		}
		if !w.has(long) || w.has(other) {
			t.Errorf("what is to be compared is there: %t, and what is not: %t", w.has(long), w.has(other))
		}
		w.check("made room")
		w.settle("at last", nil)
	})
}

// Two compactors come late with the same inputs: one has deleted what they were compared with when the other one compares.
func TestComparedWithWhatAnotherDeletes(t *testing.T) {
	w, long, _ := shortAfterLong(t)
	meddled := false
	b := objtest.NewHooks(w.mem, objtest.Hooks{Before: func(_ context.Context, c objtest.Call) error {
		if c.Op == objtest.GetOp && c.Key == long && !meddled {
			meddled = true
			w.run(nil)
		}
		return nil
	}})
	if _, err := w.compactor(b, nil).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !meddled || w.has(long) {
		t.Fatal("nothing was compared with what is deleted")
	}
	w.check("both have passed")
	w.settle("at last", nil)
}
