package fanout

import (
	"encoding/binary"
	"errors"

	"lethe/internal/record"
	"lethe/internal/scan"
)

// origin is what the rows of one series, stream and node have in common.
type origin struct{ namespace, pod, container, stream, node, process string }

func originOf(r *record.Row) origin {
	return origin{r.Namespace, r.Pod, r.Container, r.Stream, r.Node, r.Process}
}

func (o *origin) texts() []*string {
	return []*string{&o.namespace, &o.pod, &o.container, &o.stream, &o.node, &o.process}
}

// rowEncoder writes rows: the number of their origin, which stands behind it where it is new, the distance of the time from that of the row before, rank,
// place, and the line behind its length.
type rowEncoder struct {
	known map[origin]uint64
	last  struct {
		origin origin
		id     uint64
	}
	time int64
	buf  []byte
}

func newRowEncoder() *rowEncoder { return &rowEncoder{known: map[origin]uint64{}} }

func (e *rowEncoder) add(r *scan.Ranked) {
	// Neighbours are often of one origin.
	if o := originOf(&r.Row); len(e.known) > 0 && o == e.last.origin {
		e.buf = binary.AppendUvarint(e.buf, e.last.id)
	} else {
		e.addOrigin(o)
	}
	e.buf = binary.AppendVarint(e.buf, r.Time-e.time) // what overflows here does so again when it is read
	e.time = r.Time
	e.buf = binary.AppendUvarint(e.buf, uint64(r.Rank))
	e.buf = binary.AppendUvarint(e.buf, uint64(r.Place))
	e.buf = binary.AppendUvarint(e.buf, uint64(len(r.Log)))
	e.buf = append(e.buf, r.Log...)
}

func (e *rowEncoder) addOrigin(o origin) {
	id, ok := e.known[o]
	if !ok {
		id = uint64(len(e.known))
		e.known[o] = id
	}
	e.last.origin, e.last.id = o, id
	e.buf = binary.AppendUvarint(e.buf, id)
	if ok {
		return
	}
	for _, text := range o.texts() {
		e.buf = binary.AppendUvarint(e.buf, uint64(len(*text)))
		e.buf = append(e.buf, *text...)
	}
}

var errRows = errors.New("the rows of an answer cannot be read")

// rowDecoder reads what a rowEncoder wrote, frame by frame.
type rowDecoder struct {
	origins []origin
	time    int64
	b       []byte
	bad     bool
}

// decode returns the rows of a frame. Their lines lie in its memory.
func (d *rowDecoder) decode(frame []byte) ([]scan.Ranked, error) {
	d.b = frame
	var out []scan.Ranked
	for len(d.b) > 0 {
		o := d.origin()
		d.time += d.varint()
		rank, place := d.uvarint(), d.uvarint()
		log := d.bytes()
		if d.bad || rank > 1<<32-1 || place > 1<<32-1 {
			return nil, errRows
		}
		out = append(out, scan.Ranked{
			Row: record.Row{
				Time: d.time, Namespace: o.namespace, Pod: o.pod, Container: o.container, Stream: o.stream, Node: o.node, Process: o.process, Log: log,
			},
			Rank: uint32(rank), Place: uint32(place),
		})
	}
	return out, nil
}

func (d *rowDecoder) origin() origin {
	id := d.uvarint()
	if id < uint64(len(d.origins)) {
		return d.origins[id]
	}
	var o origin
	if id > uint64(len(d.origins)) {
		d.bad = true
		return o
	}
	for _, text := range o.texts() {
		*text = string(d.bytes())
	}
	d.origins = append(d.origins, o)
	return o
}

func (d *rowDecoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	return v * d.used(n)
}

func (d *rowDecoder) varint() int64 {
	v, n := binary.Varint(d.b)
	return v * int64(d.used(n))
}

// used takes n bytes, and returns 1, or 0 where there are none.
func (d *rowDecoder) used(n int) uint64 {
	if n <= 0 {
		d.b, d.bad = nil, true
		return 0
	}
	d.b = d.b[n:]
	return 1
}

func (d *rowDecoder) bytes() []byte {
	n := d.uvarint()
	if n > uint64(len(d.b)) {
		d.b, d.bad = nil, true
		return nil
	}
	out := d.b[:n:n]
	d.b = d.b[n:]
	return out
}
