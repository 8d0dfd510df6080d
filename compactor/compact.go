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

// compact works on one target until nothing waits: commits, then merges and seals.
func (p *pass) compact(ctx context.Context, t layout.Target) error {
	p.count(func(s *Summary) { s.Targets++ })
	quarantine, left := map[string]error{}, newAside()
	attempt, tendAt, full := 0, int64(tendBytes), false
	for {
		snap, more, err := p.commit(ctx, t, quarantine, left)
		switch {
		case errors.Is(err, errAgain):
			continue
		case stale(err):
			if errors.Is(err, errStale) {
				p.count(func(s *Summary) { s.StartedOver++ })
			}
			if attempt++; attempt == maxAttempts {
				p.unfinished(fmt.Sprintf("other compactors were faster at %s", t))
				return nil
			}
			continue
		case errors.Is(err, catalog.ErrTooLarge) && !full:
			full = true
			if _, terr := p.tend(ctx, snap); terr != nil {
				return errors.Join(err, terr)
			}
			continue
		case err != nil:
			return errors.Join(err, left.err())
		case !more:
			_, err := p.tend(ctx, snap)
			return errors.Join(err, left.err())
		case p.enough():
			p.unfinished("the deadline came before the backlog was compacted")
			return left.err()
		}
		attempt, full = 0, false
		if snap.Size >= tendAt {
			if snap, err = p.tend(ctx, snap); err != nil {
				return err
			}
			// What is left cannot be taken out yet, so the next time has to be worth it.
			tendAt = max(tendBytes, min(2*snap.Size, catalog.MaxBytes/2))
		}
	}
}

// commit makes one commit of a target, and cleans what earlier ones have left behind. It returns the state after it, and whether more waits.
func (p *pass) commit(ctx context.Context, t layout.Target, quarantine map[string]error, a *aside) (snap catalog.Snapshot, more bool, err error) {
	snap, plan, err := p.planOf(ctx, t, a)
	if err != nil {
		return snap, false, err
	}
	p.setPending(t, plan.Waiting)
	if err := p.cleanReplaced(ctx, &snap); err != nil {
		return snap, false, err
	}
	dropped, err := p.goneReplaced(ctx, &snap)
	if err != nil {
		return snap, false, err
	}
	if len(plan.Inputs)+len(plan.Drop)+len(dropped) == 0 {
		return snap, false, p.cleanRaw(ctx, &snap, &plan, none)
	}
	readable, quarantined := plan.readable(quarantine)
	set, err := p.resolve(ctx, &snap, plan.Present, readable, a)
	if err != nil {
		return snap, false, err
	}
	done, err := p.rewrite(ctx, &snap, set, quarantine)
	var after catalog.Snapshot
	if err == nil {
		done.quarantine(quarantined)
		next := committed(snap.Manifest, done, plan.Drop)
		dropReplaced(next, dropped)
		after, err = p.swap(ctx, snap, next)
	}
	switch {
	case stale(err), errors.Is(err, errAgain):
		return snap, false, err
	case errors.Is(err, catalog.ErrTooLarge):
		plan.Left = span{} // the names must go from the manifest, whatever is left of the backlog
		fallthrough
	case err != nil:
		// What needs no put frees a full disk. What the inputs are to be compared with stays for the next attempt.
		return snap, false, errors.Join(err, p.cleanRaw(ctx, &snap, &plan, set.Akin))
	}
	left := plan.left()
	p.setPending(t, left)
	p.count(done.addTo)
	p.progress()
	// Not before the swap: another compactor with the same inputs would not see any more what they are to be compared with, and might win.
	return after, left.Objects > plan.Aside, p.cleanRaw(ctx, &snap, &plan, none)
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
