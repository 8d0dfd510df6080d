package scan

import (
	"container/heap"

	"lethe/internal/block"
	"lethe/internal/record"
)

// piece is a part of rows that lies in a window.
type piece struct {
	rows *rows
	segs []segment
}

// window is a stretch of time, ready to be put in order.
type window struct {
	pieces []piece
	names  view
	count  int
	// spent are pages that no later window needs: their memory is used again once this window was consumed.
	spent []*block.LogPage
}

// run walks over a segment of rows in the direction of the merge. It caches the key of its current row.
type run struct {
	rows   *rows
	series uint32
	i, end int // end is one past the last row in the direction of the walk
	time   int64
	order  uint32
	rank   uint32
	place  uint32
}

// merge yields the rows of a window in order. It is a heap of runs with the next row at its top.
type merge struct {
	names   view
	reverse bool
	runs    []*run
}

func newMerge(w *window, reverse bool) *merge {
	m := &merge{names: w.names, reverse: reverse}
	for _, p := range w.pieces {
		for _, s := range p.segs {
			if s.from >= s.to {
				continue
			}
			r := &run{rows: p.rows, series: s.series, i: s.from, end: s.to}
			if reverse {
				r.i, r.end = s.to-1, s.from-1
			}
			m.load(r)
			m.runs = append(m.runs, r)
		}
	}
	heap.Init(m)
	return m
}

// load reads the key of a run's current row.
func (m *merge) load(r *run) {
	d := r.rows
	r.time = d.times[r.i]
	r.rank, r.place = d.rank, d.place(r.i)
	if d.ranks != nil {
		r.rank = d.ranks[r.i]
	}
	if d.series != nil {
		r.series = d.series[r.i]
	}
	r.order = m.names.order[r.series]
}

// less is the order of rows: time, series, rank of the source, place in it.
func (r *run) less(o *run) bool {
	switch {
	case r.time != o.time:
		return r.time < o.time
	case r.order != o.order:
		return r.order < o.order
	case r.rank != o.rank:
		return r.rank < o.rank
	}
	return r.place < o.place
}

// Len, Less, Swap, Push and Pop implement heap.Interface.
func (m *merge) Len() int { return len(m.runs) }

func (m *merge) Less(i, j int) bool {
	if m.reverse {
		i, j = j, i
	}
	return m.runs[i].less(m.runs[j])
}

func (m *merge) Swap(i, j int) { m.runs[i], m.runs[j] = m.runs[j], m.runs[i] }

func (m *merge) Push(any) {}

func (m *merge) Pop() any {
	last := m.runs[len(m.runs)-1]
	m.runs = m.runs[:len(m.runs)-1]
	return last
}

// before tells whether a comes before b in the direction of the merge.
func (m *merge) before(a, b *run) bool {
	if m.reverse {
		return b.less(a)
	}
	return a.less(b)
}

// second returns the run that comes next after the top, or nil.
func (m *merge) second() *run {
	switch len(m.runs) {
	case 0, 1:
		return nil
	case 2:
		return m.runs[1]
	}
	if m.before(m.runs[1], m.runs[2]) {
		return m.runs[1]
	}
	return m.runs[2]
}

// each calls yield for each row until it returns false, which each returns too.
func (m *merge) each(yield func(record.Row) bool) bool {
	step := 1
	if m.reverse {
		step = -1
	}
	for len(m.runs) > 0 {
		top, next := m.runs[0], m.second()
		// Rows of one run often come in bursts: the heap is put in order only when another run's turn has come.
		for {
			if !yield(m.row(top)) {
				return false
			}
			if top.i += step; top.i == top.end {
				heap.Pop(m)
				break
			}
			if m.load(top); next != nil && m.before(next, top) {
				heap.Fix(m, 0)
				break
			}
		}
	}
	return true
}

func (m *merge) row(r *run) record.Row {
	out := record.Row{Time: r.time, Log: r.rows.log(r.i)}
	m.names.all[r.series].fill(&out)
	if r.rows.stream != nil {
		out.Stream = m.names.values[r.rows.stream[r.i]]
	}
	if r.rows.node != nil {
		out.Node = m.names.values[r.rows.node[r.i]]
	}
	return out
}
