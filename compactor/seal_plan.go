package compactor

import (
	"slices"
	"strings"
	"time"

	"lethe/internal/catalog"
	"lethe/internal/layout"
)

// sealPolicy says when a day is sealed.
type sealPolicy struct {
	Merge mergePolicy
	// Delay after the end of the day, or after the last arrival for it.
	Delay time.Duration
}

// sealPlan is what happens to one day.
type sealPlan struct {
	Day    string
	Blocks []catalog.Block
	// Unseal, where the day is sealed already, brings its blocks back among the open ones, so that those that came late are merged with them. A
	// later round seals the day again.
	Unseal *catalog.Sealed
}

// planSeal returns the days that can be sealed now, the oldest first: over for long enough, nothing came for them lately, and nothing left to
// merge. The day that retention is cutting hours off stays open.
func planSeal(m *catalog.Manifest, now time.Time, pol sealPolicy) []sealPlan {
	days := map[string][]catalog.Block{}
	for _, b := range m.Blocks {
		days[b.Hour.Day()] = append(days[b.Hour.Day()], b)
	}
	var plans []sealPlan
	for day, blocks := range days {
		if m.Watermark != 0 && day == layout.HourOf(m.Watermark).Day() {
			continue
		}
		if !settled(blocks, now, pol.Delay) || len(planMerges(blocks, now, pol.Merge)) > 0 {
			continue
		}
		p := sealPlan{Day: day, Blocks: blocks}
		if i := slices.IndexFunc(m.Sealed, func(s catalog.Sealed) bool { return s.Day == day }); i >= 0 {
			before := m.Sealed[i]
			p.Unseal = &before
		}
		plans = append(plans, p)
	}
	slices.SortFunc(plans, func(a, b sealPlan) int { return strings.Compare(a.Day, b.Day) })
	return plans
}

// settled tells whether a day is over for at least delay, and its last arrival as long ago. A day ahead of its arrival, which may never come,
// is over an hour after that.
func settled(blocks []catalog.Block, now time.Time, delay time.Duration) bool {
	arrived := newest(blocks)
	end := blocks[0].Hour.Start().Truncate(24 * time.Hour).Add(24 * time.Hour)
	if arrived.Before(end.Add(-24 * time.Hour)) {
		end = arrived.Add(time.Hour)
	}
	return !now.Before(end.Add(delay)) && !now.Before(arrived.Add(delay))
}
