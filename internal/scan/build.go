package scan

import (
	"lethe/internal/block"
	"lethe/letheql"
)

// build makes rows of what a worker has found in a page. Of each run it keeps the first limit rows in the direction of the query; 0 keeps
// all. It copies, but for a page that matches as a whole and fills its memory, which it takes.
func (w *worker) build(q *query, r *pageRef, limit int) *rows {
	out := &rows{rank: r.in.plan.rank}
	all := len(w.times)
	if limit == 0 && w.sel.Count() == all && w.fills(q) {
		out.times = append([]int64(nil), w.times...)
		if wantsLines(&q.sel) {
			out.logs, out.offsets, out.page = w.log.Data, w.log.Offsets, w.log
			w.log = q.s.logPages.Get().(*block.LogPage)
		}
		for _, s := range r.segs {
			out.segs = append(out.segs, s.segment)
		}
		out.base = uint32(r.in.tail.Pages()[r.page].Row)
		w.addLabels(q, r, out, nil)
		return out
	}
	picked := w.pick(q, r, out, limit)
	out.times = make([]int64, len(picked))
	out.pos = make([]uint32, len(picked))
	base := uint32(r.in.tail.Pages()[r.page].Row)
	for i, row := range picked {
		out.times[i] = w.times[row]
		out.pos[i] = base + row
	}
	if wantsLines(&q.sel) {
		w.copyLines(out, picked)
	}
	w.addLabels(q, r, out, picked)
	return out
}

// fills tells whether the lines of the page take most of the memory that they lie in, which is that of the largest page it has held.
func (w *worker) fills(q *query) bool {
	return !wantsLines(&q.sel) || cap(w.log.Data) <= 2*len(w.log.Data)
}

// pick lists the rows to keep and makes the segments of out from them.
func (w *worker) pick(q *query, r *pageRef, out *rows, limit int) []uint32 {
	picked := w.picked[:0]
	for _, s := range r.segs {
		from := len(picked)
		for i := range w.sel.Within(s.from, s.to) {
			picked = append(picked, uint32(i))
			if limit > 0 && q.sel.Direction == letheql.Forward && len(picked)-from == limit {
				break
			}
		}
		if n := len(picked) - from; limit > 0 && n > limit {
			picked = append(picked[:from], picked[len(picked)-limit:]...)
		}
		if len(picked) > from {
			out.segs = append(out.segs, segment{s.series, from, len(picked)})
		}
	}
	w.picked = picked
	return picked
}

func (w *worker) copyLines(out *rows, picked []uint32) {
	total := 0
	for _, row := range picked {
		total += int(w.log.Offsets[row+1] - w.log.Offsets[row])
	}
	out.logs = make([]byte, 0, total)
	out.offsets = make([]uint32, len(picked)+1)
	for i, row := range picked {
		out.logs = append(out.logs, w.log.Line(int(row))...)
		out.offsets[i+1] = uint32(len(out.logs))
	}
}

// addLabels fills in the values of stream and node where they are wanted. Picked is nil where all rows are kept.
func (w *worker) addLabels(q *query, r *pageRef, out *rows, picked []uint32) {
	if q.need.stream {
		out.stream = w.values(q, r, &w.stream, out, picked, func(s *segRef) (string, bool) { return s.run.Stream, s.run.OneStream })
	}
	if q.need.node {
		out.node = w.values(q, r, &w.node, out, picked, func(s *segRef) (string, bool) { return s.run.Node, s.run.OneNode })
	}
}

// values numbers the values of a label of the rows of out.
func (w *worker) values(q *query, r *pageRef, l *labelPage, out *rows, picked []uint32, one func(*segRef) (string, bool)) []uint32 {
	ids := make([]uint32, len(out.times))
	known := make([]uint32, len(l.values))
	for i, v := range l.values {
		known[i] = q.names.value(v)
	}
	next := 0
	for i := range ids {
		row := i
		if picked != nil {
			row = int(picked[i])
		}
		for r.segs[next].to <= row {
			next++
		}
		if v, is := one(&r.segs[next]); is || len(l.index) == 0 {
			ids[i] = q.names.value(v)
		} else {
			ids[i] = known[l.index[row]]
		}
	}
	return ids
}
