package scan

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"lethe/internal/record"
	"lethe/letheql"
)

// rawRows collects the selected rows of one raw object, which come in no order. With a limit it keeps no more than the first that many
// in the direction of the query.
type rawRows struct {
	q    *query
	held *atomic.Int64
	rank uint32
	rows rows
}

// rawSlack is how many rows over the limit are collected before the surplus is thrown away.
const rawSlack = 4096

// readRaw reads the selected rows of the raw objects into memory, those of each object in order. Errors wrap letheql.ErrLimit where they
// do not fit.
func (q *query) readRaw(ctx context.Context, p *plan) ([]*rows, error) {
	var held atomic.Int64
	var mu sync.Mutex
	var all []*rawRows
	err := q.eachRaw(ctx, p, func(_ *targetPlan, rank uint32) rawVisitor {
		r := &rawRows{q: q, held: &held, rank: rank}
		mu.Lock()
		defer mu.Unlock()
		all = append(all, r)
		return r
	})
	if err != nil {
		return nil, err
	}
	var out []*rows
	for _, r := range all {
		if r.rows.len() > 0 {
			out = append(out, &r.rows)
		}
	}
	return out, nil
}

func (r *rawRows) row(row *record.Row, s series, place uint32) error {
	d := &r.rows
	if d.offsets == nil && r.q.sel.NeedLog {
		d.offsets = []uint32{0}
	}
	d.times = append(d.times, row.Time)
	d.series = append(d.series, r.q.names.id(s))
	d.pos = append(d.pos, place)
	if r.q.need.stream {
		d.stream = append(d.stream, r.q.names.value(row.Stream))
	}
	if r.q.need.node {
		d.node = append(d.node, r.q.names.value(row.Node))
	}
	size := int64(rawOverhead)
	if r.q.sel.NeedLog {
		if len(d.logs)+len(row.Log) > math.MaxUint32 {
			return r.tooMuch()
		}
		d.logs = append(d.logs, row.Log...)
		d.offsets = append(d.offsets, uint32(len(d.logs)))
		size += int64(len(row.Log))
	}
	if r.held.Add(size) > r.q.s.opts.Memory {
		return r.tooMuch()
	}
	if limit := r.q.sel.Limit; limit > 0 && d.len() >= 2*limit+rawSlack {
		r.sort()
	}
	return nil
}

// rawOverhead is about what a row takes besides its line.
const rawOverhead = 40

func (r *rawRows) tooMuch() error {
	return fmt.Errorf("%w: the matching lines that are not compacted yet take more than %d bytes; they have to be put in order in memory: "+
		"compact them, or ask for a shorter range, more labels or a limit", letheql.ErrLimit, r.q.s.opts.Memory)
}

func (r *rawRows) done() error {
	if r.rows.len() > 0 {
		r.sort()
	}
	return nil
}

// sort puts the rows in order and keeps the first limit of them.
func (r *rawRows) sort() {
	d := &r.rows
	order := r.q.names.view().order
	picked := make([]uint32, d.len())
	for i := range picked {
		picked[i] = uint32(i)
	}
	slices.SortFunc(picked, func(a, b uint32) int {
		return cmp.Or(cmp.Compare(d.times[a], d.times[b]), cmp.Compare(order[d.series[a]], order[d.series[b]]), cmp.Compare(d.pos[a], d.pos[b]))
	})
	if limit := r.q.sel.Limit; limit > 0 && len(picked) > limit {
		if r.q.sel.Direction == letheql.Backward {
			picked = picked[len(picked)-limit:]
		} else {
			picked = picked[:limit]
		}
	}
	sorted := d.take(picked)
	sorted.rank = r.rank
	sorted.segs = []segment{{from: 0, to: len(picked)}}
	r.held.Add(int64(len(sorted.logs)-len(d.logs)) + rawOverhead*int64(sorted.len()-d.len()))
	r.rows = *sorted
}

// take returns the picked rows, in that order.
func (r *rows) take(picked []uint32) *rows {
	out := &rows{
		times: make([]int64, len(picked)), series: pickOf(r.series, picked), pos: pickOf(r.pos, picked),
		stream: pickOf(r.stream, picked), node: pickOf(r.node, picked),
	}
	total := 0
	for i, row := range picked {
		out.times[i] = r.times[row]
		total += len(r.log(int(row)))
	}
	if r.offsets == nil {
		return out
	}
	out.logs = make([]byte, 0, total)
	out.offsets = make([]uint32, 1, len(picked)+1)
	for _, row := range picked {
		out.logs = append(out.logs, r.log(int(row))...)
		out.offsets = append(out.offsets, uint32(len(out.logs)))
	}
	return out
}

func pickOf(values, picked []uint32) []uint32 {
	if values == nil {
		return nil
	}
	out := make([]uint32, len(picked))
	for i, row := range picked {
		out[i] = values[row]
	}
	return out
}
