package scan

import (
	"math"

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

// run walks over a segment of rows in the direction of the merge.
type run struct {
	rows   *rows
	series uint32
	i, end int // end is one past the last row in the direction of the walk
	// row has what the rows of the series have in common.
	row record.Row
}

// key orders the current rows of runs: by time, then series, then rank of the source, then place in it. In a backward merge each part
// is its complement, so that the least key always comes next.
type key struct {
	time int64
	// tie is the place of the series and the rank of the source.
	tie   uint64
	place uint32
	// over: the run has no more rows. It comes after all others.
	over bool
}

func (k *key) less(o *key) bool {
	switch {
	case k.time != o.time:
		return k.time < o.time
	case k.over != o.over:
		return o.over
	case k.tie != o.tie:
		return k.tie < o.tie
	}
	return k.place < o.place
}

// source returns the rank of the source of a row, and the place in it, of a key of a merge that is or is not backward.
func (k *key) source(backward bool) (rank, place uint32) {
	if backward {
		return uint32(^k.tie), ^k.place
	}
	return uint32(k.tie), k.place
}

// merge yields the rows of a window in order. It is a tournament of runs: each round plays only the matches of the run that won the last.
type merge struct {
	names   view
	reverse bool
	runs    []run
	keys    []key
	// lost has for each match, a node of a binary tree with node 1 at its root, the run that lost it. The children of node n are 2n and 2n+1;
	// leaf i is node len(runs)+i.
	lost []int32
}

func newMerge(w *window, reverse bool) *merge {
	m := &merge{names: w.names, reverse: reverse}
	n := 0
	for _, p := range w.pieces {
		n += len(p.segs)
	}
	m.runs, m.keys, m.lost = make([]run, 0, n), make([]key, n), make([]int32, n)
	for _, p := range w.pieces {
		for _, s := range p.segs {
			r := run{rows: p.rows, series: s.series, i: s.from, end: s.to}
			if reverse {
				r.i, r.end = s.to-1, s.from-1
			}
			if p.rows.series == nil {
				m.names.all[r.series].fill(&r.row)
			}
			m.runs = append(m.runs, r)
			m.load(len(m.runs) - 1)
		}
	}
	return m
}

// load reads the key of a run's current row.
func (m *merge) load(i int) {
	r, k := &m.runs[i], &m.keys[i]
	if r.i == r.end {
		*k = key{time: math.MaxInt64, over: true}
		return
	}
	d := r.rows
	if d.series != nil {
		r.series = d.series[r.i]
		m.names.all[r.series].fill(&r.row)
	}
	k.time, k.tie, k.place = d.times[r.i], uint64(m.names.order[r.series])<<32|uint64(d.rank), d.place(r.i)
	if m.reverse {
		k.time, k.tie, k.place = ^k.time, ^k.tie, ^k.place
	}
}

// play plays all matches below a node and returns the winner.
func (m *merge) play(node int) int32 {
	if node >= len(m.runs) {
		return int32(node - len(m.runs))
	}
	won, lost := m.play(2*node), m.play(2*node+1)
	if m.keys[lost].less(&m.keys[won]) {
		won, lost = lost, won
	}
	m.lost[node] = lost
	return won
}

// replay plays the matches of the run that won, whose key has changed, and returns the new winner.
func (m *merge) replay(won int32) int32 {
	for node := (len(m.runs) + int(won)) / 2; node > 0; node /= 2 {
		if lost := m.lost[node]; m.keys[lost].less(&m.keys[won]) {
			m.lost[node], won = won, lost
		}
	}
	return won
}

// each calls yield for each row, with its key, until it returns false, which each returns too. Both are valid during the call only.
func (m *merge) each(yield func(*record.Row, *key) bool) bool {
	if len(m.runs) == 0 {
		return true
	}
	step := 1
	if m.reverse {
		step = -1
	}
	for won := m.play(1); !m.keys[won].over; won = m.replay(won) {
		r := &m.runs[won]
		m.fill(r)
		if !yield(&r.row, &m.keys[won]) {
			return false
		}
		r.i += step
		m.load(int(won))
	}
	return true
}

// fill completes the current row of a run.
func (m *merge) fill(r *run) {
	d := r.rows
	r.row.Time, r.row.Log = d.times[r.i], d.log(r.i)
	if d.stream != nil {
		r.row.Stream = m.names.values[d.stream[r.i]]
	}
	if d.node != nil {
		r.row.Node = m.names.values[d.node[r.i]]
	}
}
