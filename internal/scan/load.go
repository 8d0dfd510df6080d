package scan

import (
	"context"
	"fmt"
	"math"
	"sync"

	"golang.org/x/sync/errgroup"

	"lethe/internal/block"
)

// job is a number of pages of one block that are got together.
type job struct {
	in    *openBlock
	pages []*pageParts
	// ahead are parts of pages that come next; they are got with the others and put aside.
	ahead []*part
	bytes int64
}

// pageParts is a page with the parts of its columns that are needed; the others are nil.
type pageParts struct {
	ref                      *pageRef
	time, ns, log            *part
	stream, node             *part
	streamValues, nodeValues *part
	// first are the parts that a search needs, later those that only a page with a matching line needs.
	first, later []*part
}

// parts lists the parts of the pages that are got first, or all of them.
func (j *job) parts(lazy bool) []*part {
	var out []*part
	for _, p := range j.pages {
		out = append(out, p.first...)
		if !lazy {
			out = append(out, p.later...)
		}
	}
	return out
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
	lazy := q.lazy()
	if err := q.fetch(ctx, j.in, append(j.parts(lazy), j.ahead...)); err != nil {
		return err
	}
	q.aside.put(j.ahead)
	g, gctx := errgroup.WithContext(ctx)
	h := &hits{q: q, in: j.in, within: within, handle: handle}
	for _, p := range j.pages {
		select {
		case q.decoding <- struct{}{}:
		case <-gctx.Done():
			return errorOf(g.Wait(), gctx.Err())
		}
		g.Go(func() error {
			defer func() { <-q.decoding }()
			if err := gctx.Err(); err != nil {
				return err
			}
			return h.page(gctx, p, lazy)
		})
	}
	defer h.release()
	if err := g.Wait(); err != nil {
		return err
	}
	if err := h.finish(ctx); err != nil {
		return err
	}
	q.keep(j)
	return nil
}

const (
	// knownHits is how many pages must have been searched before their share of hits is taken for that of the others.
	knownHits = 8
	// rareHits is the share of pages, one in so many, up to which those that the line index leaves are often left by accident; and surePages
	// how many are got with their times all the same, so that a needle takes one round trip less.
	rareHits, surePages = 16, 2
)

// lazy tells whether so few pages have a matching line that their times are better got after the lines were searched. Where the index has
// left many pages, most of them match, and asking twice for each is dear.
func (q *query) lazy() bool {
	if q.chain.All() {
		return false
	}
	if n := q.searched.Load(); n >= knownHits {
		return q.hit.Load() < n/2
	}
	all := q.count.pages.Load()
	left := all - q.count.pagesPruned.Load()
	return left > surePages && left <= all/rareHits
}

// hits are the pages of a job that were searched before their times were got, and have a matching line.
type hits struct {
	q      *query
	in     *openBlock
	within func(*pageRef) span
	handle func(*pageRef, *worker) error
	mu     sync.Mutex
	kept   []hit
}

type hit struct {
	page   *pageParts
	worker *worker
}

// maxKept is how many pages of a job wait for their times; each takes its decoded lines in memory.
const maxKept = 4

// page decodes a page, and hands it out or keeps it until its times are there.
func (h *hits) page(ctx context.Context, p *pageParts, lazy bool) error {
	w := h.q.s.workers.Get().(*worker)
	h.q.count.pagesRead.Add(1)
	done := h.q.timed(&h.q.count.searchNanos)
	found, err := w.begin(ctx, h.q, p, h.span(p), lazy)
	done()
	if err != nil || !found {
		h.q.s.workers.Put(w)
		return h.name(err)
	}
	if !lazy {
		defer h.q.s.workers.Put(w)
		return h.end(hit{p, w})
	}
	h.mu.Lock()
	h.kept = append(h.kept, hit{p, w})
	full := len(h.kept) >= maxKept
	h.mu.Unlock()
	if full {
		return h.finish(ctx)
	}
	return nil
}

func (h *hits) span(p *pageParts) span {
	in, tp := h.within(p.ref), h.in.plan.in
	return span{max(in.first, tp.start), min(in.last, tp.end)}
}

// end decodes what is left of a page and hands it out.
func (h *hits) end(t hit) error {
	defer h.q.timed(&h.q.count.searchNanos)()
	found, err := t.worker.end(t.page, h.span(t.page))
	if err != nil || !found {
		return h.name(err)
	}
	return h.handle(t.page.ref, t.worker)
}

func (h *hits) name(err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", h.in.plan.Key, err)
	}
	return nil
}

// take returns the pages that are kept, and forgets them.
func (h *hits) take() []hit {
	h.mu.Lock()
	defer h.mu.Unlock()
	kept := h.kept
	h.kept = nil
	return kept
}

// finish gets the times of the pages that are kept and hands them out.
func (h *hits) finish(ctx context.Context) error {
	kept := h.take()
	defer func() {
		for _, t := range kept {
			h.q.s.workers.Put(t.worker)
		}
	}()
	var parts []*part
	for _, t := range kept {
		parts = append(parts, t.page.later...)
	}
	if err := h.q.fetch(ctx, h.in, parts); err != nil {
		return err
	}
	for _, t := range kept {
		if err := h.end(t); err != nil {
			return err
		}
	}
	return nil
}

// release gives back the workers of pages that nobody waits for, after an error.
func (h *hits) release() {
	for _, t := range h.take() {
		h.q.s.workers.Put(t.worker)
	}
}

func errorOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// jobs cuts refs into jobs of about Options.GetBytes, and adds what is to be read ahead.
func (q *query) jobs(refs []*pageRef) []*job {
	var out []*job
	var cur *job
	for _, r := range refs {
		if cur == nil || cur.in != r.in || cur.bytes >= q.s.opts.GetBytes {
			cur = &job{in: r.in}
			out = append(out, cur)
		}
		cur.ahead = append(cur.ahead, q.readAhead(r)...)
		p := q.parts(r)
		cur.pages = append(cur.pages, p)
		for _, part := range append(p.first, p.later...) {
			cur.bytes += part.at.Length
		}
	}
	return out
}

// parts lists what is needed of a page.
func (q *query) parts(r *pageRef) *pageParts {
	p, f := &pageParts{ref: r}, r.in.tail
	column := func(to *[]*part, c block.Column) *part {
		out := &part{key: pageKey{r.in.plan.Key, c, r.page}, at: f.ColumnRange(r.page, c)}
		*to = append(*to, out)
		return out
	}
	dictionary := func(to *[]*part, c block.Column) *part {
		group := f.Pages()[r.page].RowGroup
		out := &part{key: pageKey{r.in.plan.Key, c, -1 - group}, at: f.DictionaryRange(group, c)}
		*to = append(*to, out)
		return out
	}
	p.time, p.ns = column(&p.later, block.ColTime), column(&p.later, block.ColTimeNS)
	if q.need.log {
		p.log = column(&p.first, block.ColLog)
	}
	// Where each run of the page has one value, the directory of runs has it, and the column is not read.
	if r.asks(block.ColStream, q.need.stream) {
		p.stream, p.streamValues = column(&p.first, block.ColStream), dictionary(&p.first, block.ColStream)
	}
	if r.asks(block.ColNode, q.need.node) {
		p.node, p.nodeValues = column(&p.first, block.ColNode), dictionary(&p.first, block.ColNode)
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
