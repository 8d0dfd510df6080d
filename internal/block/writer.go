package block

import (
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go"

	"lethe/internal/layout"
	"lethe/internal/record"
)

// Writer writes one block. It holds a page of lines and a row group in compressed form; nothing grows with the block but the
// page index and the line index.
type Writer struct {
	target layout.Target
	opts   Options
	out    *output
	codec  *codec
	pq     *parquet.GenericWriter[any]
	cols   []Column

	page   *page
	bounds lineBounds
	runs   runWriter
	index  *indexWriter

	groupRows, groupPages int
	// groupLabels bounds the bytes in the dictionaries of the row group.
	groupLabels int
	meta        Meta
	escaped     bool
	last        record.Row
	err         error
}

// NewWriter returns a writer of a block of the target. Bytes go to w as row groups fill up; when Close fails, or is not called,
// what went there is no block. Errors wrap ErrOptions.
func NewWriter(w io.Writer, t layout.Target, o Options) (*Writer, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	codec, err := newCodec(o.Level, o.PageBytes, o.Pool)
	if err != nil {
		return nil, err
	}
	b := &Writer{target: t, opts: o, out: newOutput(w), codec: codec, cols: columnsOf(t.Kind), runs: runWriter{kind: t.Kind}, page: o.Pool.page()}
	if !o.NoIndex {
		b.index = newIndexWriter(codec.pack)
	}
	b.pq = parquet.NewGenericWriter[any](b.out, schemaOf(t.Kind, &b.bounds),
		parquet.CreatedBy("lethe", fmt.Sprint(Version), ""),
		parquet.Compression(codec),
		// Pages are written whole and flushed by hand, so the library's own buffers may be small.
		parquet.PageBufferSize(4<<10),
		// What a row group takes is known when it has been written: the index is given a share of it.
		parquet.WriteBufferSize(0),
		// The first version of pages is what every engine reads.
		parquet.DataPageVersion(1),
		parquet.DataPageStatistics(false),
		parquet.ColumnIndexSizeLimit(boundBytes),
		parquet.SkipPageBounds(ColLog.String()), // the writer says them
		parquet.SortingWriterConfig(parquet.SortingColumns(sortingOf(t.Kind)...)),
	)
	return b, nil
}

// boundBytes is how long the bounds of a page are that other engines skip pages by: those of lines would be as long as lines, and
// no Kubernetes name needs more to be told from the others.
func boundBytes(path []string) int {
	if path[0] == ColLog.String() {
		return lineBoundBytes
	}
	return 128
}

const lineBoundBytes = 16

// Write adds a row. Rows come in the order of record.CompareStored; a row that sorts before the one written last is refused with
// ErrOrder, and one that is too large with ErrRow: both leave the block as it was. Log is copied. Any other error is final.
func (w *Writer) Write(r *record.Row) error {
	if w.err != nil {
		return w.err
	}
	if err := checkRow(r); err != nil {
		return err
	}
	first := w.meta.Rows == 0
	newRun := first || !w.sameRun(r)
	if !first && (r.Time < w.last.Time || newRun) && record.CompareStored(w.target.Kind, &w.last, r) > 0 {
		g1, g2 := r.Group(w.target.Kind)
		return fmt.Errorf("%w: a row of %q %q at %d ns comes after one that sorts behind it", ErrOrder, g1, g2, r.Time)
	}
	if w.pageEnds(r, newRun) {
		if w.err = w.flushPage(); w.err != nil {
			return w.err
		}
	}
	w.add(r, newRun)
	return nil
}

func checkRow(r *record.Row) error {
	if len(r.Log) > MaxLineBytes {
		return fmt.Errorf("%w: a line of %d bytes, the limit is %d", ErrRow, len(r.Log), MaxLineBytes)
	}
	for _, label := range [...]string{r.Namespace, r.Pod, r.Container, r.Stream, r.Node, r.Process} {
		if len(label) > MaxLabelBytes {
			return fmt.Errorf("%w: a label of %d bytes, the limit is %d", ErrRow, len(label), MaxLabelBytes)
		}
	}
	return nil
}

func (w *Writer) sameRun(r *record.Row) bool {
	if w.target.Kind == layout.Node {
		return r.Process == w.last.Process
	}
	return r.Pod == w.last.Pod && r.Container == w.last.Container
}

// pageEnds tells whether a page ends before r.
func (w *Writer) pageEnds(r *record.Row, newRun bool) bool {
	size, rows := len(w.page.log), len(w.page.times)
	switch {
	case rows == 0:
		return false
	case newRun && size >= w.opts.MinPageBytes:
		return true
	case w.groupRows+rows >= w.opts.RowGroupRows, w.groupLabels >= maxGroupLabels:
		return true
	}
	return size+len(r.Log) > w.opts.PageBytes
}

func (w *Writer) add(r *record.Row, newRun bool) {
	m := &w.meta
	if m.Rows == 0 {
		m.Min, m.Max = r.Time, r.Time
	}
	m.Min, m.Max = min(m.Min, r.Time), max(m.Max, r.Time)
	m.Rows++
	m.Text += int64(len(r.Log))
	w.runs.add(r, newRun)
	if w.page.add(r, newRun) {
		w.groupLabels += len(r.Pod) + len(r.Container) + len(r.Stream) + len(r.Node) + len(r.Process)
	}
	w.last = *r
	w.last.Log = nil
}

// flushPage writes the rows at hand as one page of each column, and ends the row group when it is full.
func (w *Writer) flushPage() error {
	if len(w.page.times) == 0 {
		return nil
	}
	w.bounds.set(w.page)
	writers := w.pq.ColumnWriters()
	for i, c := range w.cols {
		values := w.page.values(w.target, c)
		if _, err := writers[i].WriteRowValues(values); err != nil {
			return fmt.Errorf("write column %s: %w", c, err)
		}
		if err := writers[i].Flush(); err != nil {
			return fmt.Errorf("write a page of column %s: %w", c, err)
		}
	}
	if w.index != nil {
		w.index.addPage(w.page.log, w.page.offsets, w.page.escaped)
	}
	w.escaped = w.escaped || w.page.escaped
	w.groupRows += len(w.page.times)
	w.groupPages++
	w.page.reset()
	if w.groupRows >= w.opts.RowGroupRows || w.groupPages >= rowGroupPages || w.groupLabels >= maxGroupLabels {
		return w.flushGroup()
	}
	return nil
}

func (w *Writer) flushGroup() error {
	if w.groupRows == 0 {
		return nil
	}
	before := w.out.size
	if err := w.pq.Flush(); err != nil {
		return fmt.Errorf("write a row group: %w", err)
	}
	if w.index != nil {
		w.index.endGroup(w.out.size - before)
	}
	w.groupRows, w.groupPages, w.groupLabels = 0, 0, 0
	return nil
}

// Close writes what is left, the indexes and the footer, and returns what the block is. A block without rows is ErrEmpty.
// It does not close the io.Writer.
func (w *Writer) Close() (Meta, error) {
	if w.err != nil {
		return Meta{}, w.err
	}
	w.err = io.ErrClosedPipe
	if w.meta.Rows == 0 {
		return Meta{}, ErrEmpty
	}
	if err := w.flushPage(); err != nil {
		return Meta{}, err
	}
	if err := w.flushGroup(); err != nil {
		return Meta{}, err
	}
	if err := w.finish(); err != nil {
		return Meta{}, fmt.Errorf("write the end of a block: %w", err)
	}
	w.opts.Pool.put(w.codec, w.page)
	w.codec, w.page = nil, nil
	return w.meta, nil
}

// page holds rows until they are written.
type page struct {
	times   []int64
	log     []byte
	offsets []uint32
	escaped bool
	labels  []labelRun
	scratch []parquet.Value
}

// labelRun is a stretch of rows with the same labels.
type labelRun struct {
	row  record.Row
	rows int
}

func (p *page) reset() {
	clear(p.labels)
	p.times, p.log, p.offsets, p.labels, p.escaped = p.times[:0], p.log[:0], p.offsets[:0], p.labels[:0], false
}

// add takes a row, and tells whether its labels are others than those of the row before it.
func (p *page) add(r *record.Row, newRun bool) bool {
	if len(p.offsets) == 0 {
		p.offsets = append(p.offsets, 0)
	}
	p.times = append(p.times, r.Time)
	if needsEscape(r.Log) {
		p.escaped = true
		p.log = appendEscaped(p.log, r.Log)
	} else {
		p.log = append(p.log, r.Log...)
	}
	p.offsets = append(p.offsets, uint32(len(p.log)))
	if n := len(p.labels); n > 0 && !newRun && p.labels[n-1].row.Stream == r.Stream && p.labels[n-1].row.Node == r.Node {
		p.labels[n-1].rows++
		return false
	}
	l := labelRun{row: *r, rows: 1}
	l.row.Log = nil
	p.labels = append(p.labels, l)
	return true
}

// values returns the column's values of the page. They point into the page and are valid until the next call.
func (p *page) values(t layout.Target, c Column) []parquet.Value {
	v := p.scratch[:0]
	switch c {
	case ColTime:
		for _, ns := range p.times {
			micros, _ := splitTime(ns)
			v = append(v, parquet.Int64Value(micros))
		}
	case ColTimeNS:
		for _, ns := range p.times {
			_, rest := splitTime(ns)
			v = append(v, parquet.Int32Value(rest))
		}
	case ColLog:
		for i := range p.times {
			v = append(v, parquet.ByteArrayValue(p.log[p.offsets[i]:p.offsets[i+1]]))
		}
	default:
		for i := range p.labels {
			value := parquet.ByteArrayValue([]byte(labelOf(t, c, &p.labels[i].row)))
			for range p.labels[i].rows {
				v = append(v, value)
			}
		}
	}
	p.scratch = v
	return v
}
