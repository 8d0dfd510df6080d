package block

import (
	"context"
	"fmt"
	"io"

	"lethe/internal/layout"
	"lethe/internal/record"
	"lethe/objstore"
)

// Fetch gets a range of the object that a block is. It returns exactly the bytes of the range, which the caller does not change.
type Fetch func(ctx context.Context, r objstore.Range) ([]byte, error)

// ReadOptions say how rows are read ahead. The zero value of a field stands for its default.
type ReadOptions struct {
	// ReadAhead is how many bytes are fetched at once, in compressed form and of one row group at most; a page that is larger is
	// fetched alone. Default 4 MiB, in which a row group of usual logs fits, so that it takes one request.
	ReadAhead int64
	// Gap is how many bytes between two ranges are fetched along rather than asked for apart. Default 256 KiB.
	Gap int64
	// Decoder, where set, is used instead of one of the reader's own. Readers that one goroutine reads by turns may share one, which saves
	// memory where many blocks are merged.
	Decoder *Decoder
}

func (o ReadOptions) withDefaults() ReadOptions {
	if o.ReadAhead <= 0 {
		o.ReadAhead = 4 << 20
	}
	if o.Gap <= 0 {
		o.Gap = 256 << 10
	}
	if o.Decoder == nil {
		o.Decoder = NewDecoder()
	}
	return o
}

// RowReader yields all rows of a block in stored order. It holds one decoded page, and what was read ahead.
type RowReader struct {
	file  *File
	fetch Fetch
	opts  ReadOptions
	dec   *Decoder

	window window
	// next is the page to decode next; labels and dicts are of the row group at hand.
	next  int
	dicts [columns][]string
	group int

	page rowPage
	row  record.Row
}

// NewRowReader returns a reader of all rows of f, whose bytes fetch gets.
func NewRowReader(f *File, fetch Fetch, o ReadOptions) *RowReader {
	o = o.withDefaults()
	return &RowReader{file: f, fetch: fetch, opts: o, dec: o.Decoder, group: -1}
}

// Next returns the next row, or io.EOF behind the last. The row and its Log are valid until the next call. Errors are those of fetch,
// or wrap ErrCorrupt.
func (r *RowReader) Next(ctx context.Context) (*record.Row, error) {
	for r.page.at >= r.page.rows {
		if r.next >= len(r.file.pages) {
			return nil, io.EOF
		}
		if err := r.load(ctx); err != nil {
			return nil, err
		}
	}
	r.page.fill(r.file, &r.row)
	r.page.at++
	return &r.row, nil
}

// load decodes the next page.
func (r *RowReader) load(ctx context.Context) error {
	n := r.next
	if n >= r.window.to {
		if err := r.read(ctx, n); err != nil {
			return err
		}
	}
	f, p := r.file, &r.page
	var err error
	data := func(c Column) []byte { return r.window.bytes(f.ColumnRange(n, c)) }
	if p.times, err = r.dec.Times(f, n, data(ColTime), data(ColTimeNS), p.times[:0]); err != nil {
		return err
	}
	if err := r.dec.Log(f, n, data(ColLog), &p.log); err != nil {
		return err
	}
	for _, c := range columnsOf(f.target.Kind) {
		p.dicts[c] = nil
		if !r.needs(n, c) || !isLabel(c) {
			continue
		}
		p.dicts[c] = r.dicts[c]
		if p.index[c], err = r.dec.Labels(f, n, c, len(r.dicts[c]), data(c), p.index[c][:0]); err != nil {
			return err
		}
	}
	p.first, p.at, p.rows = f.pages[n].Row, 0, int(f.pages[n].Rows)
	p.run = f.RunAt(p.first)
	r.next++
	return nil
}

// needs tells whether a column has to be read for a page: labels that the directory of runs tells are not.
func (r *RowReader) needs(page int, c Column) bool {
	f := r.file
	if !isLabel(c) {
		return true
	}
	if targetLabel(f.target.Kind) == c {
		return false
	}
	if f.runs == nil {
		return true
	}
	if c != ColStream && c != ColNode {
		return false
	}
	p := f.pages[page]
	for i := f.RunAt(p.Row); i < len(f.runs) && f.runs[i].Row < p.Row+p.Rows; i++ {
		if run := &f.runs[i]; (c == ColStream && !run.OneStream) || (c == ColNode && !run.OneNode) {
			return true
		}
	}
	return false
}

// targetLabel is the label that is the target's name in all rows.
func targetLabel(k layout.Kind) Column {
	if k == layout.Node {
		return ColNode
	}
	return ColNamespace
}

// read fetches the pages from n on that fit into the read-ahead, and the dictionaries when a row group starts.
func (r *RowReader) read(ctx context.Context, n int) error {
	f, group := r.file, r.file.pages[n].RowGroup
	var ranges []objstore.Range
	size, to := int64(0), n
	for ; to < len(f.pages) && f.pages[to].RowGroup == group; to++ {
		var add []objstore.Range
		bytes := int64(0)
		for _, c := range columnsOf(f.target.Kind) {
			if r.needs(to, c) {
				add = append(add, f.ColumnRange(to, c))
				bytes += add[len(add)-1].Length
			}
		}
		if to > n && size+bytes > r.opts.ReadAhead {
			break
		}
		ranges, size = append(ranges, add...), size+bytes
	}
	var dicts []Column
	if group != r.group {
		for _, c := range columnsOf(f.target.Kind) {
			if isLabel(c) && r.groupNeeds(n, c) {
				dicts, ranges = append(dicts, c), append(ranges, f.DictionaryRange(group, c))
			}
		}
	}
	if err := r.window.fetch(ctx, r.fetch, ranges, r.opts.Gap); err != nil {
		return fmt.Errorf("read pages %d to %d of a block of %s: %w", n, to-1, f.target, err)
	}
	r.window.to = to
	for _, c := range dicts {
		var err error
		if r.dicts[c], err = r.dec.Dictionary(f, group, c, r.window.bytes(f.DictionaryRange(group, c))); err != nil {
			return err
		}
	}
	r.group = group
	return nil
}

// groupNeeds tells whether a column has to be read for any page of the row group that starts at page n.
func (r *RowReader) groupNeeds(n int, c Column) bool {
	f := r.file
	for i := n; i < len(f.pages) && f.pages[i].RowGroup == f.pages[n].RowGroup; i++ {
		if r.needs(i, c) {
			return true
		}
	}
	return false
}

// rowPage is a decoded page and a position in it.
type rowPage struct {
	first    int64
	rows, at int
	times    []int64
	log      LogPage
	run      int
	dicts    [columns][]string
	index    [columns][]int32
}

// fill sets row to the row at hand.
func (p *rowPage) fill(f *File, row *record.Row) {
	if f.runs != nil {
		for f.runs[p.run].Row+f.runs[p.run].Rows <= p.first+int64(p.at) {
			p.run++
		}
		run := &f.runs[p.run]
		row.Pod, row.Container, row.Process, row.Stream, row.Node = run.Pod, run.Container, run.Process, run.Stream, run.Node
	}
	for c := ColNamespace; c < ColLog; c++ {
		if dict := p.dicts[c]; dict != nil {
			setLabel(row, c, dict[p.index[c][p.at]])
		}
	}
	setLabel(row, targetLabel(f.target.Kind), f.target.Name)
	row.Time = p.times[p.at]
	row.Log = p.log.Line(p.at)
}

func setLabel(row *record.Row, c Column, v string) {
	switch c {
	case ColNamespace:
		row.Namespace = v
	case ColPod:
		row.Pod = v
	case ColContainer:
		row.Container = v
	case ColStream:
		row.Stream = v
	case ColNode:
		row.Node = v
	case ColProcess:
		row.Process = v
	}
}
