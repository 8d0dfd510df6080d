package compactor

import (
	"cmp"
	"context"
	"slices"

	"lethe/internal/catalog"
	"lethe/internal/layout"
	"lethe/internal/rawobj"
)

// seal seals the leading hours of a day with those that are sealed already. Those of them for which lines came late are opened instead, to be merged with
// these. A swap that is lost leaves the written object to a sweep, and the plan is made again (rule 11).
func (p *pass) seal(ctx context.Context, snap catalog.Snapshot, plan sealPlan) (catalog.Snapshot, error) {
	m, blocks, late := snap.Manifest, plan.Blocks, false
	if plan.Before != nil {
		before, err := p.loadSealed(ctx, &snap, *plan.Before)
		if err != nil {
			return snap, err
		}
		m = unsealed(m, *plan.Before, before)
		if blocks = notIn(before.Blocks, hoursIn(plan.Blocks)); len(blocks) == len(before.Blocks) {
			blocks = slices.Concat(before.Blocks, plan.Blocks)
		} else {
			late = true
		}
	}
	m, err := p.sealBlocks(ctx, snap.Target, m, blocks)
	if err != nil {
		return snap, err
	}
	after, err := p.swap(ctx, snap, m)
	if err == nil {
		p.count(func(s *Summary) {
			if late {
				s.DaysUnsealed++
			} else {
				s.DaysSealed++
			}
		})
	}
	return after, err
}

// sealBlocks puts blocks of one day, which are open in m, into a sealed object, with what is remembered up to their last hour, and returns the manifest after
// m that names it.
func (p *pass) sealBlocks(ctx context.Context, t layout.Target, m *catalog.Manifest, blocks []catalog.Block) (*catalog.Manifest, error) {
	if len(blocks) == 0 {
		return m, nil
	}
	blocks = slices.Clone(blocks)
	sortBlocks(blocks)
	last := blocks[len(blocks)-1].Hour
	bodies := bodiesOf(m, last)
	catalog.ForgetNames(bodies, m.Consumed)
	sealed, err := p.store.Seal(ctx, t, last.Day(), blocks, bodies)
	if err != nil {
		return nil, err
	}
	return withSealed(m, blocks, sealed), nil
}

func hoursIn(blocks []catalog.Block) map[layout.Hour]bool {
	hours := map[layout.Hour]bool{}
	for i := range blocks {
		hours[blocks[i].Hour] = true
	}
	return hours
}

// notIn returns the blocks that are of none of the hours.
func notIn(blocks []catalog.Block, hours map[layout.Hour]bool) []catalog.Block {
	return slices.DeleteFunc(slices.Clone(blocks), func(b catalog.Block) bool { return hours[b.Hour] })
}

// loadSealed reads a sealed day that the manifest names.
func (p *pass) loadSealed(ctx context.Context, snap *catalog.Snapshot, s catalog.Sealed) (*catalog.SealedDay, error) {
	d, err := catalog.LoadSealed(ctx, p.bucket, snap.Target, s)
	if err != nil {
		return nil, p.missing(ctx, snap, err)
	}
	return d, nil
}

// bodiesOf returns what is remembered of bodies whose first record is of the day of an hour, up to that hour.
func bodiesOf(m *catalog.Manifest, last layout.Hour) []catalog.Body {
	var out []catalog.Body
	for _, b := range m.Bodies {
		if isOf(&b, last) {
			out = append(out, b)
		}
	}
	return out
}

func isOf(b *catalog.Body, last layout.Hour) bool {
	h := layout.HourOf(b.Time)
	return h.Day() == last.Day() && h <= last
}

// withSealed returns the manifest after m in which the blocks, sorted, and the bodies up to their last hour, are in a sealed object.
func withSealed(m *catalog.Manifest, blocks []catalog.Block, s catalog.Sealed) *catalog.Manifest {
	next := m.Clone()
	in := map[string]bool{}
	for i := range blocks {
		in[blocks[i].Key] = true
	}
	last := blocks[len(blocks)-1].Hour
	next.Blocks = slices.DeleteFunc(next.Blocks, func(b catalog.Block) bool { return in[b.Key] })
	next.Bodies = slices.DeleteFunc(next.Bodies, func(b catalog.Body) bool { return isOf(&b, last) })
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
	next.Bodies = rawobj.Remember(d.Bodies(), next.Bodies)
	return next
}
