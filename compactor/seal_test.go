package compactor

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lethe/internal/catalog"
	"lethe/internal/layout"
	"lethe/objstore/objtest"
)

// A retry that comes when the day of its original is sealed is told by what is remembered beside the sealed day; lines that are new
// open the day again, are merged, and sealed with it.
func TestLateForASealedDay(t *testing.T) {
	w := newWorld(t)
	yesterday := epoch.Add(-24 * time.Hour)
	long := linesAt("a", yesterday, 20)
	w.upload(shop, "a", long[:10])
	w.run(nil)
	w.settle("sealed", nil)
	m := w.manifest(shop)
	if len(m.Sealed) != 1 || len(m.Blocks)+len(m.Bodies) != 0 {
		t.Fatalf("the day is not sealed: %+v", m)
	}
	w.upload(shop, "b", long[:10])
	w.upload(shop, "c", long)
	w.check("raw")
	if s := w.run(nil); s.Lines.Written != 10 || s.In.Duplicates != 1 || s.Odd["pod/shop"].Late != 10 {
		t.Errorf("the summary is\n%s", s)
	}
	w.check("late")
	for range 6 {
		w.advance(time.Hour)
		w.run(nil)
	}
	w.checkClean("late lines")
	w.check("merged")
	m = w.manifest(shop)
	if len(m.Sealed) != 1 || m.Sealed[0].Blocks != 1 || m.Sealed[0].Rows != 20 || len(m.Blocks) != 0 {
		t.Errorf("the day is not one block again: %+v", m)
	}
}

// The hours of a day are sealed while it goes on, so that what each commit writes does not grow with the day; a retry of what was sealed is
// told all the same, and late lines open the day again.
func TestSealWithinTheDay(t *testing.T) {
	w := newWorld(t)
	var first []line
	largest := 0
	for hour := range 12 {
		for i := range 4 {
			name := fmt.Sprintf("h%d-%d", hour, i)
			lines := linesAt(name, w.Now(), 3)
			if first == nil {
				first = lines
			}
			w.upload(shop, name, lines)
			w.run(nil)
			w.advance(15 * time.Minute)
		}
		largest = max(largest, len(w.manifest(shop).Bodies))
	}
	m := w.manifest(shop)
	if len(m.Sealed) != 1 || m.Sealed[0].Blocks < 8 || largest > 20 {
		t.Fatalf("%d bodies at most, sealed: %+v", largest, m.Sealed)
	}
	w.check("sealed within the day")
	w.upload(shop, "again", append(first, linesAt("more", epoch.Add(time.Minute), 2)...))
	w.check("a retry of what was sealed")
	if s := w.run(nil); s.Lines.Written != 2 {
		t.Errorf("the retry brought %d lines, want 2", s.Lines.Written)
	}
	w.check("and compacted")
	w.settle("at last", nil)
	for range 3 {
		w.advance(time.Hour)
		w.run(nil)
	}
	w.check("sealed again")
	m = w.manifest(shop)
	if len(m.Sealed) != 1 || m.Sealed[0].Blocks != 12 || len(m.Blocks)+len(m.Bodies) != 0 {
		t.Errorf("the day ends as %+v, %d blocks and %d bodies are open", m.Sealed, len(m.Blocks), len(m.Bodies))
	}
}

// Late lines open their own hours of a sealed day, and nothing else of it: neither do its other blocks come back into the manifest, nor what is remembered
// of other uploads.
func TestLateLinesOpenTheirHoursOnly(t *testing.T) {
	const hours = 12
	day := epoch.Truncate(24 * time.Hour)
	for late, hour := range map[string]int{"in the middle": 3, "in the last": hours - 1, "in one that had none": 5} {
		t.Run(late, func(t *testing.T) {
			w := newWorld(t)
			uploads := map[int][]line{}
			for h := range hours {
				for i := range 4 {
					if h != 5 {
						uploads[h] = linesAt(fmt.Sprintf("h%d-%d", h, i), day.Add(time.Duration(h)*time.Hour), 3)
						w.upload(shop, fmt.Sprintf("h%d-%d", h, i), uploads[h])
					}
				}
			}
			w.advance(48 * time.Hour)
			w.run(nil)
			w.settle("sealed", nil)
			if m := w.manifest(shop); len(m.Sealed) != 1 || m.Sealed[0].Blocks != hours-1 || len(m.Blocks)+len(m.Bodies) != 0 {
				t.Fatalf("the day is not sealed: %+v", m)
			}
			w.upload(shop, "late", linesAt("late", day.Add(time.Duration(hour)*time.Hour+time.Minute), 3))
			b := objtest.NewHooks(w.mem, objtest.Hooks{After: func(_ context.Context, c objtest.Call, err error) error {
				if c.Op == objtest.PutOp && c.Key == layout.ManifestKey(shop) {
					m := w.manifest(shop)
					if len(hoursIn(m.Blocks)) > 1 || len(m.Bodies) > 5 || len(m.Sealed) != 1 || m.Sealed[0].Blocks < hours-2 {
						t.Errorf("%d hours are open and %d bodies, sealed is %+v", len(hoursIn(m.Blocks)), len(m.Bodies), m.Sealed)
					}
					w.check("on the way")
				}
				return err
			}})
			for range 6 {
				if _, err := w.compactor(b, nil).Run(t.Context()); err != nil {
					t.Fatal(err)
				}
				w.advance(30 * time.Minute)
			}
			for h, lines := range uploads {
				w.upload(shop, fmt.Sprint("again", h), lines)
			}
			if s := w.run(nil); s.In.Duplicates != hours-1 {
				t.Errorf("retries of what is sealed are not told: %s", s)
			}
			w.settle("at last", nil)
			if m := w.manifest(shop); len(m.Sealed) != 1 || m.Sealed[0].Rows != (hours-1)*12+3 || len(m.Blocks) != 0 {
				t.Errorf("the day ends as %+v, %d blocks are open", m.Sealed, len(m.Blocks))
			}
		})
	}
}

// The names of an upload are remembered as long as it is there, for alert rules that have not seen it; then it counts only that there was one.
func TestNamesGoWithTheirObjects(t *testing.T) {
	w := newWorld(t)
	waits := w.upload(shop, "a", linesAt("a", epoch, 3))
	w.upload(shop, "b", linesAt("b", epoch, 3))
	hold := func(o *Options) {
		o.Held = func(context.Context) (func(string, time.Time) bool, error) {
			return func(key string, _ time.Time) bool { return key == waits }, nil
		}
	}
	namesOf := func(bodies []catalog.Body) (all []string) {
		for _, b := range bodies {
			all = append(all, b.Names...)
		}
		slices.Sort(all)
		return all
	}
	w.run(hold)
	if diff := cmp.Diff([]string{"a.jsonl", "b.jsonl"}, namesOf(w.manifest(shop).Bodies)); diff != "" {
		t.Error(diff)
	}
	for range 2 {
		w.advance(21 * time.Minute)
		w.run(hold)
	}
	if diff := cmp.Diff([]string{catalog.GoneName, "a.jsonl"}, namesOf(w.manifest(shop).Bodies)); diff != "" {
		t.Error(diff)
	}
	w.advance(48 * time.Hour)
	w.run(hold)
	m := w.manifest(shop)
	if len(m.Sealed) != 1 || len(m.Bodies) != 0 {
		t.Fatalf("the day is not sealed: %+v", m)
	}
	d, err := catalog.LoadSealed(t.Context(), w.mem, shop, m.Sealed[0])
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{catalog.GoneName, "a.jsonl"}, namesOf(d.Bodies())); diff != "" {
		t.Error(diff)
	}
}
