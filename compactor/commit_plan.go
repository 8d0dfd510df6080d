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
	// Left is when the objects were put that wait and are no inputs. Aside is how many of them wait for a later pass.
	Left  span
	Aside int64
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

// readable returns the inputs that are to be read, and those that are in quarantine.
func (p *commitPlan) readable(quarantine map[string]error) (readable, quarantined []objstore.Object) {
	for _, o := range p.Inputs {
		if quarantine[o.Key] == nil {
			readable = append(readable, o)
		} else {
			quarantined = append(quarantined, o)
		}
	}
	return readable, quarantined
}

// span is from the first to the last of some times; the zero span is of none.
type span struct{ first, last time.Time }

func (s *span) add(t time.Time) {
	if s.first.IsZero() || t.Before(s.first) {
		s.first = t
	}
	if t.After(s.last) {
		s.last = t
	}
}

// meets tells whether the span has a part between two times.
func (s span) meets(from, to time.Time) bool {
	return !s.first.IsZero() && !s.last.Before(from) && !s.first.After(to)
}

// batch bounds the raw objects of a commit.
type batch struct {
	Objects int
	Bytes   int64
	// Without are those that it leaves, by key.
	Without map[string]string
}

// planCommit decides what the next commit of a target consumes: everything that is listed and not consumed, or as much of it as the
// batch takes, the newest hours first, by the hint in the key. Rule 3: the listing began after the manifest was read. It is not held in memory: of a
// long backlog only as much is as the batch takes. Objects under keys of another form are left alone. Errors are those of the listing.
func planCommit(s *catalog.Snapshot, listed iter.Seq2[objstore.Object, error], limit batch) (commitPlan, error) {
	p := newPlanner(s, limit)
	for o, err := range listed {
		if err != nil {
			return p.plan, fmt.Errorf("listing the raw objects of %s: %w", s.Target, err)
		}
		if raw, ok := layout.ParseRaw(o.Key); ok && raw.Target == s.Target {
			p.add(o, raw)
		}
	}
	return p.end(), nil
}

// planner makes the plan of a commit while objects of the target are listed.
type planner struct {
	plan  commitPlan
	limit batch
	first newestFirst
}

func newPlanner(s *catalog.Snapshot, limit batch) *planner {
	p := &planner{limit: limit, plan: commitPlan{Drop: make(map[string]bool, len(s.Manifest.Consumed))}}
	for _, c := range s.Manifest.Consumed {
		p.plan.Drop[c.Key] = true
	}
	return p
}

func (p *planner) add(o objstore.Object, raw layout.Raw) {
	if p.plan.Drop[o.Key] {
		delete(p.plan.Drop, o.Key)
		p.plan.Present = append(p.plan.Present, o)
		return
	}
	p.plan.Waiting = p.plan.Waiting.with(o)
	if _, ok := p.limit.Without[o.Key]; ok {
		p.plan.Left.add(o.LastModified)
		p.plan.Aside++
		return
	}
	p.first = append(p.first, pending{o, raw.Hour})
	if len(p.first) >= 2*p.limit.Objects+1 {
		for _, o := range p.first.sorted()[p.limit.Objects:] {
			p.plan.Left.add(o.LastModified)
		}
		p.first = p.first[:p.limit.Objects]
	}
}

// end is called when all objects were listed.
func (p *planner) end() commitPlan {
	full := false
	for i, o := range p.first.sorted() {
		if full = full || i > 0 && (i >= p.limit.Objects || p.plan.InputBytes+o.Size > p.limit.Bytes); full {
			p.plan.Left.add(o.LastModified)
			continue
		}
		p.plan.Inputs = append(p.plan.Inputs, o.Object)
		p.plan.InputBytes += o.Size
	}
	slices.SortFunc(p.plan.Inputs, rawobj.Compare)
	return p.plan
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

// deletable returns the consumed objects whose grace is over and that no alert rule waits for. An object that landed in the grace of a consumed one may be
// the beginning of it, which only the consumed one tells: as long as such an object is left for a later commit, the consumed one stays.
func deletable(s *catalog.Snapshot, plan *commitPlan, grace time.Duration, held func(string, time.Time) bool) []string {
	over := map[string]time.Time{}
	for _, c := range s.Manifest.Consumed {
		if s.Expired(c, grace) {
			over[c.Key] = s.Since(c).Add(grace)
		}
	}
	var keys []string
	for _, o := range plan.Present {
		if at, ok := over[o.Key]; ok && !plan.Left.meets(o.LastModified, at) && !held(o.Key, o.LastModified) {
			keys = append(keys, o.Key)
		}
	}
	return keys
}
