package scan

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"lethe/internal/catalog"
	"lethe/internal/layout"
	"lethe/objstore"
)

// plan is what a query reads.
type plan struct {
	targets []*targetPlan
	// blocks of all targets that may hold rows of the query, by hour.
	blocks []*blockPlan
}

// targetPlan is the part of a plan in one target.
type targetPlan struct {
	target layout.Target
	// start and end bound the rows' times, both included: those of the query, over the watermark of the target.
	start, end int64
	// snap is what was read, and manifest that of it, which is shared with other queries and never changed.
	snap     catalog.Snapshot
	manifest *catalog.Manifest
	// settled: no manifest was swapped since before the raw objects were listed.
	settled bool
	// raw objects that the manifest has not consumed, and those it has.
	raw, consumed []objstore.Object
	rawBytes      int64
	// rawRanks are the ranks of the raw objects by key.
	rawRanks map[string]uint32
	blocks   []*blockPlan
	// tables are the rows of raw objects that were in the cache, by key.
	tables map[string]*table
	// sealed days that were read, by day.
	sealed map[string]*catalog.SealedDay
	// pruned is the number of blocks that the bounds have left out, and prunedBytes their size.
	pruned, prunedBytes int64
}

// blockPlan is one block of a plan.
type blockPlan struct {
	catalog.Block
	in *targetPlan
	// rank orders the sources of rows, blocks and raw objects alike: rows that are equal in time and series come in this order.
	rank uint32
}

// makePlan follows the reader's rule: list raw, get the manifest, then the sealed days. Targets are planned at once, each in this order.
func (q *query) makePlan(ctx context.Context) (*plan, error) {
	targets, err := q.targets(ctx)
	if err != nil {
		return nil, err
	}
	p := &plan{targets: make([]*targetPlan, len(targets))}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(q.s.opts.Concurrency)
	for i, t := range targets {
		g.Go(func() (err error) {
			p.targets[i], err = q.planTarget(gctx, t)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	for _, t := range p.targets {
		p.blocks = append(p.blocks, t.blocks...)
	}
	p.rank()
	q.countPlan(p)
	return p, nil
}

func (q *query) planTarget(ctx context.Context, t layout.Target) (*targetPlan, error) {
	tp := &targetPlan{target: t, start: q.sel.Start, end: q.sel.End, sealed: map[string]*catalog.SealedDay{}}
	began := q.s.manifests.now()
	var listed []objstore.Object
	for obj, err := range q.store.List(ctx, objstore.ListOptions{Prefix: layout.RawPrefixOf(t)}) {
		if err != nil {
			return nil, fmt.Errorf("listing raw objects of %s: %w", t, err)
		}
		// Objects of another form are left alone, as the compactor leaves them.
		if _, ok := layout.ParseRaw(obj.Key); ok {
			listed = append(listed, obj)
		}
	}
	snap, settled, err := q.manifest(ctx, t, began)
	if err != nil {
		return nil, err
	}
	tp.snap, tp.manifest, tp.settled = snap, snap.Manifest, settled
	if m := snap.Manifest; m.Watermark != 0 {
		tp.start = max(tp.start, m.Watermark)
	}
	tp.splitRaw(listed)
	for i := range tp.manifest.Blocks {
		tp.addBlock(&tp.manifest.Blocks[i])
	}
	for _, s := range tp.manifest.Sealed {
		if s.Max < tp.start || s.Min > tp.end {
			tp.pruned += int64(s.Blocks)
			tp.prunedBytes += s.Bytes
			continue
		}
		day, err := q.sealedDay(ctx, tp, s)
		if err != nil {
			return nil, err
		}
		for i := range day.Blocks {
			tp.addBlock(&day.Blocks[i])
		}
	}
	return tp, nil
}

// splitRaw tells the raw objects that the manifest has consumed from those that it has not.
func (tp *targetPlan) splitRaw(listed []objstore.Object) {
	consumed := make(map[string]bool, len(tp.manifest.Consumed))
	for _, c := range tp.manifest.Consumed {
		consumed[c.Key] = true
	}
	for _, obj := range listed {
		if consumed[obj.Key] {
			tp.consumed = append(tp.consumed, obj)
			continue
		}
		tp.raw = append(tp.raw, obj)
		tp.rawBytes += obj.Size
	}
}

func (tp *targetPlan) addBlock(b *catalog.Block) {
	if b.Max < tp.start || b.Min > tp.end {
		tp.pruned++
		tp.prunedBytes += b.Size
		return
	}
	tp.blocks = append(tp.blocks, &blockPlan{Block: *b, in: tp})
}

// rank sorts the blocks by hour and numbers all sources by arrival, then key.
func (p *plan) rank() {
	type source struct {
		arrived int64
		key     string
		set     func(uint32)
	}
	var all []source
	for _, b := range p.blocks {
		all = append(all, source{b.Arrived, b.Key, func(r uint32) { b.rank = r }})
	}
	for _, t := range p.targets {
		t.rawRanks = make(map[string]uint32, len(t.raw))
		for _, obj := range t.raw {
			all = append(all, source{obj.LastModified.UnixNano(), obj.Key, func(r uint32) { t.rawRanks[obj.Key] = r }})
		}
	}
	slices.SortFunc(all, func(a, b source) int {
		return cmp.Or(cmp.Compare(a.arrived, b.arrived), strings.Compare(a.key, b.key))
	})
	for i, s := range all {
		s.set(uint32(i))
	}
	p.sort()
}

// sort puts the blocks in the order of their hours, and of their ranks there.
func (p *plan) sort() {
	slices.SortFunc(p.blocks, func(a, b *blockPlan) int {
		return cmp.Or(cmp.Compare(a.Hour, b.Hour), cmp.Compare(a.rank, b.rank))
	})
}

func (q *query) countPlan(p *plan) {
	hours := map[layout.Hour]bool{}
	for _, b := range p.blocks {
		hours[b.Hour] = true
		q.count.bytesPlanned.Add(b.Size)
	}
	c := q.count
	c.targets.Store(int64(len(p.targets)))
	c.hours.Store(int64(len(hours)))
	c.blocks.Store(int64(len(p.blocks)))
	for _, t := range p.targets {
		c.blocksPruned.Add(t.pruned)
		c.bytesPruned.Add(t.prunedBytes)
		c.bytesPlanned.Add(t.rawBytes)
		c.rawObjects.Add(int64(len(t.raw)))
		c.rawBytes.Add(t.rawBytes)
	}
	if q.store.limit > 0 {
		text := q.outlook(p)
		q.store.outlook.Store(&text)
	}
	q.planned = q.s.opts.Now()
}
