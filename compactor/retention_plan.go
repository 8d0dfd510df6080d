package compactor

import (
	"cmp"
	"container/heap"
	"time"

	"lethe/internal/catalog"
	"lethe/internal/layout"
)

// stored is what a target keeps in the bucket, as far as retention is concerned.
type stored struct {
	Target layout.Target
	// Snap is which manifest was read, without the manifest.
	Snap catalog.Snapshot
	// Now is the store's time when the manifest was read; zero where there is none.
	Now time.Time
	// Blocks that are not sealed, and Sealed days.
	Blocks []catalog.Block
	Sealed []catalog.Sealed
	// Raw is the size of what is listed under raw/ and not consumed, Manifests that of the manifest. Consumed and replaced objects are on their
	// way out and do not count: they would make retention delete too much.
	Raw, Manifests int64
	// Consumed: there are consumed raw objects. Untidy: the state calls for work although no raw object may wait.
	Consumed, Untidy bool
}

// keep is the retention of one target.
type keep struct {
	Time time.Duration
	// Pool names the bound on size that the target shares with others; "" has none but the one over all.
	Pool string
	Size int64
}

// why an hour goes.
const (
	whyTime = "older than retention.time"
	whySize = "over retention.size"
)

// cut is an hour of a target that goes.
type cut struct {
	Target layout.Target `json:"target"`
	Hour   layout.Hour   `json:"-"`
	Keys   []string      `json:"-"`
	Bytes  int64         `json:"bytes"`
	Why    string        `json:"why"`
	// Mark is the watermark that the hour leaves; 0 for hours that go by their arrival and for the open hour, into which lines still come.
	Mark layout.Hour `json:"-"`
}

// unit is an hour of a target, or a sealed day that has not been looked into.
type unit struct {
	target int
	// hour by which the unit takes its turn: its own, but for lines dated ahead that of their arrival.
	hour   layout.Hour
	own    layout.Hour
	bytes  int64
	keys   []string
	sealed *catalog.Sealed
}

// units is a heap, the oldest first; of one hour the largest first.
type units []unit

func (u units) Len() int      { return len(u) }
func (u units) Swap(i, j int) { u[i], u[j] = u[j], u[i] }
func (u units) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(u[i].hour, u[j].hour), cmp.Compare(u[j].bytes, u[i].bytes), cmp.Compare(u[i].target, u[j].target)) < 0
}

// Push implements heap.Interface.
func (u *units) Push(x any) { *u = append(*u, x.(unit)) }

// Pop implements heap.Interface.
func (u *units) Pop() any {
	last := (*u)[len(*u)-1]
	*u = (*u)[:len(*u)-1]
	return last
}

// retentionPlan walks the hours of all targets from the oldest on.
type retentionPlan struct {
	targets []stored
	keep    []keep
	// open looks into a sealed day; it is false for one that cannot be read.
	open func(t *stored, s catalog.Sealed) ([]catalog.Block, bool)
	left units
	// blocked are targets that nothing more is cut of, because a day of theirs could not be read: a cut behind it would take it along unread.
	blocked map[int]bool
	// over is how much of each pool has to go, "" being all.
	over map[string]int64
	cuts []cut
}

// planRetention returns the hours that go: those that are older than their target keeps them, then the oldest over all targets until
// everything fits, the open hours last. Sealed days are looked into by open, from the oldest on and only as far as needed; where it is
// false for one, the rest of its target stays, and others do not make room in its place.
func planRetention(targets []stored, keeps []keep, size int64, open func(*stored, catalog.Sealed) ([]catalog.Block, bool)) []cut {
	p := &retentionPlan{targets: targets, keep: keeps, open: open, blocked: map[int]bool{}, over: excess(targets, keeps, size)}
	for i := range targets {
		p.addHours(i, targets[i].Blocks)
		for j := range targets[i].Sealed {
			s := &targets[i].Sealed[j]
			own := layout.HourOf(s.Min)
			p.left = append(p.left, unit{target: i, hour: min(own, layout.HourOf(s.Arrived)), own: own, bytes: s.Bytes + s.Size, sealed: s})
		}
	}
	heap.Init(&p.left)
	for len(p.left) > 0 {
		p.step(heap.Pop(&p.left).(unit))
	}
	return p.cuts
}

// excess returns by how much each pool is over its bound.
func excess(targets []stored, keeps []keep, size int64) map[string]int64 {
	over := map[string]int64{}
	bound := map[string]int64{"": size}
	for i := range targets {
		t := &targets[i]
		n := t.Raw + t.Manifests
		for _, b := range t.Blocks {
			n += b.Size
		}
		for _, s := range t.Sealed {
			n += s.Bytes + s.Size
		}
		over[""] += n
		if k := keeps[i]; k.Pool != "" {
			over[k.Pool] += n
			bound[k.Pool] = k.Size
		}
	}
	for pool := range over {
		over[pool] -= bound[pool]
		if bound[pool] == 0 {
			over[pool] = 0
		}
	}
	return over
}

// addHours adds the blocks of a target by hours. Lines dated ahead take their turn with the hour in which they arrived.
func (p *retentionPlan) addHours(target int, blocks []catalog.Block) {
	type at struct{ own, turn layout.Hour }
	byHour := map[at]*unit{}
	for i := range blocks {
		b := &blocks[i]
		k := at{b.Hour, min(b.Hour, layout.HourOf(b.Arrived))}
		u := byHour[k]
		if u == nil {
			u = &unit{target: target, hour: k.turn, own: k.own}
			byHour[k] = u
		}
		u.bytes += b.Size
		u.keys = append(u.keys, b.Key)
	}
	for _, u := range byHour {
		p.left = append(p.left, *u)
	}
}

// step decides on the oldest unit that is left.
func (p *retentionPlan) step(u unit) {
	t, k := &p.targets[u.target], p.keep[u.target]
	why := ""
	switch {
	case p.blocked[u.target]:
		return
	case k.Time > 0 && !t.Now.IsZero() && !u.hour.End().After(t.Now.Add(-k.Time)):
		why = whyTime
	case p.over[""] > 0 || k.Pool != "" && p.over[k.Pool] > 0:
		why = whySize
	default:
		return
	}
	if u.sealed != nil {
		blocks, ok := p.open(t, *u.sealed)
		if !ok {
			p.blocked[u.target] = true
			p.freed(k, u.bytes)
			return
		}
		// What of the day is kept is sealed anew, in less.
		p.freed(k, u.sealed.Size)
		p.addHours(u.target, blocks)
		heap.Init(&p.left)
		return
	}
	c := cut{Target: t.Target, Hour: u.own, Keys: u.keys, Bytes: u.bytes, Why: why}
	if u.own == u.hour && u.own < layout.HourOf(t.Now.UnixNano()) {
		c.Mark = u.own + 1
	}
	p.cuts = append(p.cuts, c)
	p.freed(k, u.bytes)
}

// freed counts bytes that go.
func (p *retentionPlan) freed(k keep, n int64) {
	p.over[""] -= n
	if k.Pool != "" {
		p.over[k.Pool] -= n
	}
}
