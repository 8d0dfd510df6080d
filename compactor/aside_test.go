package compactor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"lethe/internal/catalog"
	"lethe/internal/layout"
	"lethe/objstore"
	"lethe/objstore/objtest"
)

// spoil makes the sealed day of a key unreadable, in different ways, and returns the bucket in which it is, and what mends it.
var spoil = map[string]func(w *world, key string) (objstore.Bucket, func()){
	"damaged": func(w *world, key string) (objstore.Bucket, func()) {
		body := w.get(key)
		w.put(key, []byte(`{"version":2,`))
		return w.mem, func() { w.put(key, body) }
	},
	"missing": func(w *world, key string) (objstore.Bucket, func()) {
		body := w.get(key)
		if err := w.mem.Delete(w.t.Context(), key); err != nil {
			w.t.Fatal(err)
		}
		return w.mem, func() { w.put(key, body) }
	},
	"refused": func(w *world, key string) (objstore.Bucket, func()) {
		return objtest.NewHooks(w.mem, objtest.Hooks{Before: func(_ context.Context, c objtest.Call) error {
			if c.Op == objtest.GetOp && c.Key == key {
				return errDenied
			}
			return nil
		}}), func() {}
	},
}

// lateForASealedDay is a bucket with a sealed day, for which a retry and new lines have come, beside lines of a later hour. The grace of a consumed object is over.
func lateForASealedDay(t *testing.T) (w *world, sealed, consumed string) {
	w = newWorld(t)
	old := linesAt("old", epoch, 3)
	w.upload(shop, "old", old)
	w.run(nil)
	w.advance(16 * time.Hour)
	for range 3 { // the day is sealed, and what was consumed is deleted
		w.run(nil)
		w.advance(30 * time.Minute)
	}
	days := w.manifest(shop).Sealed
	if len(days) != 1 || len(w.list(layout.RawPrefix)) > 0 {
		t.Fatalf("sealed is %+v", days)
	}
	consumed = w.upload(shop, "before", linesAt("before", w.Now(), 2))
	w.run(nil)
	w.advance(30 * time.Minute)
	w.upload(shop, "retry", old)
	w.upload(shop, "late", linesAt("late", epoch.Add(-time.Minute), 2))
	w.upload(shop, "new", linesAt("new", w.Now(), 2))
	return w, days[0].Key, consumed
}

// A sealed day that cannot be read keeps back what is to be compared with it, and nothing else of its target.
func TestUnreadableDayKeepsBackWhatIsComparedWithIt(t *testing.T) {
	for name, spoil := range spoil {
		for _, batch := range []int{1, 10} {
			t.Run(fmt.Sprint(name, ", in batches of ", batch), func(t *testing.T) {
				w, day, consumed := lateForASealedDay(t)
				b, mend := spoil(w, day)
				some := func(o *Options) { o.BatchObjects, o.SweepInterval = batch, 1000*time.Hour }
				s, err := w.compactor(b, some).Run(t.Context())
				if err == nil || !strings.Contains(err.Error(), day) || !strings.Contains(err.Error(), "2 raw objects wait") || len(s.Failures) != 1 {
					t.Errorf("got %v", err)
				}
				if s.Lines.Written != 2 || s.Backlogged().Objects != 2 || s.StartedOver != 0 || s.Unfinished != "" {
					t.Errorf("the summary is\n%s", s)
				}
				// What has landed after the grace of the consumed object is of no matter to it.
				if w.has(consumed) {
					t.Error("nothing was cleaned")
				}
				mend()
				if s := w.run(some); s.Lines.Written != 2 || s.In.Duplicates != 1 || s.Backlogged().Objects != 0 {
					t.Errorf("when it can be read the summary is\n%s", s)
				}
				w.check("mended")
				w.settle("at last", some)
			})
		}
	}
}

// Lines of a day whose first hours only are sealed are compared with them where they are of these hours.
func TestUnreadableHoursKeepLaterOnesBackInVain(t *testing.T) {
	w := newWorld(t)
	w.upload(shop, "a", linesAt("a", epoch, 2))
	w.upload(shop, "b", linesAt("b", epoch.Add(time.Hour), 2))
	w.run(nil)
	w.advance(4 * time.Hour)
	w.run(nil)
	days := w.manifest(shop).Sealed
	if len(days) != 1 {
		t.Fatalf("sealed is %+v", days)
	}
	w.put(days[0].Key, []byte("{"))
	w.upload(shop, "late", linesAt("late", epoch, 2))
	w.upload(shop, "new", linesAt("new", w.Now(), 2))
	s, err := w.compactor(w.mem, func(o *Options) { o.SweepInterval = 1000 * time.Hour }).Run(t.Context())
	if !errors.Is(err, catalog.ErrInvalid) || s.Lines.Written != 2 || s.Backlogged().Objects != 1 {
		t.Errorf("%v, and the summary is\n%s", err, s)
	}
}

// Room is made for retention beside a day that cannot be read.
func TestRoomIsMadeBesideAnUnreadableDay(t *testing.T) {
	w, day, consumed := lateForASealedDay(t)
	w.put(day, []byte("{"))
	p := w.compactor(w.mem, nil).newPass(t.Context())
	targets, err := p.loadAll(t.Context(), []layout.Target{shop}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.freeRaw(t.Context(), targets); !errors.Is(err, catalog.ErrInvalid) || w.has(consumed) {
		t.Errorf("%v, and the consumed object is there: %t", err, w.has(consumed))
	}
}

// An object that a manifest names and that is not there is an error that names it, and not a race that was lost.
func TestMissingObjectsAreNamed(t *testing.T) {
	keep := func(o *Options) { o.Retention.Time = 3 * time.Hour }
	for name, tc := range map[string]struct {
		after  time.Duration
		change func(*Options)
		victim func(m *catalog.Manifest) string
	}{
		"a block that is to be merged":      {10 * time.Minute, func(o *Options) { o.FanIn = 2 }, func(m *catalog.Manifest) string { return m.Blocks[0].Key }},
		"a day that retention looks into":   {20 * time.Hour, keep, func(m *catalog.Manifest) string { return m.Sealed[0].Key }},
		"a day that a sweep looks into":     {20 * time.Hour, nil, func(m *catalog.Manifest) string { return m.Sealed[0].Key }},
		"a day for which lines came, later": {20 * time.Hour, func(o *Options) { o.SweepInterval = 1000 * time.Hour }, func(m *catalog.Manifest) string { return m.Sealed[0].Key }},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.upload(shop, "a", noisy(1, epoch, 1000))
			w.run(nil)
			w.upload(shop, "b", noisy(2, epoch, 1000))
			w.run(func(o *Options) { o.FanIn = 64 })
			w.advance(tc.after)
			if tc.after > time.Hour {
				w.run(nil)
				w.upload(shop, "late", linesAt("late", epoch, 2))
			}
			key := tc.victim(w.manifest(shop))
			if err := w.mem.Delete(t.Context(), key); err != nil {
				t.Fatal(err)
			}
			s, err := w.compactor(w.mem, tc.change).Run(t.Context())
			if !errors.Is(err, catalog.ErrMissing) || !strings.Contains(err.Error(), key) || s.Failed[classInvalid] == 0 {
				t.Errorf("got %v", err)
			}
			if s.StartedOver != 0 || s.Unfinished != "" {
				t.Errorf("the summary is\n%s", s)
			}
		})
	}
}
