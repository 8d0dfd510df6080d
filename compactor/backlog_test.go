package compactor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"lethe/internal/catalog"
	"lethe/internal/layout"
	"lethe/objstore/objtest"
)

// While a long backlog is committed its days are sealed, so that the manifest does not hold all of it in the end.
func TestBacklogIsSealedOnTheWay(t *testing.T) {
	w := newWorld(t)
	const objects, batch = 8000, 500
	long := strings.Repeat("x", 220) // names so long make the manifest large
	for i := range objects {
		at := epoch.Add(time.Duration(i%96) * time.Hour)
		w.upload(shop, fmt.Sprintf("%s-%d", long, i), linesAt(fmt.Sprint("a", i), at, 1))
	}
	w.advance(100 * time.Hour)
	commits, sealed := 0, 0
	b := objtest.NewHooks(w.mem, objtest.Hooks{Before: func(_ context.Context, c objtest.Call) error {
		if c.Op == objtest.PutOp && strings.Contains(c.Key, "/sealed/") && sealed == 0 {
			sealed = commits
		}
		return nil
	}})
	_, err := w.compactor(b, func(o *Options) {
		o.BatchObjects = batch
		o.Progress = func(Progress) { commits++ }
	}).Run(t.Context())
	if err != nil || commits != objects/batch || sealed == 0 || sealed > commits*9/10 {
		t.Errorf("%v, %d commits, the first day was sealed after %d", err, commits, sealed)
	}
	w.check("at last")
}

// A manifest that has no room left for a commit is sealed first, and the pass goes on.
func TestFullManifest(t *testing.T) {
	w := newWorld(t)
	w.upload(shop, "a", linesAt("a", epoch, 3))
	w.run(nil)
	w.fill(shop, epoch)
	w.advance(48 * time.Hour)
	w.upload(shop, "b", linesAt("b", w.Now(), 3))
	p := w.compactor(w.mem, nil).newPass(t.Context())
	if err := p.compact(t.Context(), shop); err != nil || p.sum.Lines.Written != 3 || p.sum.DaysSealed != 1 {
		t.Errorf("%v, and the summary is\n%s", err, &p.sum)
	}
	w.check("sealed")
}

// fill fills the manifest of a target with bodies of one time until nothing can be committed any more.
func (w *world) fill(t layout.Target, at time.Time) {
	w.t.Helper()
	snap, err := catalog.Load(w.t.Context(), w.mem, t)
	if err != nil {
		w.t.Fatal(err)
	}
	next := snap.Manifest.Clone()
	const each = 1 << 20
	for left := int(catalog.MaxBytes - snap.Size - 200); left > 300; {
		b := catalog.Body{First: strings.Repeat("0a", 16), Digest: fmt.Sprintf("%032x", left), Length: 7, Time: at.UnixNano(), Names: []string{""}}
		enc, err := json.Marshal(b)
		if err != nil {
			w.t.Fatal(err)
		}
		b.Names[0] = strings.Repeat("x", min(each, left-len(enc)-1))
		next.Bodies = append(next.Bodies, b)
		left -= len(enc) + 1 + len(b.Names[0])
	}
	if _, err := (&catalog.Store{Bucket: w.mem, NewID: w.newID}).Swap(w.t.Context(), snap, next); err != nil {
		w.t.Fatal(err)
	}
}

// A day that cannot be sealed stops no other, and is tried once in a pass.
func TestADayThatCannotBeSealedStopsNoOther(t *testing.T) {
	w := newWorld(t)
	for day := range 3 {
		w.upload(shop, fmt.Sprint("a", day), linesAt(fmt.Sprint("a", day), epoch.Add(time.Duration(day)*24*time.Hour), 3))
	}
	w.advance(80 * time.Hour)
	w.run(func(o *Options) { o.SealDelay = 1000 * time.Hour })
	tried := 0
	b := objtest.NewHooks(w.mem, objtest.Hooks{Before: func(_ context.Context, c objtest.Call) error {
		if c.Op == objtest.PutOp && strings.Contains(c.Key, "/sealed/2026-03-01") {
			tried++
			return fmt.Errorf("no: %w", catalog.ErrTooLarge)
		}
		return nil
	}})
	s, err := w.compactor(b, nil).Run(t.Context())
	if !errors.Is(err, catalog.ErrTooLarge) || tried != 1 || s.DaysSealed != 2 {
		t.Errorf("%v, tried %d times, and the summary is\n%s", err, tried, s)
	}
	w.run(nil)
	if n := len(w.manifest(shop).Sealed); n != 3 {
		t.Errorf("%d days are sealed in the end", n)
	}
	w.check("sealed")
}
