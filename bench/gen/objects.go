package gen

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"lethe/internal/layout"
	"lethe/internal/record"
)

// Compression is that of an agent's uploads.
type Compression int

// The compressions.
const (
	Gzip Compression = iota
	Zstd
	Plain
)

// Object is one upload of an agent.
type Object struct {
	// Key is where it lies in the bucket.
	Key string
	// Body is what was uploaded. It is valid until the next object.
	Body []byte
	// Rows is how many lines it has.
	Rows int
	// Bytes is the length of its JSON lines.
	Bytes int64
	// Uploaded is when the agent uploaded it.
	Uploaded time.Time
}

// ObjectOptions say how the agents upload.
type ObjectOptions struct {
	// Compression of the bodies. The default is Gzip.
	Compression Compression
	// Every is the longest time between two uploads of a node's lines of one namespace. The default is a minute.
	Every time.Duration
	// MaxBytes of JSON lines are uploaded at once, and are held for each node and namespace. The default is 8 MiB.
	MaxBytes int
}

// Objects yields the lines as the uploads of Fluent Bit, one agent a node, in the order of the uploads.
func (g *Generator) Objects(o ObjectOptions) iter.Seq2[*Object, error] {
	return func(yield func(*Object, error) bool) {
		if o.Every == 0 {
			o.Every = time.Minute
		}
		if o.MaxBytes == 0 {
			o.MaxBytes = 8 << 20
		}
		if o.Every < 0 || o.MaxBytes < 0 || o.Compression < Gzip || o.Compression > Plain {
			yield(nil, fmt.Errorf("%w: uploads %+v", ErrOptions, o))
			return
		}
		u, err := newUploader(g, o)
		if err == nil {
			err = u.run(yield)
		}
		if err != nil && !errors.Is(err, errStop) {
			yield(nil, err)
		}
	}
}

// errStop ends a run whose caller has seen enough.
var errStop = errors.New("stopped")

type uploader struct {
	g        *Generator
	o        ObjectOptions
	r        *rand.Rand
	pending  map[string]*pending // by node and namespace
	ids      map[string]string   // container ids by namespace and pod
	compress *compressor
}

// pending is what an agent has not uploaded yet of a namespace.
type pending struct {
	name   string
	target layout.Target
	node   string
	first  int64
	rows   int
	lines  []byte
}

func newUploader(g *Generator, o ObjectOptions) (*uploader, error) {
	c, err := newCompressor(o.Compression)
	if err != nil {
		return nil, err
	}
	u := &uploader{g: g, o: o, r: rand.New(rand.NewPCG(g.o.Seed, 3)), pending: map[string]*pending{}, ids: map[string]string{}, compress: c}
	for _, p := range g.pods {
		u.ids[p.row.Namespace+"/"+p.row.Pod] = p.containerID
	}
	return u, nil
}

func (u *uploader) run(yield func(*Object, error) bool) error {
	upload := func(p *pending, at int64) error {
		o, err := u.object(p, at)
		if err != nil {
			return err
		}
		p.lines, p.rows = p.lines[:0], 0
		if !yield(o, nil) {
			return errStop
		}
		return nil
	}
	next := u.g.o.Start.UnixNano() + int64(u.o.Every)
	var last int64
	for row := range u.g.Rows() {
		for ; row.Time >= next; next += int64(u.o.Every) {
			if err := u.all(upload, next); err != nil {
				return err
			}
		}
		p, err := u.of(row)
		if err != nil {
			return err
		}
		last = row.Time
		if p.rows == 0 {
			p.first = row.Time
		}
		p.lines = appendRecord(p.lines, row, u.ids[row.Namespace+"/"+row.Pod])
		p.rows++
		if len(p.lines) >= u.o.MaxBytes {
			if err := upload(p, row.Time); err != nil {
				return err
			}
		}
	}
	return u.all(upload, last)
}

// all uploads what is pending, in the order of the names.
func (u *uploader) all(upload func(*pending, int64) error, at int64) error {
	var due []*pending
	for _, p := range u.pending {
		if p.rows > 0 {
			due = append(due, p)
		}
	}
	slices.SortFunc(due, func(a, b *pending) int { return strings.Compare(a.name, b.name) })
	for _, p := range due {
		if err := upload(p, at); err != nil {
			return err
		}
	}
	return nil
}

func (u *uploader) of(row *record.Row) (*pending, error) {
	name := row.Namespace + "/" + row.Node
	if p := u.pending[name]; p != nil {
		return p, nil
	}
	t, err := layout.NewTarget(layout.Pod, row.Namespace)
	if err != nil {
		return nil, err
	}
	p := &pending{name: name, target: t, node: row.Node}
	u.pending[name] = p
	return p, nil
}

func (u *uploader) object(p *pending, at int64) (*Object, error) {
	body, suffix, err := u.compress.do(p.lines)
	if err != nil {
		return nil, err
	}
	first := time.Unix(0, p.first).UTC()
	name := fmt.Sprintf("%s-%s-%s.jsonl%s", p.node, first.Format("0405"), text(u.r, base62, 8), suffix)
	return &Object{
		Key: layout.RawKey(p.target, layout.HourOf(p.first), name), Body: body, Rows: p.rows, Bytes: int64(len(p.lines)), Uploaded: time.Unix(0, at).UTC(),
	}, nil
}

// compressor compresses bodies into one buffer.
type compressor struct {
	kind Compression
	out  bytes.Buffer // of gzip
	buf  []byte       // of zstd
	gzip *gzip.Writer
	zstd *zstd.Encoder
}

func newCompressor(kind Compression) (*compressor, error) {
	c := &compressor{kind: kind, gzip: gzip.NewWriter(io.Discard)}
	var err error
	c.zstd, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	return c, err
}

func (c *compressor) do(lines []byte) (body []byte, suffix string, err error) {
	switch c.kind {
	case Plain:
		return lines, "", nil
	case Zstd:
		c.buf = c.zstd.EncodeAll(lines, c.buf[:0])
		return c.buf, ".zst", nil
	case Gzip:
	}
	c.out.Reset()
	c.gzip.Reset(&c.out)
	if _, err := c.gzip.Write(lines); err != nil {
		return nil, "", err
	}
	if err := c.gzip.Close(); err != nil {
		return nil, "", err
	}
	return c.out.Bytes(), ".gz", nil
}
