package compactor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lethe/internal/catalog"
	"lethe/internal/layout"
	"lethe/objstore"
	"lethe/objstore/objtest"
)

var dev = layout.Target{Kind: layout.Pod, Name: "dev-1"}

// hoursOf returns the hours that a target still has blocks of.
func (w *world) hoursOf(t layout.Target) []string {
	seen := map[string]bool{}
	m := w.manifest(t)
	blocks := m.Blocks
	for _, s := range m.Sealed {
		d, err := catalog.LoadSealed(w.t.Context(), w.mem, t, s)
		if err != nil {
			w.t.Fatal(err)
		}
		blocks = append(blocks, d.Blocks...)
	}
	for _, b := range blocks {
		seen[b.Hour.String()] = true
	}
	return sortedKeys(seen)
}

func TestRetentionByTime(t *testing.T) {
	w := newWorld(t)
	for i := range 5 {
		at := epoch.Add(-time.Duration(i) * 24 * time.Hour)
		w.upload(shop, fmt.Sprint("s", i), linesAt(fmt.Sprint("s", i), at, 3))
		w.upload(dev, fmt.Sprint("d", i), linesAt(fmt.Sprint("d", i), at, 3))
	}
	w.run(nil)
	w.advance(3 * time.Hour) // days are sealed
	s := w.run(nil)
	if s.DaysSealed != 8 {
		t.Fatalf("%d days are sealed, want 8", s.DaysSealed)
	}
	keep := func(o *Options) {
		o.Retention.Time = 72 * time.Hour
		o.Retention.Overrides = []Override{{Selector: `pod{namespace=~"dev-.*"}`, Time: 24 * time.Hour}}
	}
	s = w.run(keep)
	if diff := cmp.Diff([]string{"2026-02-27_09", "2026-02-28_09", "2026-03-01_09"}, w.hoursOf(shop)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"2026-02-28_09", "2026-03-01_09"}, w.hoursOf(dev)); diff == "" {
		t.Error("an hour that ended more than a day ago is kept")
	}
	if s.Deleted.Hours != 6 || s.Deleted.HourBlocks != 6 {
		t.Errorf("the summary is\n%s", s)
	}
	if m := w.manifest(shop); m.Watermark != time.Date(2026, 2, 26, 10, 0, 0, 0, time.UTC).UnixNano() {
		t.Errorf("the watermark is %s", time.Unix(0, m.Watermark).UTC())
	}
	// A line under the watermark that still comes is dropped and counted; one above it that is old for the retention is kept and counted.
	w.upload(shop, "late", linesAt("late", epoch.Add(-96*time.Hour), 2))
	maps.DeleteFunc(w.lines, func(text, _ string) bool { return strings.HasPrefix(text, "late") })
	w.upload(dev, "old", linesAt("old", epoch.Add(-23*time.Hour), 2))
	s = w.run(keep)
	if got := s.Odd["pod/shop"]; got.Dropped != 2 || got.TooOld != 2 || s.Lines.Dropped != 2 {
		t.Errorf("under the watermark: %+v", got)
	}
	if got := s.Odd["pod/dev-1"]; got.Dropped != 0 || got.TooOld != 2 {
		t.Errorf("old on arrival: %+v", got)
	}
	for range 5 {
		w.advance(21 * time.Minute)
		w.run(keep)
	}
	w.checkClean("at last")
}

// Lines dated far ahead go with the hour in which they arrived.
func TestRetentionOfLinesAhead(t *testing.T) {
	w := newWorld(t)
	w.upload(shop, "ahead", linesAt("ahead", time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC), 2))
	w.upload(shop, "now", linesAt("now", epoch, 2))
	keep := func(o *Options) { o.Retention.Time = 24 * time.Hour }
	s := w.run(keep)
	if got := s.Odd["pod/shop"]; got.Ahead != 2 {
		t.Errorf("dated ahead: %+v", got)
	}
	w.check("kept")
	w.advance(12 * time.Hour)
	w.run(keep)
	if m := w.manifest(shop); len(m.Sealed) != 1 {
		t.Errorf("the day that lies ahead is not sealed: %+v", m)
	}
	w.check("sealed")
	w.advance(20 * time.Hour)
	w.run(keep)
	if hours := w.hoursOf(shop); len(hours) != 0 {
		t.Errorf("%v are kept", hours)
	}
}

func TestRetentionBySize(t *testing.T) {
	w := newWorld(t)
	for i := range 6 {
		at := epoch.Add(-time.Duration(i) * time.Hour)
		w.upload(shop, fmt.Sprint("s", i), linesAt(fmt.Sprint("s", i), at, 50))
		w.upload(dev, fmt.Sprint("d", i), linesAt(fmt.Sprint("d", i), at, 5))
	}
	open := func(o *Options) { o.SealDelay = 1000 * time.Hour }
	w.run(open)
	w.settle("before", open)
	var all, oldest int64
	for _, target := range []layout.Target{shop, dev} {
		for _, b := range w.manifest(target).Blocks {
			all += b.Size
			if b.Hour <= layout.HourOf(epoch.Add(-4*time.Hour).UnixNano()) {
				oldest += b.Size
			}
		}
		all += int64(len(w.get(layout.ManifestKey(target))))
	}
	keep := func(o *Options) { open(o); o.Retention.Size = all - oldest + 100 }
	plan, err := w.compactor(w.mem, keep).Plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, h := range plan.Retention {
		got = append(got, h.Target+" "+h.Hour+" "+h.Why)
	}
	want := []string{
		"pod/shop 2026-03-01_04 over retention.size", "pod/dev-1 2026-03-01_04 over retention.size",
		"pod/shop 2026-03-01_05 over retention.size", "pod/dev-1 2026-03-01_05 over retention.size",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(w.hoursOf(shop)) != 6 {
		t.Fatal("the plan has deleted something")
	}
	w.run(keep)
	w.advance(6 * time.Minute)
	w.run(keep) // what was replaced meanwhile does not count, so nothing more goes
	if a, b := len(w.hoursOf(shop)), len(w.hoursOf(dev)); a != 4 || b != 4 {
		t.Errorf("%d and %d hours are left, want 4 and 4", a, b)
	}
	// An override bounds its own targets only.
	w.run(func(o *Options) { o.Retention.Overrides = []Override{{Selector: `pod{namespace="dev-1"}`, Size: 1}} })
	if a, b := len(w.hoursOf(shop)), len(w.hoursOf(dev)); a != 4 || b != 0 {
		t.Errorf("%d and %d hours are left, want 4 and 0", a, b)
	}
}

// The open hour goes last, and lines that still come for it are kept.
func TestRetentionOfTheOpenHour(t *testing.T) {
	w := newWorld(t)
	w.upload(shop, "a", linesAt("a", epoch, 3))
	w.run(nil)
	tiny := func(o *Options) { o.Retention.Size = 1 }
	w.run(tiny)
	if hours := w.hoursOf(shop); len(hours) != 0 {
		t.Fatalf("%v are kept", hours)
	}
	w.lines = map[string]string{}
	w.upload(shop, "b", linesAt("b", epoch.Add(time.Minute), 3))
	if s := w.run(nil); s.Lines.Dropped != 0 {
		t.Errorf("%d lines of the open hour were dropped", s.Lines.Dropped)
	}
	w.check("lines of the open hour")
}

// full is a store whose disk is full: it refuses puts until something was deleted.
type full struct {
	objstore.Bucket
	err     error
	refused int
}

func (f *full) Put(ctx context.Context, key string, body io.Reader, size int64, c objstore.Condition) (objstore.Attributes, error) {
	if f.err != nil {
		f.refused++
		return objstore.Attributes{}, f.err
	}
	return f.Bucket.Put(ctx, key, body, size, c)
}

func (f *full) Delete(ctx context.Context, keys ...string) error {
	for _, key := range keys {
		if _, err := f.Stat(ctx, key); err == nil {
			f.err = nil
		}
	}
	return f.Bucket.Delete(ctx, keys...)
}

func TestFullDisk(t *testing.T) {
	errFull := errors.New("the disk is full")
	w := newWorld(t)
	w.upload(shop, "old", linesAt("old", epoch.Add(-48*time.Hour), 5))
	w.upload(shop, "new", linesAt("new", epoch, 5))
	w.run(nil)
	keep := func(o *Options) { o.Retention.Time = 24 * time.Hour }
	stuck := &full{Bucket: w.mem, err: errFull}

	// Nothing is due for deletion: the error says what to do.
	_, err := w.compactor(stuck, keep).Run(t.Context())
	if !errors.Is(err, ErrRetention) || !errors.Is(err, errFull) {
		t.Fatalf("got %v", err)
	}
	if stuck.refused == 0 {
		t.Fatal("nothing was put")
	}
	// Once the consumed raw objects may go, deleting them makes the room that the swap needs.
	w.advance(21 * time.Minute)
	s, err := w.compactor(stuck, keep).Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if s.Deleted.Raw != 2 || s.Deleted.Hours != 1 {
		t.Errorf("the summary is\n%s", s)
	}
}

// Where a disk is full and nothing is due for deletion, retention gives up its ballast for the manifests, and takes it up again later.
func TestFullDiskWithBallast(t *testing.T) {
	keep := func(o *Options) { o.Retention.Time = 24 * time.Hour }
	w := newWorld(t)
	w.upload(shop, "old", linesAt("old", epoch.Add(-20*time.Hour), 5))
	w.upload(shop, "new", linesAt("new", epoch, 5))
	w.run(keep)
	w.settle("before", keep)
	w.advance(4 * time.Hour)
	ballast := func() int { return len(w.list(ballastKey)) }
	if ballast() != 1 {
		t.Fatal("there is no ballast")
	}
	stuck := &full{Bucket: w.mem, err: errors.New("the disk is full")}
	s, err := w.compactor(stuck, keep).Run(t.Context())
	if err != nil || s.Deleted.Hours != 1 {
		t.Fatalf("%v, and the summary is\n%s", err, s)
	}
	if ballast() != 1 {
		t.Error("the ballast was not taken up again")
	}
}

func TestRefusedSelectors(t *testing.T) {
	for _, text := range []string{`pod{pod="a"}`, `{namespace="a"}`, `node{namespace="a"}`, `pod{`, `rate(pod[5m])`, `container`} {
		_, err := New(nil, Options{Now: time.Now, NewID: func() string { return "" }, Retention: Retention{Overrides: []Override{{Selector: text}}}})
		if !errors.Is(err, ErrOptions) || !strings.Contains(err.Error(), strconv.Quote(text)) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// Expressions of overrides are as bounded as those of queries: each of them, and all together.
func TestSelectorsAreBounded(t *testing.T) {
	refused := func(o ...Override) bool {
		_, err := New(nil, Options{Now: time.Now, NewID: func() string { return "" }, Retention: Retention{Overrides: o}})
		return errors.Is(err, ErrOptions) && strings.Contains(err.Error(), "steps")
	}
	if !refused(Override{Selector: `pod{namespace=~"(abcdefghijkl){1000}"}`}) {
		t.Error("one of more than 10,000 steps is taken")
	}
	var many []Override
	for range 20 {
		many = append(many, Override{Selector: `pod{namespace=~"(abcd){1000}"}`})
	}
	if refused(many[:10]...) || !refused(many...) {
		t.Errorf("ten of 6,000 steps are refused: %t, twenty are: %t", refused(many[:10]...), refused(many...))
	}
}

func TestFirstOverrideCounts(t *testing.T) {
	c, err := New(nil, Options{Now: time.Now, NewID: func() string { return "" }, Retention: Retention{
		Time: 10 * time.Hour,
		Overrides: []Override{
			{Selector: `pod{namespace="dev-1"}`, Time: 2 * time.Hour},
			{Selector: `pod{namespace=~"dev-.*",namespace!="dev-3"}`, Size: 5},
			{Selector: `node`, Time: 3 * time.Hour},
		},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for target, want := range map[string]keep{
		"pod/dev-1": {Time: 2 * time.Hour},
		"pod/dev-2": {Time: 10 * time.Hour, Size: 5, Pool: `1 pod{namespace=~"dev-.*",namespace!="dev-3"}`},
		"pod/dev-3": {Time: 10 * time.Hour},
		"pod/shop":  {Time: 10 * time.Hour},
		"node/n1":   {Time: 3 * time.Hour},
	} {
		at, err := layout.ParseTarget(target)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.keepFor(at); got != want {
			t.Errorf("%s is kept for %+v, want %+v", target, got, want)
		}
	}
}

// Where retention cuts hours off a sealed day, the rest of it stays sealed: the manifest does not take up the day's blocks and bodies again.
func TestRetentionLeavesTheRestSealed(t *testing.T) {
	sealedDay := func() *world {
		w := newWorld(t)
		for i := range 12 {
			w.upload(shop, fmt.Sprint("s", i), linesAt(fmt.Sprint("s", i), w.Now(), 3))
			w.advance(time.Hour)
		}
		w.advance(24 * time.Hour)
		w.run(nil)
		w.settle("sealed", nil)
		if m := w.manifest(shop); len(m.Sealed) != 1 || m.Sealed[0].Blocks != 12 {
			t.Fatalf("the day is not sealed: %+v", m)
		}
		return w
	}
	// What is kept begins 3 hours after the day's first hour.
	keep := func(w *world) func(*Options) {
		since := w.Now().Sub(epoch.Add(3 * time.Hour))
		return func(o *Options) { o.Retention.Time = since }
	}
	forget := func(w *world) {
		maps.DeleteFunc(w.lines, func(_, note string) bool { return note < "pod/shop "+epoch.Add(3*time.Hour).Format(time.RFC3339) })
	}
	t.Run("in one swap", func(t *testing.T) {
		w := sealedDay()
		s := w.run(keep(w))
		m := w.manifest(shop)
		if s.Deleted.Hours != 3 || len(m.Sealed) != 1 || m.Sealed[0].Blocks != 9 || len(m.Blocks)+len(m.Bodies) != 0 {
			t.Errorf("left are %d blocks, %d bodies and %+v\n%s", len(m.Blocks), len(m.Bodies), m.Sealed, s)
		}
		forget(w)
		w.check("cut")
		w.upload(shop, "again", linesAt("s11", epoch.Add(11*time.Hour), 3))
		if s := w.run(keep(w)); s.In.Duplicates != 1 {
			t.Errorf("a retry of what is left is not told\n%s", s)
		}
	})
	t.Run("later, where it cannot be put", func(t *testing.T) {
		w := sealedDay()
		b := objtest.NewHooks(w.mem, objtest.Hooks{Before: func(_ context.Context, c objtest.Call) error {
			if c.Op == objtest.PutOp && strings.Contains(c.Key, "/sealed/") {
				return errDenied
			}
			return nil
		}})
		// What is left is tried again in the same pass, when the target is looked after.
		s, err := w.compactor(b, keep(w)).Run(t.Context())
		if s.Deleted.Hours != 3 {
			t.Fatalf("%v, and the summary is\n%s", err, s)
		}
		forget(w)
		w.check("cut")
		w.advance(21 * time.Minute)
		w.run(nil)
		if m := w.manifest(shop); len(m.Sealed) != 1 || m.Sealed[0].Blocks != 9 || len(m.Blocks) != 0 {
			t.Errorf("left are %d blocks and %+v", len(m.Blocks), m.Sealed)
		}
		w.settle("at last", nil)
	})
}

// A sealed day has an hour of its own time and a larger one that arrived in that hour and lies ahead: by size the one ahead goes first, and does go.
func TestRetentionOfASealedHourAhead(t *testing.T) {
	w := newWorld(t)
	w.upload(shop, "now", linesAt("now", epoch, 3))
	w.upload(shop, "ahead", linesAt("ahead", epoch.Add(6*time.Hour), 3000))
	w.advance(40 * time.Hour)
	w.run(nil)
	w.settle("sealed", nil)
	m := w.manifest(shop)
	if len(m.Sealed) != 1 || m.Sealed[0].Blocks != 2 || m.Sealed[0].Arrived < m.Sealed[0].Min-int64(time.Hour) {
		t.Fatalf("the day is not sealed: %+v", m)
	}
	keep := func(o *Options) { o.Retention.Size = m.Sealed[0].Bytes - 1000 }
	if s := w.run(keep); s.Deleted.Hours != 1 || s.Deleted.HourBlocks != 1 {
		t.Errorf("the summary is\n%s", s)
	}
	if diff := cmp.Diff([]string{"2026-03-01_09"}, w.hoursOf(shop)); diff != "" {
		t.Error(diff)
	}
	w.advance(time.Hour)
	if s := w.run(keep); s.Deleted.Hours != 0 {
		t.Errorf("the next pass has\n%s", s)
	}
}

// Upkeep of all targets does not hold what their manifests remember of uploads, which may be all that they are.
func TestUpkeepHoldsNoBodies(t *testing.T) {
	w := newWorld(t)
	bodies := make([]catalog.Body, 5000)
	for i := range bodies {
		bodies[i] = catalog.Body{First: fmt.Sprintf("%032x", i), Digest: fmt.Sprintf("%032x", i), Length: 7, Time: epoch.UnixNano(), Names: []string{"a.jsonl"}}
	}
	var all []layout.Target
	for i := range 10 {
		at := layout.Target{Kind: layout.Pod, Name: fmt.Sprint("ns", i)}
		snap, err := catalog.Load(t.Context(), w.mem, at)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := (&catalog.Store{Bucket: w.mem, NewID: w.newID}).Swap(t.Context(), snap, &catalog.Manifest{Bodies: bodies}); err != nil {
			t.Fatal(err)
		}
		all = append(all, at)
	}
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	p := w.compactor(w.mem, nil).newPass(t.Context())
	before := heap()
	targets, err := p.loadAll(t.Context(), all, nil)
	if err != nil || len(targets) != len(all) {
		t.Fatalf("%d targets, %v", len(targets), err)
	}
	// As they are decoded the bodies take 11 MB.
	if held := int64(heap()) - int64(before); held > 1<<20 {
		t.Errorf("%d bytes are held of %d manifests", held, len(targets))
	}
	runtime.KeepAlive(targets)
}
