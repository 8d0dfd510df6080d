package scan

import (
	"context"
	"time"

	"lethe/internal/layout"
	"lethe/internal/linefilter"
	"lethe/internal/rawobj"
	"lethe/internal/record"
	"lethe/objstore"
)

// rawKey names a raw object as it was listed. Agents never write a name twice; size and time make sure.
type rawKey struct {
	key      string
	size     int64
	modified time.Time
}

func rawKeyOf(o objstore.Object) rawKey { return rawKey{o.Key, o.Size, o.LastModified.UTC()} }

// tableBytes is how many bytes of lines end a table, and tableRows how many rows do.
const (
	tableBytes = 4 << 20
	tableRows  = 1 << 16
)

// table holds rows of a raw object in columns, all of them or a stretch of them. Once it is in the cache it never changes.
type table struct {
	target layout.Target
	head   rawobj.Head
	// first is the place of the first row in its object.
	first   uint32
	times   []int64
	logs    []byte
	offsets []uint32
	// labels of the rows, as numbers of origins.
	label   []uint32
	origins []origin
	known   map[origin]uint32
	names   int64
}

// origin is where a row comes from: the labels that are no target.
type origin struct{ group1, group2, stream, node string }

func newTable(t layout.Target) *table {
	return &table{target: t, offsets: []uint32{0}, known: map[origin]uint32{}}
}

// next empties the table for the rows that follow those in it.
func (t *table) next() {
	t.first += uint32(len(t.times))
	t.times, t.logs, t.offsets, t.label = t.times[:0], t.logs[:0], t.offsets[:1], t.label[:0]
}

func (t *table) bytes() int64 {
	return int64(cap(t.times))*8 + int64(cap(t.logs)) + 4*int64(cap(t.offsets)+cap(t.label)) + t.names
}

// fill takes rows until the table is full; it is false when there are no more.
func (t *table) fill(rows *rawobj.Rows) (bool, error) {
	var r record.Row
	for len(t.logs) < tableBytes && len(t.times) < tableRows {
		switch err := rows.Next(&r); {
		case record.AtEnd(err):
			return false, nil
		case err != nil:
			return false, err
		}
		t.add(&r)
	}
	return true, nil
}

func (t *table) add(r *record.Row) {
	o := origin{stream: r.Stream, node: r.Node}
	o.group1, o.group2 = r.Group(t.target.Kind)
	id, ok := uint32(0), false
	// Neighbours are often of one origin.
	if n := len(t.label); n > 0 && t.origins[t.label[n-1]] == o {
		id, ok = t.label[n-1], true
	} else {
		id, ok = t.known[o]
	}
	if !ok {
		id = uint32(len(t.origins))
		t.origins = append(t.origins, o)
		t.known[o] = id
		t.names += int64(len(o.group1)+len(o.group2)+len(o.stream)+len(o.node)) + 200
	}
	t.times = append(t.times, r.Time)
	t.label = append(t.label, id)
	t.logs = append(t.logs, r.Log...)
	t.offsets = append(t.offsets, uint32(len(t.logs)))
}

// searchTable hands the rows of a table within a span that the query selects to v.
func (q *query) searchTable(ctx context.Context, t *table, in span, v rawVisitor) error {
	n := len(t.times)
	if n == 0 {
		return nil
	}
	of := make([]series, len(t.origins))
	allowed := make([]bool, len(t.origins))
	for i, o := range t.origins {
		of[i] = series{t.target, o.group1, o.group2}
		allowed[i] = q.allowsSeries(of[i]) && q.allowsOrigin(&o)
	}
	sel := linefilter.NewBitmap(n)
	for i, at := range t.times {
		if at >= in.first && at <= in.last && allowed[t.label[i]] {
			sel.Set(i)
		}
	}
	q.count.linesScanned.Add(int64(n))
	if !q.chain.All() {
		q.count.bytesScanned.Add(int64(len(t.logs)))
		if err := q.chain.Search(ctx, t.logs, t.offsets, sel); err != nil {
			return err
		}
	}
	v.expect(t, sel)
	var r record.Row
	for i := range sel.All() {
		o := &t.origins[t.label[i]]
		s := &of[t.label[i]]
		s.fill(&r)
		if t.target.Kind == layout.Pod {
			r.Stream, r.Node = o.stream, o.node
		}
		r.Time, r.Log = t.times[i], t.logs[t.offsets[i]:t.offsets[i+1]:t.offsets[i+1]]
		if err := v.row(&r, *s, t.first+uint32(i)); err != nil {
			return err
		}
	}
	return nil
}

// allowsOrigin asks the matchers on labels that are not part of the series.
func (q *query) allowsOrigin(o *origin) bool {
	return q.sel.Kind == layout.Node || (matchAll(q.matchers["stream"], o.stream) && matchAll(q.matchers["node"], o.node))
}
