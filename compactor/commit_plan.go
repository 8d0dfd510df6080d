package compactor

import (
	"cmp"
	"slices"
	"time"

	"lethe/internal/catalog"
	"lethe/internal/layout"
	"lethe/internal/rawobj"
	"lethe/objstore"
)

// listing is what a listing of a target's raw objects showed. Rule 3: it began after the manifest was read.
type listing []objstore.Object

// commitPlan is what one commit of a target does.
type commitPlan struct {
	// Inputs to rewrite, in the order of rawobj.Compare.
	Inputs []objstore.Object
	// InputBytes is their size as stored. Left and LeftBytes are what has to wait for the next commit.
	InputBytes, LeftBytes int64
	Left                  int
	// Present are consumed objects that the listing shows, Drop the names of those that it does not. Rule 13: these names may go, for the
	// listing began after the manifest was read.
	Present []objstore.Object
	Drop    map[string]bool
	// Foreign keys are no raw objects. They are counted and left alone.
	Foreign []string
}

// batch bounds the raw objects of a commit.
type batch struct {
	Objects int
	Bytes   int64
}

// planCommit decides what the next commit of a target consumes: everything that is listed and not consumed, or as much of it as the
// batch takes, the newest hours first, by the hint in the key.
func planCommit(s *catalog.Snapshot, listed listing, limit batch) commitPlan {
	p := commitPlan{Drop: map[string]bool{}}
	for _, c := range s.Manifest.Consumed {
		p.Drop[c.Key] = true
	}
	type pending struct {
		objstore.Object
		hour layout.Hour
	}
	var waiting []pending
	for _, o := range listed {
		raw, ok := layout.ParseRaw(o.Key)
		switch {
		case !ok || raw.Target != s.Target:
			p.Foreign = append(p.Foreign, o.Key)
		case p.Drop[o.Key]:
			delete(p.Drop, o.Key)
			p.Present = append(p.Present, o)
		default:
			waiting = append(waiting, pending{o, raw.Hour})
		}
	}
	// In an hour the oldest come first: the retry of an upload is newer than the upload, and must not be consumed before it.
	slices.SortFunc(waiting, func(a, b pending) int {
		return cmp.Or(cmp.Compare(b.hour, a.hour), rawobj.Compare(a.Object, b.Object))
	})
	for i, o := range waiting {
		if i > 0 && (len(p.Inputs) >= limit.Objects || p.InputBytes+o.Size > limit.Bytes) {
			p.Left++
			p.LeftBytes += o.Size
			continue
		}
		p.Inputs = append(p.Inputs, o.Object)
		p.InputBytes += o.Size
	}
	slices.SortFunc(p.Inputs, rawobj.Compare)
	return p
}

// deletable returns the consumed objects whose grace is over and that no alert rule waits for.
func deletable(s *catalog.Snapshot, present []objstore.Object, grace time.Duration, held func(string, time.Time) bool) []string {
	expired := map[string]bool{}
	for _, c := range s.Manifest.Consumed {
		expired[c.Key] = s.Expired(c, grace)
	}
	var keys []string
	for _, o := range present {
		if expired[o.Key] && !held(o.Key, o.LastModified) {
			keys = append(keys, o.Key)
		}
	}
	return keys
}
