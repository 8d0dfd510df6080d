package scan

import (
	"context"
	"fmt"
	"math"
	"sort"

	"golang.org/x/sync/errgroup"

	"lethe/internal/block"
	"lethe/internal/linefilter"
)

// job is a number of pages of one block that are got together.
type job struct {
	in    *openBlock
	pages []*pageParts
	bytes int64
}

// pageParts is a page with the parts of its columns that are needed; the others are nil.
type pageParts struct {
	ref                     *pageRef
	time, ns, log           *part
	stream, node            *part
	streamNames, nodeValues *part
	all                     []*part
}

// span bounds times, both included.
type span struct{ first, last int64 }

var always = span{math.MinInt64, math.MaxInt64}

// load gets the pages of refs, which are grouped by block and in order there, decodes them, and calls handle for each that has
// matching rows in within. It calls handle from several goroutines at once, with a worker that is its own during the call.
func (q *query) load(ctx context.Context, refs []*pageRef, within func(*pageRef) span, handle func(*pageRef, *worker) error) error {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(q.s.opts.Concurrency)
	for _, j := range q.jobs(refs) {
		g.Go(func() error { return q.excuse(j.in.plan.Key, q.runJob(gctx, j, within, handle)) })
	}
	return g.Wait()
}

func (q *query) runJob(ctx context.Context, j *job, within func(*pageRef) span, handle func(*pageRef, *worker) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var parts []*part
	for _, p := range j.pages {
		parts = append(parts, p.all...)
	}
	if err := q.fetch(ctx, j.in, parts); err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	for _, p := range j.pages {
		select {
		case q.decoding <- struct{}{}:
		case <-ctx.Done():
			return errorOf(g.Wait(), ctx.Err())
		}
		g.Go(func() error {
			defer func() { <-q.decoding }()
			if err := ctx.Err(); err != nil {
				return err
			}
			w := q.s.workers.Get().(*worker)
			defer q.s.workers.Put(w)
			found, err := w.decode(q, p, within(p.ref))
			if err != nil {
				return fmt.Errorf("%s: %w", j.in.plan.Key, err)
			}
			if !found {
				return nil
			}
			return handle(p.ref, w)
		})
	}
	return g.Wait()
}

func errorOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// jobs cuts refs into jobs of about Options.GetBytes.
func (q *query) jobs(refs []*pageRef) []*job {
	var out []*job
	var cur *job
	for _, r := range refs {
		if cur == nil || cur.in != r.in || cur.bytes >= q.s.opts.GetBytes {
			cur = &job{in: r.in}
			out = append(out, cur)
		}
		p := q.parts(r)
		cur.pages = append(cur.pages, p)
		for _, part := range p.all {
			cur.bytes += part.at.Length
		}
	}
	return out
}

// parts lists what is needed of a page.
func (q *query) parts(r *pageRef) *pageParts {
	p, f := &pageParts{ref: r}, r.in.tail
	add := func(c block.Column) *part {
		out := &part{key: pageKey{r.in.plan.Key, c, r.page}, at: f.ColumnRange(r.page, c)}
		p.all = append(p.all, out)
		return out
	}
	dictionary := func(c block.Column) *part {
		group := f.Pages()[r.page].RowGroup
		out := &part{key: pageKey{r.in.plan.Key, c, -1 - group}, at: f.DictionaryRange(group, c)}
		p.all = append(p.all, out)
		return out
	}
	p.time, p.ns = add(block.ColTime), add(block.ColTimeNS)
	if q.need.log {
		p.log = add(block.ColLog)
	}
	// Where each run of the page has one value, the directory of runs has it, and the column is not read.
	if r.asks(block.ColStream, q.need.stream) {
		p.stream, p.streamNames = add(block.ColStream), dictionary(block.ColStream)
	}
	if r.asks(block.ColNode, q.need.node) {
		p.node, p.nodeValues = add(block.ColNode), dictionary(block.ColNode)
	}
	return p
}

// asks tells whether a label column of the page has to be read: for a matcher, or because its values are wanted.
func (r *pageRef) asks(c block.Column, wanted bool) bool {
	if !wanted && !r.in.perRow[c] {
		return false
	}
	for i := range r.segs {
		s := &r.segs[i]
		if one := (c == block.ColStream && s.run.OneStream) || (c == block.ColNode && s.run.OneNode); !one && (wanted || s.check) {
			return true
		}
	}
	return false
}

// worker decodes pages, one after the other, into memory that it keeps.
type worker struct {
	dec   *block.Decoder
	sel   linefilter.Bitmap
	times []int64
	log   block.LogPage
	// hasLog tells whether log holds the lines of the page.
	hasLog       bool
	picked       []uint32
	stream, node labelPage
}

// labelPage is a decoded label column: values[index[i]] of row i. Index is empty where the column was not read.
type labelPage struct {
	index  []int32
	values []string
}

func newWorker() any { return &worker{dec: block.NewDecoder()} }

// decode decodes a page as far as it must and leaves the matching rows in sel. It is false where there are none.
func (w *worker) decode(q *query, p *pageParts, in span) (bool, error) {
	r := p.ref
	tp, page := r.in.plan.in, r.in.tail.Pages()[r.page]
	in = span{max(in.first, tp.start), min(in.last, tp.end)}
	w.sel = w.sel.Reset(int(page.Rows))
	w.times, w.hasLog = w.times[:0], false
	for _, s := range r.segs {
		w.sel.SetRange(s.from, s.to)
	}
	if err := w.labels(q, p); err != nil {
		return false, err
	}
	inside := page.Min >= in.first && page.Max <= in.last
	if !inside {
		if err := w.decodeTimes(p); err != nil {
			return false, err
		}
		w.clip(r, in)
	}
	n := w.sel.Count()
	if n == 0 {
		return false, nil
	}
	q.count.linesScanned.Add(int64(n))
	if q.need.log {
		if err := w.search(q, p); err != nil || w.sel.Empty() {
			return false, err
		}
	}
	if inside {
		if err := w.decodeTimes(p); err != nil {
			return false, err
		}
	}
	return true, nil
}

func (w *worker) search(q *query, p *pageParts) error {
	if err := w.dec.Log(p.ref.in.tail.File, p.ref.page, p.log.data, &w.log); err != nil {
		return err
	}
	w.hasLog = true
	q.count.bytesScanned.Add(int64(len(w.log.Data)))
	q.chain.Search(w.log.Data, w.log.Offsets, w.sel)
	return nil
}

func (w *worker) decodeTimes(p *pageParts) (err error) {
	w.times, err = w.dec.Times(p.ref.in.tail.File, p.ref.page, p.time.data, p.ns.data, w.times[:0])
	return err
}

// clip takes out the rows whose times are not within in. Rows of a run are in time order.
func (w *worker) clip(r *pageRef, in span) {
	for _, s := range r.segs {
		t := w.times[s.from:s.to]
		from := s.from + sort.Search(len(t), func(i int) bool { return t[i] >= in.first })
		to := s.from + sort.Search(len(t), func(i int) bool { return t[i] > in.last })
		w.sel.ClearRange(s.from, from)
		w.sel.ClearRange(max(from, to), s.to)
	}
}

// labels decodes the label columns that were got, and asks the matchers where the directory of runs could not answer them.
func (w *worker) labels(q *query, p *pageParts) error {
	for _, c := range []struct {
		column       block.Column
		data, values *part
		into         *labelPage
	}{{block.ColStream, p.stream, p.streamNames, &w.stream}, {block.ColNode, p.node, p.nodeValues, &w.node}} {
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
	return err
}

// get returns the value of a row; one is that of its run, where the run has one.
func (l *labelPage) get(i int, one string, is bool) string {
	if is || len(l.index) == 0 {
		return one
	}
	return l.values[l.index[i]]
}
