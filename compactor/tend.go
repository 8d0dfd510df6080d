package compactor

import (
	"context"
	"fmt"

	"lethe/internal/catalog"
)

// tend merges and seals what the target's state calls for, until nothing does.
func (p *pass) tend(ctx context.Context, snap catalog.Snapshot) error {
	if !snap.Exists {
		return nil
	}
	for attempt := 0; attempt < maxAttempts; {
		if p.enough() {
			p.unfinished("the deadline came before all merges were done")
			return nil
		}
		var err error
		if snap.Date.IsZero() {
			// Whether an hour is over is the store's to say.
			if snap, err = catalog.Load(ctx, p.bucket, snap.Target); err != nil {
				return err
			}
		}
		next, worked, err := p.step(ctx, snap)
		switch {
		case stale(err):
			attempt++
			if next, err = catalog.Load(ctx, p.bucket, snap.Target); err != nil {
				return err
			}
		case err != nil:
			return err
		case !worked:
			return nil
		}
		snap = next
	}
	p.unfinished(fmt.Sprintf("other compactors were faster at merging %s", snap.Target))
	return nil
}

// step does the next merge or seal, if there is one.
func (p *pass) step(ctx context.Context, snap catalog.Snapshot) (catalog.Snapshot, bool, error) {
	if plans := planMerges(snap.Manifest.Blocks, snap.Date, p.mergePolicy()); len(plans) > 0 {
		next, err := p.merge(ctx, snap, plans[0])
		return next, true, err
	}
	if plans := planSeal(snap.Manifest, snap.Date, p.sealPolicy()); len(plans) > 0 {
		next, err := p.seal(ctx, snap, plans[0])
		return next, true, err
	}
	return snap, false, nil
}
