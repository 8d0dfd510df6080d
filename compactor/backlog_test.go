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

// fullPass is a pass over a bucket, of many old objects, whose manifest of the shop has no room for another commit, and how often blocks of the hour at
// hand are put in it.
func (w *world) fullPass(change func(*Options)) (p *pass, tries *int) {
	w.t.Helper()
	snap, err := catalog.Load(w.t.Context(), w.mem, shop)
	if err != nil {
		w.t.Fatal(err)
	}
	tries = new(int)
	at := layout.HourOf(w.Now().UnixNano())
	b := objtest.NewHooks(w.mem, objtest.Hooks{Before: func(_ context.Context, c objtest.Call) error {
		if _, h, _, err := layout.ParseBlock(c.Key); err == nil && h == at && c.Op == objtest.PutOp {
			*tries++
		}
		return nil
	}})
	p = w.compactor(b, change).newPass(w.t.Context())
	p.store.MaxBytes = snap.Size
	return p, tries
}

// uploadMany uploads objects of a line each.
func (w *world) uploadMany(n int, name string, at time.Time) {
	w.t.Helper()
	for i := range n {
		w.upload(shop, fmt.Sprint(name, i), linesAt(fmt.Sprint(name, i), at, 1))
	}
}

// A manifest that has no room left for a commit is sealed first, and the pass goes on.
func TestFullManifest(t *testing.T) {
	w := newWorld(t)
	w.uploadMany(50, "a", epoch)
	w.run(nil)
	w.advance(48 * time.Hour)
	w.upload(shop, "b", linesAt("b", w.Now(), 3))
	p, tries := w.fullPass(nil)
	if err := p.compact(t.Context(), shop); err != nil || p.sum.Lines.Written != 3 || p.sum.DaysSealed != 1 || *tries != 2 {
		t.Errorf("%v after %d tries, and the summary is\n%s", err, *tries, &p.sum)
	}
	w.check("sealed")
}

// What waits behind a commit that has no room is still compared with what was consumed: sealing makes the room.
func TestFullManifestOfABacklog(t *testing.T) {
	w := newWorld(t)
	lines := linesAt("l", epoch, 3)
	w.upload(shop, "long", lines)
	w.uploadMany(50, "a", epoch)
	w.run(nil)
	w.advance(10 * time.Minute)
	w.upload(shop, "short", lines[:2])
	w.advance(48 * time.Hour)
	w.upload(shop, "new", linesAt("b", w.Now(), 3))
	p, tries := w.fullPass(func(o *Options) { o.BatchObjects = 1 })
	if err := p.compact(t.Context(), shop); err != nil || *tries != 2 {
		t.Errorf("%v after %d tries", err, *tries)
	}
	if s := &p.sum; s.Lines.Written != 3 || s.In.Objects != 2 || s.In.Duplicates != 1 || p.pending[shop] != (Backlog{}) {
		t.Errorf("%+v waits, and the summary is\n%s", p.pending[shop], s)
	}
	w.check("compared")
	w.settle("at last", nil)
}

// Where nothing makes room, the names of consumed objects go, but for those with which one that waits behind the commit is to be compared.
func TestFullManifestThatNothingMakesRoomIn(t *testing.T) {
	w := newWorld(t)
	lines := linesAt("l", epoch, 3)
	long := w.upload(shop, "long", lines)
	w.uploadMany(50, "a", epoch)
	w.run(nil)
	w.advance(10 * time.Minute)
	w.upload(shop, "short", lines[:2])
	w.upload(shop, "other", linesAt("o", epoch, 2))
	w.advance(15 * time.Minute)
	w.upload(shop, "new", linesAt("b", epoch.Add(time.Hour), 3))
	one := func(o *Options) { o.BatchObjects = 1 }
	p, _ := w.fullPass(one)
	if err := p.compact(t.Context(), shop); !errors.Is(err, catalog.ErrTooLarge) || p.sum.Deleted.Raw != 50 || !w.has(long) {
		t.Errorf("%v, and the summary is\n%s", err, &p.sum)
	}
	w.check("refused")
	again := w.compactor(w.mem, one).newPass(t.Context())
	again.store.MaxBytes = p.store.MaxBytes
	if err := again.compact(t.Context(), shop); err != nil || again.sum.Lines.Written != 5 || again.sum.In.Duplicates != 1 {
		t.Errorf("%v, and the summary is\n%s", err, &again.sum)
	}
	w.check("compared")
	w.settle("at last", nil)
}

// A commit that had no room is not tried again when the deadline has come.
func TestFullManifestAtTheDeadline(t *testing.T) {
	w := newWorld(t)
	w.uploadMany(50, "a", epoch)
	w.run(nil)
	w.advance(48 * time.Hour)
	w.upload(shop, "b", linesAt("b", w.Now(), 3))
	p, tries := w.fullPass(func(o *Options) { o.Deadline = time.Minute })
	w.advance(time.Hour)
	if err := p.compact(t.Context(), shop); err != nil || *tries != 1 || p.sum.Unfinished == "" {
		t.Errorf("%v after %d tries, and the summary is\n%s", err, *tries, &p.sum)
	}
	w.check("unfinished")
}

// What goes wrong with sealing, on the way and in the end, keeps no commit of a backlog back.
func TestBacklogIsCommittedWhateverFailsBehindIt(t *testing.T) {
	refuse := func(w *world, what string, err error) objstore.Bucket {
		return objtest.NewHooks(w.mem, objtest.Hooks{Before: func(_ context.Context, c objtest.Call) error {
			if c.Op == objtest.PutOp && strings.Contains(c.Key, what) {
				return err
			}
			return nil
		}})
	}
	t.Run("on the way", func(t *testing.T) {
		w := newWorld(t)
		for day := range 4 {
			w.uploadMany(2, fmt.Sprint("d", day, "-"), epoch.Add(time.Duration(day)*24*time.Hour))
		}
		w.advance(100 * time.Hour)
		p := w.compactor(refuse(w, "/sealed/", errDenied), func(o *Options) { o.BatchObjects = 1 }).newPass(t.Context())
		at := p.newWork(shop)
		at.tendAt = 1
		if err := at.commits(t.Context()); err != nil || !errors.Is(at.tended, errDenied) || p.sum.Lines.Written != 8 || p.pending[shop].Objects != 0 {
			t.Errorf("%v and %v, and the summary is\n%s", err, at.tended, &p.sum)
		}
		w.check("committed")
	})
	t.Run("where there was no room", func(t *testing.T) {
		w := newWorld(t)
		w.uploadMany(50, "a", epoch)
		w.upload(shop, "old", linesAt("old", epoch.Add(-24*time.Hour), 1))
		w.run(func(o *Options) { o.SealDelay = 1000 * time.Hour })
		w.advance(48 * time.Hour)
		w.upload(shop, "b", linesAt("b", w.Now(), 3))
		p, _ := w.fullPass(nil)
		p.store.Bucket = refuse(w, "/sealed/2026-02-28", fmt.Errorf("no: %w", catalog.ErrTooLarge))
		if err := p.compact(t.Context(), shop); !errors.Is(err, catalog.ErrTooLarge) || p.sum.Lines.Written != 3 || p.sum.DaysSealed != 1 {
			t.Errorf("%v, and the summary is\n%s", err, &p.sum)
		}
		w.check("committed")
	})
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
