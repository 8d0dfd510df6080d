package scan

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"lethe/internal/linefilter"
	"lethe/internal/record"
	"lethe/letheql"
)

// rawRows collects the selected rows of one raw object, which come in no order. With a limit it keeps no more than the first that many
// in the direction of the query. Once the rows of all raw objects together take more than budget bytes it gives up its own,
// and goes on to find the bounds of their times.
type rawRows struct {
	q      *query
	src    rawSource
	held   *atomic.Int64
	budget int64
	// strict makes it errFull to take more than the budget.
	strict bool
	mine   int64
	rows   rows
	// count, text, min and max describe all rows, also those that were given up.
	count, text int64
	min, max    int64
	gaveUp      bool
	// last are the numbers of the names of the row before: neighbours are often of one series.
	last struct {
		series       series
		stream, node string
		ids          [3]uint32
		known        bool
	}
}

// rawSlack is how many rows over the limit are collected before the surplus is thrown away, and rawOverhead about what a row takes
// besides its line.
const (
	rawSlack    = 4096
	rawOverhead = 40
)

// readRaw reads all raw objects and returns those with selected rows: with the rows, those of each object in order, as long as half of the
// query's memory lasts; then without. The latter are read again when their time has come.
func (q *query) readRaw(ctx context.Context, p *plan) ([]*pending, error) {
	var held atomic.Int64
	var mu sync.Mutex
	var all []*rawRows
	err := q.eachRaw(ctx, p, func(src rawSource) rawVisitor {
		r := &rawRows{q: q, src: src, held: &held, budget: q.s.opts.Memory / 2}
		mu.Lock()
		defer mu.Unlock()
		all = append(all, r)
		return r
	})
	if err != nil {
		return nil, err
	}
	var out []*pending
	for _, r := range all {
		if r.count > 0 {
			out = append(out, q.pendRaw(r))
		}
	}
	return out, nil
}

// errFull tells that the rows of a window do not fit.
var errFull = errors.New("the lines of a window do not fit")

// loadRaw reads the rows of raw objects again, those within a span of time. It fails with errFull where they take more than so many bytes.
func (q *query) loadRaw(ctx context.Context, work []*pending, within func(*pending) span, room int64) error {
	var held atomic.Int64
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(q.s.opts.rawReaders())
	for _, p := range work {
		g.Go(func() error {
			r := &rawRows{q: q, src: *p.raw, held: &held, budget: room, strict: true}
			err := q.readObject(gctx, r.src, within(p), r)
			p.rows = &r.rows
			return q.excuse(r.src.object().Key, err)
		})
	}
	return g.Wait()
}

func (r *rawRows) row(row *record.Row, s series, place uint32) error {
	if r.count == 0 || row.Time < r.min {
		r.min = row.Time
	}
	if r.count == 0 || row.Time > r.max {
		r.max = row.Time
	}
	r.count++
	r.text += int64(len(row.Log))
	if r.gaveUp {
		return nil
	}
	r.add(row, s, place)
	size := int64(rawOverhead)
	if r.q.sel.NeedLog {
		size += int64(len(row.Log))
	}
	r.mine += size
	if r.held.Add(size) > r.budget || len(r.rows.logs) > math.MaxInt32 {
		if r.strict {
			return errFull
		}
		r.held.Add(-r.mine)
		r.rows, r.mine, r.gaveUp = rows{}, 0, true
		return nil
	}
	if limit := r.q.sel.Limit; limit > 0 && (r.rows.len()-rawSlack)/2 >= limit { // without a sum or a product that a large limit would overflow
		r.sort()
	}
	return nil
}

// expect leaves out the rows of a table that come after the first limit of them, and makes room for the others.
func (r *rawRows) expect(t *table, sel linefilter.Bitmap) {
	n := sel.Count()
	if limit := r.q.sel.Limit; limit > 0 && n > limit {
		r.keepFirst(t, sel, limit)
		n = sel.Count()
	}
	if n == 0 || r.gaveUp {
		return
	}
	d := &r.rows
	d.times, d.series, d.pos = slices.Grow(d.times, n), slices.Grow(d.series, n), slices.Grow(d.pos, n)
	if r.q.sel.NeedLog {
		text := 0
		for i := range sel.All() {
			text += int(t.offsets[i+1] - t.offsets[i])
		}
		d.logs, d.offsets = slices.Grow(d.logs, text), slices.Grow(d.offsets, n+1)
	}
}

// keepFirst takes the rows out of sel whose time is after that of the limit-th in the direction of the query.
func (r *rawRows) keepFirst(t *table, sel linefilter.Bitmap, limit int) {
	places := make([]int64, 0, len(t.times))
	for i := range sel.All() {
		places = append(places, r.q.place(t.times[i]))
	}
	slices.Sort(places)
	last := places[limit-1]
	for i := range sel.All() {
		if r.q.place(t.times[i]) > last {
			sel.Clear(i)
		}
	}
}

// name fills in last for a row.
func (r *rawRows) name(row *record.Row, s *series) {
	l := &r.last
	if !l.known || l.series != *s {
		l.series, l.ids[0] = *s, r.q.names.id(*s)
	}
	if r.q.need.stream && (!l.known || l.stream != row.Stream) {
		l.stream, l.ids[1] = row.Stream, r.q.names.value(row.Stream)
	}
	if r.q.need.node && (!l.known || l.node != row.Node) {
		l.node, l.ids[2] = row.Node, r.q.names.value(row.Node)
	}
	l.known = true
}

func (r *rawRows) add(row *record.Row, s series, place uint32) {
	d := &r.rows
	r.name(row, &s)
	d.times = append(d.times, row.Time)
	d.series = append(d.series, r.last.ids[0])
	d.pos = append(d.pos, place)
	if r.q.need.stream {
		d.stream = append(d.stream, r.last.ids[1])
	}
	if r.q.need.node {
		d.node = append(d.node, r.last.ids[2])
	}
	if r.q.sel.NeedLog {
		if len(d.offsets) == 0 {
			d.offsets = append(d.offsets, 0)
		}
		d.logs = append(d.logs, row.Log...)
		d.offsets = append(d.offsets, uint32(len(d.logs)))
	}
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
	sorted.rank = r.src.rank
	sorted.segs = []segment{{from: 0, to: len(picked)}}
	less := int64(len(sorted.logs)-len(d.logs)) + rawOverhead*int64(sorted.len()-d.len())
	r.held.Add(less)
	r.mine += less
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
