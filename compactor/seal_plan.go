package compactor

import (
	"slices"
	"strings"
	"time"

	"lethe/internal/catalog"
	"lethe/internal/layout"
)

// sealHours is how many hours of a day that is not over are sealed at once. Each time the day's object is written anew, and in between the manifest,
// which each commit writes, holds them.
const sealHours = 2

// sealPolicy says when hours are sealed.
type sealPolicy struct {
	Merge mergePolicy
	// Delay after the end of an hour, and after the last arrival for it.
	Delay time.Duration
}

// sealPlan is what happens to one day.
type sealPlan struct {
	Day string
	// Blocks of the day's leading hours, to be sealed with those that Before, if there is one, has sealed.
	Blocks []catalog.Block
	Before *catalog.Sealed
	// Late: some of Blocks are of hours that Before has sealed, or lie between them. What it has of their hours is opened, so that they are merged with it. A
	// later round seals them again.
	Late bool
}

// planSeal returns what can be sealed now, the oldest days first: hours that are over for long enough, for which nothing came lately, and with
// nothing left to merge; of a day that goes on several at once.
func planSeal(m *catalog.Manifest, now time.Time, pol sealPolicy) []sealPlan {
	days := map[string][]catalog.Block{}
	for _, b := range m.Blocks {
		days[b.Hour.Day()] = append(days[b.Hour.Day()], b)
	}
	var plans []sealPlan
	for day, blocks := range days {
		sortBlocks(blocks)
		ready, hours := leading(blocks, now, pol)
		if hours == 0 {
			continue
		}
		p := sealPlan{Day: day, Blocks: ready}
		if i := slices.IndexFunc(m.Sealed, func(s catalog.Sealed) bool { return s.Day == day }); i >= 0 {
			before := m.Sealed[i]
			p.Before, p.Late = &before, ready[0].Hour <= layout.HourOf(before.Max)
		}
		if p.Late || hours >= sealHours || len(ready) == len(blocks) && over(blocks, now, pol.Delay) {
			plans = append(plans, p)
		}
	}
	slices.SortFunc(plans, func(a, b sealPlan) int { return strings.Compare(a.Day, b.Day) })
	return plans
}

// leading returns the blocks of the first hours that are ready to be sealed, up to one that is not, and how many hours that are.
func leading(blocks []catalog.Block, now time.Time, pol sealPolicy) (ready []catalog.Block, hours int) {
	for len(blocks) > len(ready) {
		rest := blocks[len(ready):]
		h := rest[0].Hour
		n := 0
		for n < len(rest) && rest[n].Hour == h {
			n++
		}
		hour := rest[:n]
		_, merges := planHour(h, hour, now, pol.Merge)
		if merges || !closed(h, hour, now, pol.Delay) || now.Sub(newest(hour)) < pol.Delay {
			break
		}
		ready = blocks[:len(ready)+n]
		hours++
	}
	return ready, hours
}

// over tells whether a day is over for at least delay. A day ahead of its arrival, which may never come, is over an hour after that.
func over(blocks []catalog.Block, now time.Time, delay time.Duration) bool {
	arrived := newest(blocks)
	start := blocks[0].Hour.Start().Truncate(24 * time.Hour)
	end := start.Add(24 * time.Hour)
	if arrived.Before(start) {
		end = arrived.Add(time.Hour)
	}
	return !now.Before(end.Add(delay))
}
