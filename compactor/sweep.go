package compactor

import (
	"context"
	"fmt"

	"lethe/internal/catalog"
	"lethe/internal/layout"
	"lethe/objstore"
)

// sweep deletes the blocks and sealed days of a target that no manifest names: what compactors have left that died or lost a swap.
func (p *pass) sweep(ctx context.Context, t layout.Target) error {
	if p.enough() {
		p.unfinished("the deadline came before orphans were looked for")
		return nil
	}
	orphans, snap, err := p.orphans(ctx, t)
	if err != nil {
		if stale(err) {
			return nil // the next sweep looks again
		}
		return err
	}
	if len(orphans) == 0 {
		return nil
	}
	// Rule 15: the swap is the fence. A writer that has put one of these blocks and not yet named it must swap a manifest that it read before,
	// which fails now; it starts over with a new block. Nothing is deleted before this swap is known to have won.
	next := snap.Manifest.Clone()
	next.SweepEpoch++
	if _, err := p.swap(ctx, snap, next); err != nil {
		if stale(err) {
			return nil
		}
		return err
	}
	if err := p.bucket.Delete(ctx, orphans...); err != nil {
		return fmt.Errorf("deleting %d orphans: %w", len(orphans), err)
	}
	p.count(func(s *Summary) { s.Deleted.Orphans += int64(len(orphans)) })
	return nil
}

// orphans lists a target's blocks and sealed days, then reads its manifest, in this order, and returns those that it does not name. A target without a
// manifest has none: if its manifest was lost, its blocks are all there is.
func (p *pass) orphans(ctx context.Context, t layout.Target) ([]string, catalog.Snapshot, error) {
	listed, err := p.listOurs(ctx, t)
	if err != nil {
		return nil, catalog.Snapshot{}, err
	}
	snap, err := p.load(ctx, t)
	if err != nil || !snap.Exists {
		return nil, snap, err
	}
	named, err := p.namedBy(ctx, &snap)
	if err != nil {
		return nil, snap, err
	}
	var orphans []string
	for _, o := range listed {
		// The age spares live writers the trouble of starting over. It is not what makes a sweep safe.
		if old := p.opts.SweepAge < 0 || snap.Date.Sub(o.LastModified) >= p.opts.SweepAge; old && !named[o.Key] {
			orphans = append(orphans, o.Key)
		}
	}
	return orphans, snap, nil
}

// listOurs lists the blocks and sealed days of a target.
func (p *pass) listOurs(ctx context.Context, t layout.Target) ([]objstore.Object, error) {
	var listed []objstore.Object
	for o, err := range p.bucket.List(ctx, objstore.ListOptions{Prefix: layout.TargetPrefix(t)}) {
		if err != nil {
			return nil, fmt.Errorf("listing its blocks: %w", err)
		}
		if isOurs(o.Key) {
			listed = append(listed, o)
		}
	}
	return listed, nil
}

// isOurs tells whether a key is that of a block or a sealed day. Anything else under a target is left alone.
func isOurs(key string) bool {
	if _, _, _, err := layout.ParseBlock(key); err == nil {
		return true
	}
	_, _, _, err := layout.ParseSealed(key)
	return err == nil
}

// namedBy returns all keys that a manifest and its sealed days name.
func (p *pass) namedBy(ctx context.Context, snap *catalog.Snapshot) (map[string]bool, error) {
	m := snap.Manifest
	named := map[string]bool{}
	for i := range m.Blocks {
		named[m.Blocks[i].Key] = true
	}
	for _, r := range m.Replaced {
		named[r.Key] = true
	}
	for _, s := range m.Sealed {
		named[s.Key] = true
		d, err := p.loadSealed(ctx, snap, s)
		if err != nil {
			return nil, err
		}
		for i := range d.Blocks {
			named[d.Blocks[i].Key] = true
		}
	}
	return named, nil
}
