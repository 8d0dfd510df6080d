package compactor

import (
	"fmt"
	"testing"
	"time"
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
