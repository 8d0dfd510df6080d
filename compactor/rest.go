package compactor

import (
	"hash/maphash"
	"time"

	"lethe/internal/catalog"
	"lethe/internal/layout"
	"lethe/objstore"
)

// rests are the targets whose raw objects were all consumed when a pass had looked at them, by what a listing shows of them. A Compactor that lives for
// several passes does not read the manifest of such a target again, until a listing shows something else or the grace of an object is over.
//
// This is right however many compactors work on the bucket. A consumed name leaves the manifest only after its object is gone, so an object that was
// consumed is consumed for as long as a listing shows it as it was. One that is put again under its name has another time. What else there is to do, the upkeep
// does at its own times; it looks at every target anew, lest what was restored from a backup rests for ever.
type rests struct {
	seed     maphash.Seed
	byTarget map[layout.Target]rest
}

// rest is what is remembered of one target.
type rest struct {
	listed
	until time.Time // by the local clock
}

// listed is what a listing shows of a target: the number of its objects and a sum over them, in any order.
type listed struct {
	n   int
	sum uint64
}

func newRests() rests { return rests{maphash.MakeSeed(), map[layout.Target]rest{}} }

func (r *rests) add(l listed, o objstore.Object) listed {
	type state struct {
		key            string
		size, modified int64
	}
	return listed{l.n + 1, l.sum + maphash.Comparable(r.seed, state{o.Key, o.Size, o.LastModified.UnixNano()})}
}

// awake returns the targets among those with raw objects that are to be worked on. It forgets what is known of them, and of targets that no listing shows.
func (p *pass) awake(waiting []layout.Target, all bool) []layout.Target {
	known := p.rests.byTarget
	p.rests.byTarget = map[layout.Target]rest{}
	var awake []layout.Target
	for _, t := range waiting {
		if r, ok := known[t]; ok && !all && r.listed == p.listed[t] && p.sum.Started.Before(r.until) {
			p.rests.byTarget[t] = r
			delete(p.pending, t)
			continue
		}
		awake = append(awake, t)
	}
	return awake
}

// rest remembers that all raw objects of a plan are consumed, in the manifest of a snapshot, and that there was nothing else to do.
func (p *pass) rest(snap *catalog.Snapshot, plan *commitPlan) {
	var l listed
	for _, o := range plan.Present {
		l = p.rests.add(l, o)
	}
	for _, o := range plan.Inputs {
		l = p.rests.add(l, o)
	}
	left := p.opts.RawGrace
	for _, c := range snap.Manifest.Consumed {
		if since := snap.Since(c); !since.IsZero() && !snap.Date.IsZero() {
			left = min(left, since.Add(p.opts.RawGrace).Sub(snap.Date))
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rests.byTarget[snap.Target] = rest{l, p.sum.Started.Add(left)}
}
