package block

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strings"

	"lethe/internal/layout"
	"lethe/internal/record"
)

// Sorter collects rows of one target and yields them in the order of record.CompareStored, equal ones in the order in which they
// came. It is made for lines that come nearly in order of time from each pod, as agents send them.
type Sorter struct {
	kind   layout.Kind
	target layout.Target
	budget int64
	used   int64
	rows   int64

	chunks  [][]byte
	buckets map[bucketKey]*bucket
	last    *bucket
	labels  []streamNode
	known   map[streamNode]uint32
}

// bucketKey is what a block is sorted by before time: pod and container, or process.
type bucketKey struct{ a, b string }

type streamNode struct{ stream, node string }

type bucket struct {
	key     bucketKey
	entries []entry
	// unsorted: a row came with an earlier time than one before it.
	unsorted bool
}

// entry is a row: its line is in chunk from off on.
type entry struct {
	time             int64
	chunk, off, size uint32
	labels           uint32
}

const (
	sortChunkBytes = 1 << 20
	entryBytes     = 24
	// bucketBytes is about what a bucket costs, labelBytes what a pair of labels does, beside their names.
	bucketBytes = 200
	labelBytes  = 100
)

// NewSorter returns a Sorter of rows of a target. It is Full when it holds about budget bytes. Errors wrap ErrOptions.
func NewSorter(t layout.Target, budget int64) (*Sorter, error) {
	if budget < 1 {
		return nil, fmt.Errorf("%w: a sorter with a budget of %d bytes", ErrOptions, budget)
	}
	s := &Sorter{kind: t.Kind, target: t, budget: budget}
	s.Reset()
	return s, nil
}

// Reset forgets all rows.
func (s *Sorter) Reset() {
	*s = Sorter{kind: s.kind, target: s.target, budget: s.budget, buckets: map[bucketKey]*bucket{}, known: map[streamNode]uint32{}}
}

// Add takes a row; its Log is copied. Errors wrap ErrRow.
func (s *Sorter) Add(r *record.Row) error {
	if err := checkRow(r); err != nil {
		return err
	}
	b := s.bucket(r)
	e := entry{time: r.Time, size: uint32(len(r.Log)), labels: s.label(streamNode{r.Stream, r.Node})}
	e.chunk, e.off = s.keep(r.Log)
	n := len(b.entries)
	b.unsorted = b.unsorted || n > 0 && b.entries[n-1].time > r.Time
	before := cap(b.entries)
	b.entries = append(b.entries, e)
	s.used += int64(cap(b.entries)-before) * entryBytes
	s.rows++
	return nil
}

func (s *Sorter) bucket(r *record.Row) *bucket {
	a, b := r.Group(s.kind)
	key := bucketKey{a, b}
	if s.last != nil && s.last.key == key {
		return s.last
	}
	have, ok := s.buckets[key]
	if !ok {
		have = &bucket{key: key}
		s.buckets[key] = have
		s.used += bucketBytes + int64(len(a)+len(b))
	}
	s.last = have
	return have
}

func (s *Sorter) label(l streamNode) uint32 {
	if n := len(s.labels); n > 0 && s.labels[n-1] == l {
		return uint32(n - 1)
	}
	id, ok := s.known[l]
	if !ok {
		id = uint32(len(s.labels))
		s.labels = append(s.labels, l)
		s.known[l] = id
		s.used += labelBytes + int64(len(l.stream)+len(l.node))
	}
	return id
}

// keep copies a line and returns where it is.
func (s *Sorter) keep(line []byte) (chunk, off uint32) {
	n := len(s.chunks)
	if n == 0 || cap(s.chunks[n-1])-len(s.chunks[n-1]) < len(line) {
		size := max(int64(len(line)), min(sortChunkBytes, s.budget/8))
		s.chunks = append(s.chunks, make([]byte, 0, size))
		s.used += size
		n++
	}
	c := &s.chunks[n-1]
	off = uint32(len(*c))
	*c = append(*c, line...)
	return uint32(n - 1), off
}

// Full tells whether the budget is used up. Rows may be added all the same.
func (s *Sorter) Full() bool { return s.used >= s.budget }

// Bytes returns about how much memory the rows take.
func (s *Sorter) Bytes() int64 { return s.used }

// Len returns the number of rows.
func (s *Sorter) Len() int64 { return s.rows }

// Rows yields the rows in order. A row is valid until the next one; its Log, until Reset. Rows may not be added meanwhile.
func (s *Sorter) Rows() iter.Seq[*record.Row] {
	return func(yield func(*record.Row) bool) {
		var row record.Row
		for _, b := range s.sorted() {
			row = s.blank(b.key)
			for i := range b.entries {
				e := &b.entries[i]
				row.Time = e.time
				if s.kind == layout.Pod {
					l := &s.labels[e.labels]
					row.Stream, row.Node = l.stream, l.node
				}
				row.Log = s.chunks[e.chunk][e.off : e.off+e.size : e.off+e.size]
				if !yield(&row) {
					return
				}
			}
		}
	}
}

// blank returns a row of a bucket without what its rows differ in.
func (s *Sorter) blank(k bucketKey) record.Row {
	if s.kind == layout.Node {
		return record.Row{Node: s.target.Name, Process: k.a}
	}
	return record.Row{Namespace: s.target.Name, Pod: k.a, Container: k.b}
}

// sorted returns the buckets in order, each of them sorted.
func (s *Sorter) sorted() []*bucket {
	out := make([]*bucket, 0, len(s.buckets))
	for _, b := range s.buckets {
		if b.unsorted {
			slices.SortStableFunc(b.entries, func(x, y entry) int { return cmp.Compare(x.time, y.time) })
			b.unsorted = false
		}
		out = append(out, b)
	}
	slices.SortFunc(out, func(x, y *bucket) int {
		if c := strings.Compare(x.key.a, y.key.a); c != 0 {
			return c
		}
		return strings.Compare(x.key.b, y.key.b)
	})
	return out
}
