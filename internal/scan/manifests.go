package scan

import (
	"context"
	"sync/atomic"

	"lethe/internal/cache"
	"lethe/internal/catalog"
	"lethe/internal/layout"
)

// manifests keeps the manifest of each target that was read last, and sealed days, over all queries. It saves decoding them, and it is what
// proves that raw objects in the cache are safe to use.
//
// The proof: a query begins, lists raw objects, and reads the manifest. Where it is the one that an earlier query had read before this one
// began to list, nothing was swapped in between, for a manifest never comes again. An object that was listed then existed under this
// very manifest. A name leaves it only after the object is gone, so an object that existed and is not named in it was not consumed, and
// cannot have been deleted for that: its rows are in no block of this plan, whether the object is asked for or not. The same holds where there
// is no manifest at all, for one is never deleted.
type manifests struct {
	byTarget *cache.Cache[layout.Target, *reading]
	sealed   *cache.Cache[string, *catalog.SealedDay]
	// clock orders the ends of readings and the beginnings of listings.
	clock atomic.Int64
}

// reading is a manifest that was read. It never changes.
type reading struct {
	snap catalog.Snapshot
	// at is when the first reading of it had ended, on manifests.clock.
	at int64
	// again tells that it has been found unchanged: then it is asked for before it is read.
	again bool
}

// perByte is about how many bytes an entry of a manifest takes in memory for each that it has in the store.
const perByte = 2

func newManifests(budget int64) manifests {
	return manifests{byTarget: cache.New[layout.Target, *reading](budget / 2), sealed: cache.New[string, *catalog.SealedDay](budget / 2)}
}

// now returns a moment that is after all those before.
func (m *manifests) now() int64 { return m.clock.Add(1) }

// manifest reads the manifest of a target for a query that began to list its raw objects at a moment. Settled is true where no manifest was
// swapped since: what was listed and is not consumed has been so all the time.
func (q *query) manifest(ctx context.Context, t layout.Target, listed int64) (snap catalog.Snapshot, settled bool, err error) {
	if q.s.view != nil {
		snap, err = q.s.view.Manifest(t)
		return snap, !snap.Exists, err
	}
	known := &q.s.manifests
	last, ok := known.byTarget.Get(t)
	if !ok {
		last = &reading{}
	}
	same := false
	if last.again {
		if same, err = last.snap.Unchanged(ctx, q.store); err != nil {
			return catalog.Snapshot{}, false, err
		}
		snap = last.snap
	}
	if !same {
		if snap, err = catalog.LoadSince(ctx, q.store, t, last.snap); err != nil {
			return catalog.Snapshot{}, false, err
		}
		if !snap.Exists {
			return snap, true, nil
		}
		same = snap.Manifest == last.snap.Manifest
	}
	if same && last.again {
		return snap, last.at < listed, nil
	}
	next := &reading{snap: snap, at: last.at, again: same}
	if !same {
		next.at = known.now()
	}
	known.byTarget.Replace(t, next, perByte*snap.Size)
	return snap, same && next.at < listed, nil
}

// sealedDay returns a sealed day of the plan's manifest. A sealed day never changes, and the manifest that names it vouches for it.
func (q *query) sealedDay(ctx context.Context, tp *targetPlan, s catalog.Sealed) (*catalog.SealedDay, error) {
	known := q.s.manifests.sealed
	if day, ok := known.Get(s.Key); ok {
		q.count.cacheHits.Add(1)
		return day, nil
	}
	if day := tp.sealed[s.Day]; day != nil {
		return day, nil
	}
	day, err := catalog.LoadSealed(ctx, q.store, tp.target, s)
	if err != nil {
		return nil, tp.snap.Missing(ctx, q.store, err)
	}
	tp.sealed[s.Day] = day
	known.Add(s.Key, day, perByte*s.Size)
	return day, nil
}
