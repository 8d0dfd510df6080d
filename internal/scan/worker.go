package scan

import (
	"context"
	"sort"

	"lethe/internal/block"
	"lethe/internal/linefilter"
)

// worker decodes pages, one after the other, into memory that it keeps.
type worker struct {
	dec   *block.Decoder
	sel   linefilter.Bitmap
	times []int64
	log   *block.LogPage
	// clipped tells that sel holds no row out of the time that is asked for.
	clipped      bool
	picked       []uint32
	stream, node labelPage
}

// labelPage is a decoded label column: values[index[i]] of row i. Index is empty where the column was not read.
type labelPage struct {
	index  []int32
	values []string
}

func newWorker() any { return &worker{dec: block.NewDecoder(), log: new(block.LogPage)} }

// begin decodes what tells whether a page has matching rows, and leaves them in sel; without later parts it does not look at times. It is
// false where there are none.
func (w *worker) begin(ctx context.Context, q *query, p *pageParts, in span, lazy bool) (bool, error) {
	r := p.ref
	page := r.in.tail.Pages()[r.page]
	w.sel = w.sel.Reset(int(page.Rows))
	w.times, w.clipped = w.times[:0], page.Min >= in.first && page.Max <= in.last
	for _, s := range r.segs {
		w.sel.SetRange(s.from, s.to)
	}
	if err := w.labels(q, p); err != nil {
		return false, err
	}
	if !w.clipped && !lazy {
		if err := w.clip(p, in); err != nil {
			return false, err
		}
	}
	n := w.sel.Count()
	if n == 0 {
		return false, nil
	}
	q.count.linesScanned.Add(int64(n))
	if !q.need.log {
		return true, nil
	}
	err := w.search(ctx, q, p)
	return err == nil && !w.sel.Empty(), err
}

// end decodes the times and clips the rows by them, where begin has not. It is false where no row is left.
func (w *worker) end(p *pageParts, in span) (bool, error) {
	if !w.clipped {
		if err := w.clip(p, in); err != nil {
			return false, err
		}
	}
	if len(w.times) == 0 {
		if err := w.decodeTimes(p); err != nil {
			return false, err
		}
	}
	return !w.sel.Empty(), nil
}

func (w *worker) search(ctx context.Context, q *query, p *pageParts) error {
	if err := w.dec.Log(p.ref.in.tail.File, p.ref.page, p.log.data, w.log); err != nil {
		return err
	}
	p.log.sound = true
	q.count.bytesScanned.Add(int64(len(w.log.Data)))
	if err := q.chain.Search(ctx, w.log.Data, w.log.Offsets, w.sel); err != nil {
		return err
	}
	q.searched.Add(1)
	if !w.sel.Empty() {
		q.hit.Add(1)
	}
	return nil
}

func (w *worker) decodeTimes(p *pageParts) (err error) {
	w.times, err = w.dec.Times(p.ref.in.tail.File, p.ref.page, p.time.data, p.ns.data, w.times[:0])
	p.time.sound, p.ns.sound = err == nil, err == nil
	return err
}

// clip decodes the times and takes out the rows whose times are not within in. Rows of a run are in time order.
func (w *worker) clip(p *pageParts, in span) error {
	if err := w.decodeTimes(p); err != nil {
		return err
	}
	w.clipped = true
	for _, s := range p.ref.segs {
		t := w.times[s.from:s.to]
		from := s.from + sort.Search(len(t), func(i int) bool { return t[i] >= in.first })
		to := s.from + sort.Search(len(t), func(i int) bool { return t[i] > in.last })
		w.sel.ClearRange(s.from, from)
		w.sel.ClearRange(max(from, to), s.to)
	}
	return nil
}

// labels decodes the label columns that were got, and asks the matchers where the directory of runs could not answer them.
func (w *worker) labels(q *query, p *pageParts) error {
	for _, c := range []struct {
		column       block.Column
		data, values *part
		into         *labelPage
	}{{block.ColStream, p.stream, p.streamValues, &w.stream}, {block.ColNode, p.node, p.nodeValues, &w.node}} {
		c.into.index = c.into.index[:0]
		if c.data == nil {
			continue
		}
		if err := w.label(p.ref, c.column, c.data, c.values, c.into); err != nil {
			return err
		}
		if ms := q.matchers[c.column.String()]; len(ms) > 0 {
			allowed := make([]bool, len(c.into.values))
			for i, v := range c.into.values {
				allowed[i] = matchAll(ms, v)
			}
			for i := range w.sel.All() {
				if !allowed[c.into.index[i]] {
					w.sel.Clear(i)
				}
			}
		}
	}
	return nil
}

func (w *worker) label(r *pageRef, c block.Column, data, values *part, into *labelPage) (err error) {
	f := r.in.tail.File
	if into.values, err = w.dec.Dictionary(f, f.Pages()[r.page].RowGroup, c, values.data); err != nil {
		return err
	}
	into.index, err = w.dec.Labels(f, r.page, c, len(into.values), data.data, into.index)
	data.sound, values.sound = err == nil, err == nil
	return err
}

// get returns the value of a row; one is that of its run, where the run has one.
func (l *labelPage) get(i int, one string, is bool) string {
	if is || len(l.index) == 0 {
		return one
	}
	return l.values[l.index[i]]
}
