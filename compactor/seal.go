package compactor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"lethe/internal/catalog"
	"lethe/internal/layout"
	"lethe/objstore"
)

// seal seals a day, or opens one again. A swap that is lost leaves the written object to a sweep, and the plan is made again (rule 11).
func (p *pass) seal(ctx context.Context, snap catalog.Snapshot, plan sealPlan) (catalog.Snapshot, error) {
	if plan.Unseal != nil {
		d, err := p.loadSealed(ctx, snap.Target, *plan.Unseal)
		if err != nil {
			return snap, err
		}
		after, err := p.swap(ctx, snap, unsealed(snap.Manifest, *plan.Unseal, d))
		if err == nil {
			p.count(func(s *Summary) { s.DaysUnsealed++ })
		}
		return after, err
	}
	bodies := bodiesOf(snap.Manifest, plan.Day)
	sealed, err := p.store.Seal(ctx, snap.Target, plan.Day, plan.Blocks, bodies)
	if err != nil {
		return snap, err
	}
	after, err := p.swap(ctx, snap, withSealed(snap.Manifest, sealed))
	if err == nil {
		p.count(func(s *Summary) { s.DaysSealed++ })
	}
	return after, err
}

// loadSealed reads a sealed day that the manifest names. One that is missing means that the manifest is no longer that one.
func (p *pass) loadSealed(ctx context.Context, t layout.Target, s catalog.Sealed) (*catalog.SealedDay, error) {
	d, err := catalog.LoadSealed(ctx, p.bucket, t, s)
	if errors.Is(err, objstore.ErrNotExist) {
		return nil, fmt.Errorf("%w: %w", errStale, err)
	}
	return d, err
}

// bodiesOf returns what is remembered of bodies whose first record is of a day.
func bodiesOf(m *catalog.Manifest, day string) []catalog.Body {
	var out []catalog.Body
	for _, b := range m.Bodies {
		if layout.HourOf(b.Time).Day() == day {
			out = append(out, b)
		}
	}
	return out
}

// withSealed returns the manifest after m in which the blocks and bodies of a day are in its sealed object.
func withSealed(m *catalog.Manifest, s catalog.Sealed) *catalog.Manifest {
	next := m.Clone()
	next.Blocks = slices.DeleteFunc(next.Blocks, func(b catalog.Block) bool { return b.Hour.Day() == s.Day })
	next.Bodies = slices.DeleteFunc(next.Bodies, func(b catalog.Body) bool { return layout.HourOf(b.Time).Day() == s.Day })
	next.Sealed = append(next.Sealed, s)
	slices.SortFunc(next.Sealed, func(a, b catalog.Sealed) int { return cmp.Compare(a.Day, b.Day) })
	return next
}

// unsealed returns the manifest after m in which the blocks and bodies of a sealed day are open again.
func unsealed(m *catalog.Manifest, s catalog.Sealed, d *catalog.SealedDay) *catalog.Manifest {
	next := m.Clone()
	next.Sealed = slices.DeleteFunc(next.Sealed, func(o catalog.Sealed) bool { return o.Key == s.Key })
	next.Replaced = append(next.Replaced, catalog.Tombstone{Key: s.Key, Size: s.Size})
	next.Blocks = append(next.Blocks, d.Blocks...)
	sortBlocks(next.Blocks)
	next.Bodies = append(next.Bodies, d.Bodies...)
	return next
}
