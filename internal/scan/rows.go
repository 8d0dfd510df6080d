package scan

import (
	"sort"

	"lethe/internal/block"
)

// rows are matching rows of one page, or of one raw object, with all that is needed to put them in order and to hand them out.
type rows struct {
	times []int64
	// logs holds the lines, row i at offsets[i] to offsets[i+1]; both are nil where lines are not wanted.
	logs    []byte
	offsets []uint32
	// page owns the memory of logs and offsets, where it is taken from a decoder as it is; else it is nil.
	page *block.LogPage
	// pos is the place of each row in its source; where it is nil, row i is at base+i.
	pos  []uint32
	base uint32
	// rank of the source.
	rank uint32
	// stream and node are numbers of label values, nil where they are not wanted.
	stream, node []uint32
	// series by row, where segs do not have one each.
	series []uint32
	// segs are stretches of rows in order of time and place.
	segs []segment
}

// segment is a stretch of rows of one series.
type segment struct {
	series   uint32
	from, to int
}

func (r *rows) len() int { return len(r.times) }

// rowOverhead is about what a row takes besides its line.
const rowOverhead = 16

func (r *rows) bytes() int64 {
	return int64(cap(r.times))*8 + int64(cap(r.logs)) + 4*int64(cap(r.offsets)+cap(r.pos)+cap(r.stream)+cap(r.node)+cap(r.series)) +
		int64(cap(r.segs))*24
}

func (r *rows) log(i int) []byte {
	if r.offsets == nil {
		return nil
	}
	from, to := r.offsets[i], r.offsets[i+1]
	return r.logs[from:to:to]
}

func (r *rows) place(i int) uint32 {
	if r.pos == nil {
		return r.base + uint32(i)
	}
	return r.pos[i]
}

// within returns the part of a segment whose times are from first to last, both included.
func (r *rows) within(s segment, first, last int64) segment {
	t := r.times[s.from:s.to]
	from := sort.Search(len(t), func(i int) bool { return t[i] >= first })
	to := from + sort.Search(len(t)-from, func(i int) bool { return t[from+i] > last })
	return segment{s.series, s.from + from, s.from + to}
}
