package block

import (
	"encoding/binary"
	"fmt"

	"github.com/klauspost/compress/zstd"

	"lethe/internal/layout"
	"lethe/internal/record"
)

// Run is a stretch of rows of one pod and container, or of one process. Every row of a block is in exactly one run.
type Run struct {
	// Row is the first row, counted from the start of the block; Rows is at least 1.
	Row, Rows int64
	// Pod and Container, or Process, of all rows.
	Pod, Container, Process string
	// Stream and Node of the rows, where OneStream and OneNode tell that all rows have the same.
	Stream, Node       string
	OneStream, OneNode bool
	// Min and Max time of the rows in Unix nanoseconds, both included. Rows of a run are in time order.
	Min, Max int64
}

// The directory of runs is zstd over the number of runs and, for each run, what differs from the run before: numbers as varints,
// names as the number of bytes shared with the name before, and the rest.
const (
	flagOneStream = 1 << iota
	flagOneNode
)

const (
	// maxRunsBytes bounds the directory when decompressed, and the names in it.
	maxRunsBytes = 64 << 20
	// maxRunsWritten is how large a directory is written. A block that needs a larger one has none: the labels are in its columns.
	maxRunsWritten = 8 << 20
	// runsAtOnce is for how many runs memory is taken before they were read: a damaged directory may name any number.
	runsAtOnce = 1 << 16
)

// runWriter encodes runs as rows come.
type runWriter struct {
	kind layout.Kind
	buf  []byte
	n    uint64
	cur  Run
	prev Run
	// names is how many bytes of names a reader will hold.
	names int
	over  bool
}

func (w *runWriter) add(r *record.Row, newRun bool) {
	if !newRun {
		c := &w.cur
		c.Rows++
		c.Max = r.Time
		c.OneStream = c.OneStream && c.Stream == r.Stream
		c.OneNode = c.OneNode && c.Node == r.Node
		return
	}
	w.flush()
	w.cur = Run{
		Rows: 1, Pod: r.Pod, Container: r.Container, Process: r.Process, Stream: r.Stream, Node: r.Node,
		OneStream: true, OneNode: true, Min: r.Time, Max: r.Time,
	}
}

func (w *runWriter) flush() {
	c, p := &w.cur, &w.prev
	w.names += len(c.Pod) + len(c.Container) + len(c.Process) + len(c.Stream) + len(c.Node)
	if w.over = w.over || len(w.buf) > maxRunsWritten || w.names > maxRunsBytes; w.over {
		w.buf = nil
		return
	}
	if c.Rows == 0 {
		return
	}
	w.n++
	var flags byte
	if c.OneStream {
		flags |= flagOneStream
	} else {
		c.Stream = p.Stream
	}
	if c.OneNode {
		flags |= flagOneNode
	} else {
		c.Node = p.Node
	}
	w.buf = append(w.buf, flags)
	w.buf = binary.AppendUvarint(w.buf, uint64(c.Rows))
	w.buf = binary.AppendVarint(w.buf, c.Min-p.Min)
	w.buf = binary.AppendUvarint(w.buf, uint64(c.Max-c.Min))
	if w.kind == layout.Node {
		w.buf = appendName(w.buf, p.Process, c.Process)
	} else {
		w.buf = appendName(w.buf, p.Pod, c.Pod)
		w.buf = appendName(w.buf, p.Container, c.Container)
		w.buf = appendName(w.buf, p.Stream, c.Stream)
		w.buf = appendName(w.buf, p.Node, c.Node)
	}
	w.prev = *c
}

func appendName(dst []byte, prev, name string) []byte {
	n := 0
	for n < len(prev) && n < len(name) && prev[n] == name[n] {
		n++
	}
	dst = binary.AppendUvarint(dst, uint64(n))
	dst = binary.AppendUvarint(dst, uint64(len(name)-n))
	return append(dst, name[n:]...)
}

// finish returns the section, nil where it would be too large. pack makes one zstd frame.
func (w *runWriter) finish(pack func([]byte) []byte) []byte {
	if w.flush(); w.over {
		return nil
	}
	return pack(append(binary.AppendUvarint(nil, w.n), w.buf...))
}

// parseRuns reads the directory of a block of the target with that many rows.
func parseRuns(data []byte, t layout.Target, rows int64) ([]Run, error) {
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxRunsBytes))
	if err != nil {
		return nil, err
	}
	defer dec.Close()
	raw, err := dec.DecodeAll(data, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: directory of runs: %w", ErrIndex, err)
	}
	d := runReader{rest: raw, kind: t.Kind}
	n := d.uvarint()
	if n > uint64(len(raw)/leastRun(t.Kind)) || n > uint64(max(0, rows)) {
		return nil, fmt.Errorf("%w: %d runs in %d bytes, of %d rows", ErrIndex, n, len(raw), rows)
	}
	out := make([]Run, 0, min(n, runsAtOnce))
	var prev Run
	for range n {
		run, ok := d.run(&prev)
		if !ok || run.Rows > rows-run.Row {
			return nil, fmt.Errorf("%w: run %d of %d", ErrIndex, len(out), n)
		}
		prev = run
		if !run.OneStream {
			run.Stream = ""
		}
		if t.Kind == layout.Node {
			run.Node, run.OneNode, run.Stream, run.OneStream = t.Name, true, "", true
		} else if !run.OneNode {
			run.Node = ""
		}
		out = append(out, run)
	}
	if prev.Row+prev.Rows != rows || len(d.rest) != 0 {
		return nil, fmt.Errorf("%w: runs of %d rows in a block of %d", ErrIndex, prev.Row+prev.Rows, rows)
	}
	return out, nil
}

// leastRun returns how many bytes a run takes at least: its flags and three numbers, and two numbers for each name.
func leastRun(k layout.Kind) int {
	if k == layout.Node {
		return 4 + 2
	}
	return 4 + 4*2
}

// runReader reads what runWriter wrote. After the first error it yields zeros and bad is set.
type runReader struct {
	rest  []byte
	kind  layout.Kind
	bad   bool
	names int
}

func (d *runReader) run(prev *Run) (Run, bool) {
	if len(d.rest) == 0 {
		return Run{}, false
	}
	flags := d.rest[0]
	d.rest = d.rest[1:]
	r := Run{Row: prev.Row + prev.Rows, OneStream: flags&flagOneStream != 0, OneNode: flags&flagOneNode != 0}
	r.Rows = int64(d.uvarint())
	r.Min = prev.Min + d.varint()
	r.Max = r.Min + int64(d.uvarint())
	if d.kind == layout.Node {
		r.Process = d.name(prev.Process)
	} else {
		r.Pod = d.name(prev.Pod)
		r.Container = d.name(prev.Container)
		r.Stream = d.name(prev.Stream)
		r.Node = d.name(prev.Node)
	}
	return r, !d.bad && r.Rows > 0 && r.Max >= r.Min
}

func (d *runReader) uvarint() uint64 {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 {
		d.bad, d.rest = true, nil
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *runReader) varint() int64 {
	v, n := binary.Varint(d.rest)
	if n <= 0 {
		d.bad, d.rest = true, nil
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *runReader) name(prev string) string {
	shared, n := d.uvarint(), d.uvarint()
	if shared > uint64(len(prev)) || n > uint64(len(d.rest)) || shared+n > MaxLabelBytes || d.names > maxRunsBytes {
		d.bad = true
		return ""
	}
	if n == 0 && shared == uint64(len(prev)) {
		return prev
	}
	d.names += int(shared + n)
	s := prev[:shared] + string(d.rest[:n])
	d.rest = d.rest[n:]
	return s
}
