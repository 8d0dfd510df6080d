package compactor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"lethe/internal/catalog"
	"lethe/internal/layout"
	"lethe/internal/rawobj"
	"lethe/objstore"
)

// seal seals the leading hours of a day, or opens the day again. A swap that is lost leaves the written object to a sweep, and the plan is made
// again (rule 11).
func (p *pass) seal(ctx context.Context, snap catalog.Snapshot, plan sealPlan) (catalog.Snapshot, error) {
	before := &catalog.SealedDay{}
	if plan.Before != nil {
		var err error
		if before, err = p.loadSealed(ctx, snap.Target, *plan.Before); err != nil {
			return snap, err
		}
	}
	if plan.Unseal {
		after, err := p.swap(ctx, snap, unsealed(snap.Manifest, *plan.Before, before))
		if err == nil {
			p.count(func(s *Summary) { s.DaysUnsealed++ })
		}
		return after, err
	}
	last := plan.Blocks[len(plan.Blocks)-1].Hour
	blocks := slices.Concat(before.Blocks, plan.Blocks)
	bodies := rawobj.Remember(before.Bodies, bodiesOf(snap.Manifest, plan.Day, last))
	sealed, err := p.store.Seal(ctx, snap.Target, plan.Day, blocks, bodies)
	if err != nil {
		return snap, err
	}
	after, err := p.swap(ctx, snap, withSealed(snap.Manifest, plan, sealed))
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

// bodiesOf returns what is remembered of bodies whose first record is of a day, up to its hour last.
func bodiesOf(m *catalog.Manifest, day string, last layout.Hour) []catalog.Body {
	var out []catalog.Body
	for _, b := range m.Bodies {
		if isOf(&b, day, last) {
			out = append(out, b)
		}
	}
	return out
}

func isOf(b *catalog.Body, day string, last layout.Hour) bool {
	h := layout.HourOf(b.Time)
	return h.Day() == day && h <= last
}

// withSealed returns the manifest after m in which the blocks of the plan, and the bodies up to their last hour, are in a sealed object.
func withSealed(m *catalog.Manifest, plan sealPlan, s catalog.Sealed) *catalog.Manifest {
	next := m.Clone()
	in := map[string]bool{}
	for i := range plan.Blocks {
		in[plan.Blocks[i].Key] = true
	}
	last := plan.Blocks[len(plan.Blocks)-1].Hour
	next.Blocks = slices.DeleteFunc(next.Blocks, func(b catalog.Block) bool { return in[b.Key] })
	next.Bodies = slices.DeleteFunc(next.Bodies, func(b catalog.Body) bool { return isOf(&b, plan.Day, last) })
	if plan.Before != nil {
		next.Sealed = slices.DeleteFunc(next.Sealed, func(o catalog.Sealed) bool { return o.Key == plan.Before.Key })
		next.Replaced = append(next.Replaced, catalog.Tombstone{Key: plan.Before.Key, Size: plan.Before.Size})
	}
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
	next.Bodies = rawobj.Remember(next.Bodies, d.Bodies)
	return next
}
