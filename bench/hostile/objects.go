package hostile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"os"
	"strconv"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"lethe/internal/layout"
)

// Options say how much of a shape is made.
type Options struct {
	Shape Shape
	Seed  uint64
	// JSON is about how many bytes of JSON lines there are in all.
	JSON int64
	// End of the lines; it is the end of an hour.
	End time.Time
	// Dir takes an object while it is made.
	Dir string
}

// Object is one upload.
type Object struct {
	Key string
	// Body is valid until the next object.
	Body io.ReadSeeker
	Size int64
	// Rows and JSON, the bytes of its lines.
	Rows, JSON int64
}

// Objects yields the uploads of a shape, the same ones for the same options.
func Objects(o Options) iter.Seq2[*Object, error] {
	return func(yield func(*Object, error) bool) {
		o.Shape = o.Shape.withDefaults()
		if err := o.check(); err != nil {
			yield(nil, err)
			return
		}
		m := &maker{o: o, r: rand.New(rand.NewPCG(o.Seed, 11))}
		m.pool = pool(m.r, max(int(min(o.JSON, maxPool)), 2*o.Shape.LineBytes))
		for i := range o.Shape.Objects {
			for ns := range o.Shape.Namespaces {
				obj, done, err := m.object(ns, i)
				if err != nil {
					yield(nil, err)
					return
				}
				more := yield(obj, nil)
				if err := done(); err != nil || !more {
					if err != nil && more {
						yield(nil, err)
					}
					return
				}
			}
		}
	}
}

func (o *Options) check() error {
	switch s := &o.Shape; {
	case s.Objects < 1 || s.Pods < 1 || s.LineBytes < 32:
		return fmt.Errorf("%w: the shape is %+v", ErrOptions, *s)
	case o.JSON < int64(s.Objects*s.Namespaces):
		return fmt.Errorf("%w: %d bytes for %d objects", ErrOptions, o.JSON, s.Objects*s.Namespaces)
	case !o.End.Equal(o.End.Truncate(time.Hour)):
		return fmt.Errorf("%w: the lines end at %s, it must be a whole hour", ErrOptions, o.End)
	}
	return nil
}

// maxPool is the size of the pool, unless lines are longer, in bytes: more than a window.
const maxPool = 48 << 20

// pool is what lines are cut from: words, and as much that does not compress.
func pool(r *rand.Rand, n int) []byte {
	words := [...]string{"GET", "request", "failed", "connection", "timeout", "user", "session", "error=none", "status=200", "path=/api/v1/orders", "retry", "cache"}
	out := make([]byte, 0, n+64)
	for len(out) < n {
		out = append(out, words[r.IntN(len(words))]...)
		out = append(out, ' ')
		if r.IntN(4) == 0 {
			out = strconv.AppendUint(out, r.Uint64(), 16)
			out = append(out, ' ')
		}
	}
	return out
}

// maker makes objects.
type maker struct {
	o    Options
	r    *rand.Rand
	pool []byte
	next int64 // number of a line
	line []byte
}

// object makes the i-th object of a namespace. The caller calls done when it needs it no more.
func (m *maker) object(ns, i int) (obj *Object, done func() error, err error) {
	f, err := os.CreateTemp(m.o.Dir, "lethe-upload-*")
	if err != nil {
		return nil, nil, err
	}
	done = func() error { return errors.Join(f.Close(), os.Remove(f.Name())) }
	obj = &Object{Body: f}
	if err = m.write(f, ns, obj); err == nil {
		obj.Size, err = f.Seek(0, io.SeekCurrent)
	}
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, nil, errors.Join(err, done())
	}
	target, err := layout.NewTarget(layout.Pod, fmt.Sprintf("ns-%02d", ns))
	if err != nil {
		return nil, nil, errors.Join(err, done())
	}
	suffix := [...]string{Gzip: ".gz", Zstd: ".zst"}[m.o.Shape.Format]
	obj.Key = layout.RawKey(target, layout.HourOf(m.start()), fmt.Sprintf("node-0-%06d.jsonl%s", i, suffix))
	return obj, done, nil
}

func (m *maker) start() int64 { return m.o.End.Add(-m.o.Shape.Span()).UnixNano() }

// write writes the body of an object.
func (m *maker) write(to io.Writer, ns int, obj *Object) error {
	buf := bufio.NewWriterSize(to, 1<<20)
	z, err := m.compressor(buf)
	if err != nil {
		return err
	}
	s := &m.o.Shape
	size := m.o.JSON / int64(s.Objects*s.Namespaces)
	// A line of JSON has about as much beside its text.
	const around = 180
	lines := max(1, size/int64(s.LineBytes+around))
	for i := range lines {
		m.record(ns, m.at(i, lines))
		if _, err := z.Write(m.line); err != nil {
			return err
		}
		obj.JSON += int64(len(m.line))
		obj.Rows++
	}
	if err := z.Close(); err != nil {
		return err
	}
	return buf.Flush()
}

// at returns the time of the i-th of some lines.
func (m *maker) at(i, lines int64) int64 {
	span := int64(m.o.Shape.Span())
	switch {
	case m.o.Shape.Same:
		return m.start()
	case m.o.Shape.Mixed:
		return m.start() + m.r.Int64N(span)
	}
	return m.start() + int64(float64(span)*float64(i)/float64(lines))
}

// record makes the next line of JSON.
func (m *maker) record(ns int, at int64) {
	s := &m.o.Shape
	n, pod, from := m.next, m.r.IntN(s.Pods), m.r.IntN(len(m.pool)-s.LineBytes)
	if s.Same {
		n, pod, from = 0, 0, 0
	}
	m.next++
	b := append(m.line[:0], `{"time":"`...)
	b = time.Unix(0, at).UTC().AppendFormat(b, time.RFC3339Nano)
	b = fmt.Appendf(b, `","pod":"pod-%05d","namespace":"ns-%02d","container":"app","stream":"stdout","node":"node-0","log":"`, pod, ns)
	b = fmt.Appendf(b, "%s%0*d ", mark, digits, n)
	b = append(b, m.pool[from:from+s.LineBytes-len(mark)-digits-1]...)
	m.line = append(b, "\"}\n"...)
}

func (m *maker) compressor(to io.Writer) (io.WriteCloser, error) {
	if m.o.Shape.Format == Gzip {
		return gzip.NewWriterLevel(to, gzip.BestSpeed)
	}
	options := []zstd.EOption{zstd.WithEncoderConcurrency(1)}
	if w := m.o.Shape.Window; w > 0 {
		options = append(options, zstd.WithWindowSize(w))
	}
	return zstd.NewWriter(to, options...)
}
