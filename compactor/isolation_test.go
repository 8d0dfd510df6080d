package compactor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lethe/internal/block"
	"lethe/internal/catalog"
	"lethe/internal/layout"
	"lethe/objstore"
	"lethe/objstore/objtest"
)

var errDenied = errors.New("access denied")

// Retention of a target goes on where that of another one fails: its deletes are refused, or one of its sealed days is damaged.
func TestRetentionGoesOnElsewhere(t *testing.T) {
	keep := func(o *Options) { o.Retention.Time = 24 * time.Hour }
	aged := func() *world {
		w := newWorld(t)
		for i := range 3 {
			at := epoch.Add(-time.Duration(i) * 24 * time.Hour)
			w.upload(dev, fmt.Sprint("d", i), linesAt(fmt.Sprint("d", i), at, 3))
			w.upload(shop, fmt.Sprint("s", i), linesAt(fmt.Sprint("s", i), at, 3))
		}
		w.run(nil)
		w.advance(3 * time.Hour) // days are sealed, and leave what they replace
		w.upload(dev, "late", linesAt("late", epoch.Add(-24*time.Hour), 3))
		w.run(nil)
		return w
	}
	cut := func(t *testing.T, w *world, s *Summary) {
		t.Helper()
		if diff := cmp.Diff([]string{"2026-03-01_09"}, w.hoursOf(shop)); diff != "" {
			t.Errorf("%s\n%s", diff, s)
		}
	}
	t.Run("deletes are refused", func(t *testing.T) {
		w := aged()
		if len(w.manifest(dev).Replaced) == 0 {
			t.Fatal("nothing was replaced, so nothing is tested")
		}
		w.advance(time.Hour)
		b := objtest.NewHooks(w.mem, objtest.Hooks{Before: func(_ context.Context, c objtest.Call) error {
			if c.Op == objtest.DeleteOp && strings.HasPrefix(c.Key, layout.TargetPrefix(dev)) {
				return errDenied
			}
			return nil
		}})
		s, err := w.compactor(b, keep).Run(t.Context())
		if !errors.Is(err, errDenied) || !strings.Contains(err.Error(), dev.String()) {
			t.Errorf("got %v", err)
		}
		cut(t, w, s)
	})
	t.Run("a sealed day is damaged", func(t *testing.T) {
		w := aged()
		w.advance(time.Hour)
		sealed := w.manifest(dev).Sealed
		if len(sealed) == 0 {
			t.Fatal("no day is sealed")
		}
		w.put(sealed[0].Key, []byte(`{"version":1,`))
		s, err := w.compactor(w.mem, keep).Run(t.Context())
		if !errors.Is(err, catalog.ErrInvalid) || s.Failed[classInvalid] == 0 {
			t.Errorf("got %v and\n%s", err, s)
		}
		cut(t, w, s)
	})
}

// What a compactor remembers of itself is no reason not to compact when it is damaged.
func TestDamagedMemory(t *testing.T) {
	for _, name := range []string{probeName, stateName} {
		for _, body := range []string{"", "{", `{"version":"x"}`} {
			w := newWorld(t)
			w.upload(shop, "a", linesAt("a", epoch, 3))
			w.put(layout.StateKey(name), []byte(body))
			if s := w.run(nil); s.Lines.Written != 3 {
				t.Errorf("%s %q: the summary is\n%s", name, body, s)
			}
			if s := w.run(nil); s.LastSuccess.IsZero() {
				t.Errorf("%s %q: no success is remembered", name, body)
			}
		}
	}
}

// Where nobody can say which raw objects alert rules wait for, none is deleted, and everything else goes on.
func TestAlertStatesThatCannotBeRead(t *testing.T) {
	w := newWorld(t)
	w.upload(shop, "a", linesAt("a", epoch, 3))
	broken := true
	hold := func(o *Options) {
		o.Held = func(context.Context) (func(string, time.Time) bool, error) {
			if broken {
				return nil, catalog.ErrNewer
			}
			return func(string, time.Time) bool { return false }, nil
		}
	}
	for range 4 {
		s, err := w.compactor(w.mem, hold).Run(t.Context())
		if !errors.Is(err, catalog.ErrNewer) || s.Failed[classVersion] != 1 {
			t.Fatalf("got %v and\n%s", err, s)
		}
		w.advance(time.Hour)
	}
	if m := w.manifest(shop); len(m.Blocks)+len(m.Sealed) == 0 || len(w.list(layout.RawPrefix)) != 1 {
		t.Errorf("%d raw objects are left, and the manifest is %+v", len(w.list(layout.RawPrefix)), m)
	}
	w.check("nothing is known of rules")
	broken = false
	w.settle("at last", hold)
}

// A pass over some targets is none over all: what it has done is not taken for done elsewhere, and its summary does not hide that of all.
func TestPassOverSomeTargets(t *testing.T) {
	w := newWorld(t)
	hourly := func(o *Options) { o.Retention.Interval, o.SweepInterval = time.Hour, time.Hour }
	w.upload(shop, "a", linesAt("a", epoch, 3))
	w.upload(dev, "b", linesAt("b", epoch, 3))
	w.run(hourly)
	for range 4 {
		w.advance(40 * time.Minute)
		w.run(func(o *Options) { hourly(o); o.Targets = []layout.Target{shop} })
	}
	all, err := LoadSummary(t.Context(), w.mem, Shard{})
	if err != nil || !all.Ended.Equal(epoch) || all.Targets != 2 {
		t.Fatalf("the summary of all targets is %v, %v", all, err)
	}
	if s := w.run(hourly); !s.LastUpkeep.Equal(w.Now()) || !s.LastSweep.Equal(w.Now()) {
		t.Errorf("upkeep was last at %s and a sweep at %s, now it is %s", s.LastUpkeep, s.LastSweep, w.Now())
	}
	// One pass over some targets remembers the one before it.
	some := func(o *Options) { hourly(o); o.Targets = []layout.Target{shop} }
	first := w.run(some)
	w.advance(time.Minute)
	if s := w.run(some); !s.LastUpkeep.Equal(first.LastUpkeep) {
		t.Errorf("upkeep of some targets was last at %s, want %s", s.LastUpkeep, first.LastUpkeep)
	}
}

func TestClasses(t *testing.T) {
	for err, want := range map[error]string{
		context.Canceled: classStopped, catalog.ErrNewer: classVersion, block.ErrVersion: classVersion, catalog.ErrInvalid: classInvalid,
		block.ErrCorrupt: classInvalid, catalog.ErrTooLarge: classSize, objstore.ErrConfig: classConfig, ErrNoCompareAndSwap: classConfig,
		catalog.ErrUnknown: classSwap, errDenied: classStore,
	} {
		if got := class(fmt.Errorf("a pass: %w", err)); got != want {
			t.Errorf("%v is of class %s, want %s", err, got, want)
		}
	}
}

// A dry run shows what it can where a target cannot be read.
func TestDryRunPastABadTarget(t *testing.T) {
	w := newWorld(t)
	w.upload(shop, "a", linesAt("a", epoch, 2))
	w.put(layout.ManifestKey(dev), []byte(`{"version":99}`))
	plan, err := w.compactor(w.mem, nil).Plan(t.Context())
	if !errors.Is(err, catalog.ErrNewer) {
		t.Fatalf("got %v", err)
	}
	if len(plan.Targets) != 1 || plan.Targets[0].Target != shop.String() || plan.Targets[0].RawObjects != 1 {
		t.Errorf("the plan is %+v", plan)
	}
}
