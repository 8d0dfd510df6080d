package compactor

import (
	"context"
	"errors"
	"fmt"

	"lethe/internal/catalog"
	"lethe/internal/layout"
)

// maxAttempts is how often a target is started over before it is left to the next pass. Whoever has won meanwhile has done the work.
const maxAttempts = 4

// tendBytes is how large a manifest may be before a backlog waits for merging and sealing, which take out of it what the commits have put in. Each commit
// writes the manifest anew, and it must not grow to catalog.MaxBytes, where nothing can be committed any more.
const tendBytes = 4 << 20

// errLate: the deadline came in the middle of a commit; what was put is left to a sweep.
var errLate = errors.New("the deadline came in a commit whose lines are of so many hours that its raw objects are read several times")

// work is what a pass does at one target: commits, until nothing waits, and merging and sealing behind them.
type work struct {
	*pass
	target layout.Target
	// quarantine has the objects that cannot be decoded, and why, aside those that wait for a later pass.
	quarantine map[string]error
	aside      *aside
	// attempt counts the races that were lost since the last commit; committed: there was one.
	attempt   int
	committed bool
	// full: the manifest was too large for the last commit, and was tended since.
	full bool
	// tendAt is how large a manifest is tended on the way, in bytes.
	tendAt int64
	// last is the plan of the last commit, and tended what went wrong when the target was last tended.
	last   commitPlan
	tended error
}

// compact works on one target until nothing waits. What goes wrong with its merging and sealing keeps no commit back, and nor does a sealed day that cannot
// be read: it is returned in the end.
func (p *pass) compact(ctx context.Context, t layout.Target) error {
	p.count(func(s *Summary) { s.Targets++ })
	w := p.newWork(t)
	err := w.commits(ctx)
	return errors.Join(err, w.tended, w.aside.err())
}

func (p *pass) newWork(t layout.Target) *work {
	return &work{pass: p, target: t, quarantine: map[string]error{}, aside: newAside(), tendAt: tendBytes}
}

// commits makes one commit after the other.
func (w *work) commits(ctx context.Context) error {
	for {
		began := w.opts.Now()
		snap, more, err := w.commit(ctx)
		w.stoppedFirst(ctx, err)
		switch {
		case err == nil && !more:
			_, w.tended = w.tend(ctx, snap)
			if w.tended == nil && len(w.aside.days) == 0 && !w.enough() {
				w.rest(&snap, &w.last)
			}
			return nil
		case err == nil:
			w.attempt, w.full, w.committed = 0, false, true
			w.ended(began)
			w.tendLarge(ctx, snap)
		case errors.Is(err, errAgain):
		case stale(err):
			if w.lost(err) {
				return nil
			}
		case errors.Is(err, errLate) && w.committed:
			w.unfinished(errLate.Error())
			return nil
		case errors.Is(err, catalog.ErrTooLarge) && !w.full:
			w.full = true
			_, w.tended = w.tend(ctx, snap)
		default:
			return err
		}
		if w.enough() {
			w.unfinished("the deadline came before the backlog was compacted")
			return nil
		}
	}
}

// tendLarge tends a target whose manifest has become large on the way through a backlog.
func (w *work) tendLarge(ctx context.Context, snap catalog.Snapshot) {
	if snap.Size < w.tendAt || w.enough() {
		return
	}
	var after catalog.Snapshot
	after, w.tended = w.tend(ctx, snap)
	if w.tended == nil {
		snap = after
	}
	// What is left cannot be taken out yet, so the next time has to be worth it.
	w.tendAt = max(tendBytes, min(2*snap.Size, catalog.MaxBytes/2))
}

// lost counts a race that was lost, and tells whether it is time to leave the target to those who have won.
func (w *work) lost(err error) bool {
	if errors.Is(err, errStale) {
		w.count(func(s *Summary) { s.StartedOver++ })
	}
	w.attempt++
	if w.attempt < maxAttempts {
		return false
	}
	w.unfinished(fmt.Sprintf("other compactors were faster at %s", w.target))
	return true
}

// commit makes one commit of the target, and cleans what earlier ones have left behind. It returns the state after it, and whether more waits.
func (w *work) commit(ctx context.Context) (snap catalog.Snapshot, more bool, err error) {
	snap, plan, err := w.planOf(ctx, w.target, w.aside)
	if err != nil {
		return snap, false, err
	}
	w.last = plan
	w.setPending(w.target, plan.Waiting)
	if err := w.cleanReplaced(ctx, &snap); err != nil {
		return snap, false, err
	}
	dropped, err := w.goneReplaced(ctx, &snap)
	if err != nil {
		return snap, false, err
	}
	if len(plan.Inputs)+len(plan.Drop)+len(dropped) == 0 {
		return snap, false, w.cleanRaw(ctx, &snap, &plan, none)
	}
	readable, quarantined := plan.readable(w.quarantine)
	set, err := w.resolve(ctx, &snap, plan.Present, readable, w.aside)
	if err != nil {
		return snap, false, err
	}
	done, err := w.rewrite(ctx, &snap, set, w.quarantine)
	var after catalog.Snapshot
	if err == nil {
		done.quarantine(quarantined)
		next := committed(snap.Manifest, done, plan.Drop)
		dropReplaced(next, dropped)
		after, err = w.swap(ctx, snap, next)
	}
	switch {
	case stale(err), errors.Is(err, errAgain), errors.Is(err, errLate):
		return snap, false, err
	case errors.Is(err, catalog.ErrTooLarge) && w.full:
		// Merging and sealing have made no room: names must go from the manifest. What is left of the backlog keeps only what it begins like.
		needed, nerr := w.neededByAll(ctx, &snap, &plan, set)
		if nerr != nil {
			return snap, false, errors.Join(err, nerr)
		}
		return snap, false, errors.Join(err, w.cleanRaw(ctx, &snap, &plan, needed))
	case err != nil:
		// What needs no put frees a full disk. What the inputs are to be compared with stays for the next attempt.
		return snap, false, errors.Join(err, w.cleanRaw(ctx, &snap, &plan, set.Akin))
	}
	left := plan.left()
	w.setPending(w.target, left)
	w.count(done.addTo)
	w.progress()
	// Not before the swap: another compactor with the same inputs would not see any more what they are to be compared with, and might win.
	return after, left.Objects > plan.Aside, w.cleanRaw(ctx, &snap, &plan, none)
}

// progress tells how far the pass has come.
func (p *pass) progress() {
	if p.opts.Progress == nil {
		return
	}
	p.mu.Lock()
	now := Progress{Bytes: p.sum.In.Bytes, TotalBytes: p.sum.In.Bytes, Lines: p.sum.Lines.Written}
	for _, b := range p.pending {
		now.TotalBytes += b.Bytes
	}
	p.mu.Unlock()
	p.opts.Progress(now)
}

// swap swaps the manifest and counts. Rule 7: who loses starts over, and leaves its blocks to a sweep.
func (p *pass) swap(ctx context.Context, from catalog.Snapshot, next *catalog.Manifest) (catalog.Snapshot, error) {
	after, err := p.store.Swap(ctx, from, next)
	switch {
	case stale(err):
		p.count(func(s *Summary) { s.SwapsLost++ })
		return after, err
	case err != nil:
		return after, err
	}
	p.known.note(after)
	p.count(func(s *Summary) { s.Commits++ })
	if after.Date.IsZero() {
		after.Date = from.Date
	}
	return after, nil
}

// setPending notes what of a target waits.
func (p *pass) setPending(t layout.Target, b Backlog) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pending[t] = b
}
