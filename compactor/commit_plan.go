package compactor

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"time"

	"lethe/internal/catalog"
	"lethe/internal/layout"
	"lethe/internal/rawobj"
	"lethe/objstore"
)

// commitPlan is what one commit of a target does.
type commitPlan struct {
	// Inputs to rewrite, in the order of rawobj.Compare.
	Inputs []objstore.Object
	// InputBytes is their size as stored.
	InputBytes int64
	// Waiting is everything that is listed and not consumed, the inputs too.
	Waiting Backlog
	// Present are consumed objects that the listing shows, Drop the names of those that it does not. Rule 13: these names may go, for the
	// listing began after the manifest was read.
	Present []objstore.Object
	Drop    map[string]bool
}

// left is how many objects have to wait for the next commit.
func (p *commitPlan) left() Backlog {
	b := p.Waiting
	b.Objects -= int64(len(p.Inputs))
	b.Bytes -= p.InputBytes
	if b.Objects == 0 {
		return Backlog{}
	}
	return b
}

// batch bounds the raw objects of a commit.
type batch struct {
	Objects int
	Bytes   int64
}

// planCommit decides what the next commit of a target consumes: everything that is listed and not consumed, or as much of it as the
// batch takes, the newest hours first, by the hint in the key. Rule 3: the listing began after the manifest was read. It is not held in memory: of a
// long backlog only as much is as the batch takes. Objects under keys of another form are left alone. Errors are those of the listing.
func planCommit(s *catalog.Snapshot, listed iter.Seq2[objstore.Object, error], limit batch) (commitPlan, error) {
	p := commitPlan{Drop: map[string]bool{}}
	for _, c := range s.Manifest.Consumed {
		p.Drop[c.Key] = true
	}
	var first newestFirst
	for o, err := range listed {
		if err != nil {
			return p, fmt.Errorf("listing the raw objects of %s: %w", s.Target, err)
		}
		raw, ok := layout.ParseRaw(o.Key)
		switch {
		case !ok || raw.Target != s.Target:
		case p.Drop[o.Key]:
			delete(p.Drop, o.Key)
			p.Present = append(p.Present, o)
		default:
			p.Waiting = p.Waiting.with(o)
			first = append(first, pending{o, raw.Hour})
			if len(first) >= 2*limit.Objects+1 {
				first = first.sorted()[:limit.Objects]
			}
		}
	}
	for i, o := range first.sorted() {
		if i > 0 && (i >= limit.Objects || p.InputBytes+o.Size > limit.Bytes) {
			break
		}
		p.Inputs = append(p.Inputs, o.Object)
		p.InputBytes += o.Size
	}
	slices.SortFunc(p.Inputs, rawobj.Compare)
	return p, nil
}

// pending is an object that waits, with the hint in its key.
type pending struct {
	objstore.Object
	hour layout.Hour
}

// newestFirst is sorted by hours, the newest first. In an hour the oldest come first: the retry of an upload is newer than the upload, and must not be
// consumed before it.
type newestFirst []pending

func (n newestFirst) sorted() newestFirst {
	slices.SortFunc(n, func(a, b pending) int {
		return cmp.Or(cmp.Compare(b.hour, a.hour), rawobj.Compare(a.Object, b.Object))
	})
	return n
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
