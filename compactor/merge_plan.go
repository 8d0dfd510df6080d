package compactor

import (
	"cmp"
	"slices"
	"time"

	"lethe/internal/catalog"
	"lethe/internal/layout"
)

// mergePolicy says which blocks are merged.
type mergePolicy struct {
	// FanIn blocks of one level make one of the next, so that a line is rewritten at most log(FanIn, n) times in an open hour.
	FanIn int
	// MaxFanIn is how many drafts one merge reads at most, or half as many other blocks, whose pages are larger.
	MaxFanIn int
	// TargetSize is the largest block that a merge writes; half of it counts as full.
	TargetSize int64
	// CloseDelay after its end an hour is closed; Settle after the last arrival it is merged for good, once more.
	CloseDelay, Settle time.Duration
}

// mergePlan is one merge: blocks of one hour, neighbours by rank, in that order.
type mergePlan struct {
	Hour   layout.Hour
	Inputs []catalog.Block
	// Level of the result.
	Level int
	// Final merges make the blocks of a closed hour.
	Final bool
}

// Bytes is the size of the inputs.
func (p *mergePlan) Bytes() (n int64) {
	for i := range p.Inputs {
		n += p.Inputs[i].Size
	}
	return n
}

// draft tells whether what comes out will be merged again.
func (p *mergePlan) draft(targetSize int64) bool {
	return !p.Final && p.Bytes() < targetSize/2
}

// planMerges returns the merges that the open blocks of a target call for now, at most one an hour, the newest hours first. A merge takes
// neighbours by rank only, so that lines of one pod and time keep the order in which their agent sent them.
func planMerges(blocks []catalog.Block, now time.Time, pol mergePolicy) []mergePlan {
	hours := map[layout.Hour][]catalog.Block{}
	for _, b := range blocks {
		hours[b.Hour] = append(hours[b.Hour], b)
	}
	var plans []mergePlan
	for h, in := range hours {
		sortBlocks(in)
		if p, ok := planHour(h, in, now, pol); ok {
			plans = append(plans, p)
		}
	}
	slices.SortFunc(plans, func(a, b mergePlan) int { return cmp.Compare(b.Hour, a.Hour) })
	return plans
}

// planHour plans for the blocks of one hour, sorted by rank.
func planHour(h layout.Hour, blocks []catalog.Block, now time.Time, pol mergePolicy) (mergePlan, bool) {
	runs := unfull(blocks, pol.TargetSize)
	final := closed(h, blocks, now, pol.CloseDelay)
	if final {
		for _, run := range runs {
			if worthMerging(run) && pol.fitting(run) == len(run) && due(h, run, now, pol) {
				return mergePlan{Hour: h, Inputs: run, Level: topLevel(run) + 1, Final: true}, true
			}
		}
	}
	var best []catalog.Block
	for _, run := range runs {
		if in := tier(run, pol); in != nil && (best == nil || topLevel(in) < topLevel(best)) {
			best = in
		}
	}
	if best != nil {
		return mergePlan{Hour: h, Inputs: best, Level: topLevel(best) + 1}, true
	}
	for _, run := range runs {
		if n := pol.fitting(run); final && n < len(run) {
			in := run[len(run)-n:]
			return mergePlan{Hour: h, Inputs: in, Level: topLevel(in) + 1}, true
		}
	}
	return mergePlan{}, false
}

// smallDraft is the size up to which a draft that nothing is to be merged with stays what it is.
const smallDraft = 64 << 10

// worthMerging tells whether a run of a closed hour is not yet what it is to be.
func worthMerging(run []catalog.Block) bool {
	return len(run) > 1 || len(run) == 1 && run[0].Draft && run[0].Size > smallDraft
}

// lateParts: what came late for a closed hour is merged with it at once when it is at least one part in so many.
const lateParts = 8

// due tells whether the blocks of a closed hour are to be merged for good now: when the hour closes; later again when what came late is
// no small part of it, so that a line is rewritten about log(n) times; or when nothing more has come for a while.
func due(h layout.Hour, run []catalog.Block, now time.Time, pol mergePolicy) bool {
	last := newest(run)
	if last.Before(h.End().Add(pol.CloseDelay)) || now.Sub(last) >= pol.Settle {
		return true
	}
	var sum, largest int64
	for i := range run {
		sum += run[i].Size
		largest = max(largest, run[i].Size)
	}
	return (sum-largest)*lateParts >= largest
}

// unfull returns the runs of neighbours that are not as large as merging makes them.
func unfull(blocks []catalog.Block, target int64) [][]catalog.Block {
	var runs [][]catalog.Block
	from := 0
	for i := range blocks {
		if blocks[i].Size >= target/2 && !blocks[i].Draft {
			runs = append(runs, blocks[from:i])
			from = i + 1
		}
	}
	return append(runs, blocks[from:])
}

// tier returns the oldest FanIn neighbours of the lowest level that has so many, or the last of them that one merge may read. Lower ones in between
// go with them.
func tier(run []catalog.Block, pol mergePolicy) []catalog.Block {
	for level := 0; level <= topLevel(run); level++ {
		from, count := 0, 0
		for i := range run {
			if run[i].Level > level {
				from, count = i+1, 0
				continue
			}
			if run[i].Level == level {
				count++
			}
			if count == pol.FanIn {
				in := run[from : i+1]
				return in[len(in)-pol.fitting(in):]
			}
		}
	}
	return nil
}

// fitting returns how many of the newest blocks of a run one merge may read: two at least, if there are so many.
func (pol *mergePolicy) fitting(run []catalog.Block) int {
	n, weight := 0, 0
	for i := len(run) - 1; i >= 0; i-- {
		if weight++; !run[i].Draft {
			weight++
		}
		if weight > pol.MaxFanIn && n >= 2 {
			break
		}
		n++
	}
	return n
}

func topLevel(blocks []catalog.Block) (top int) {
	for i := range blocks {
		top = max(top, blocks[i].Level)
	}
	return top
}

// closed tells whether an hour is over: its end is long enough ago by the store's clock, or, for lines dated ahead, their arrival.
func closed(h layout.Hour, blocks []catalog.Block, now time.Time, delay time.Duration) bool {
	end := h.End()
	if arrived := newest(blocks).Add(time.Hour); arrived.Before(end) && arrived.Before(h.Start()) {
		end = arrived
	}
	return !now.Before(end.Add(delay))
}

// newest is when the last of the blocks began to arrive.
func newest(blocks []catalog.Block) time.Time {
	last := blocks[0].Arrived
	for i := range blocks {
		last = max(last, blocks[i].Arrived)
	}
	return time.Unix(0, last).UTC()
}
