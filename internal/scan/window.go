package scan

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync/atomic"

	"lethe/letheql"
)

// Time runs backward in a backward query. Its windows are planned on a line of their own, on which it always runs forward: the place
// of a time on it is the time itself, or its complement, which turns the order of integers around without overflow.

// place returns where a time lies on the line of the query; it is its own inverse.
func (q *query) place(t int64) int64 {
	if q.sel.Direction == letheql.Backward {
		return ^t
	}
	return t
}

// pending is a page of a block, or a raw object, that has rows to give: one of ref and raw is set.
type pending struct {
	ref *pageRef
	raw *rawSource
	// count and text are how many rows it selects, and how many bytes of lines; those of a raw object match, of a page they may.
	count, text int64
	// lo and hi bound its rows on the line, both included.
	lo, hi int64
	// rows are its matching rows once it was loaded; those over the line before the window are never looked at again.
	rows *rows
	// clipped tells that rows are only those of one window; the page is loaded again for the next.
	clipped, done bool
}

func (q *query) pend(r *pageRef) *pending {
	p := &pending{ref: r, count: int64(r.rows), text: r.text()}
	p.bound(q, r.min, r.max)
	return p
}

func (q *query) pendRaw(r *rawRows) *pending {
	p := &pending{raw: &r.src, count: r.count, text: r.text}
	p.bound(q, r.min, r.max)
	if !r.gaveUp {
		p.rows, p.count = &r.rows, int64(r.rows.len())
	}
	return p
}

func (p *pending) bound(q *query, first, last int64) {
	p.lo, p.hi = q.place(first), q.place(last)
	if p.lo > p.hi {
		p.lo, p.hi = p.hi, p.lo
	}
}

// share is the part of a page's rows that lie on the line up to b, of those from a on, if they are spread evenly.
func (p *pending) share(a, b int64) float64 {
	lo, hi := max(p.lo, a), min(p.hi, b)
	if lo > hi {
		return 0
	}
	return (float64(hi) - float64(lo) + 1) / (float64(p.hi) - float64(p.lo) + 1)
}

// slicer cuts the pages of a group of hours into windows: stretches of the line whose rows fit into memory. The pages that reach into
// a window are loaded for it, several at a time, and kept for the next ones as long as memory allows.
type slicer struct {
	q    *query
	raw  []*pending
	emit func(*window) error
	// limit is how many rows are wanted, 0 for all, and found how many have gone out.
	limit, found int
	// grown is by how much windows have grown because those before did not find enough.
	grown float64
	// selected and matched count rows, for the share of rows that match.
	selected, matched int64
	// wide: pages reach over whole windows and do not fit, so each window reads them again.
	wide bool
	// reach is how long the next window may be, 0 for any length: one before had more rows than memory holds.
	reach uint64
	// profile, where there is one, is where rows lie: more of them were found in a window than memory holds.
	profile *profile
	// out is how many bytes the rows of the last window take that are not kept: they are going out while the next is loaded.
	out int64
}

const (
	// maxGrown bounds the growth of windows, and firstText is how many bytes of lines a first window searches at least where
	// there are filters: fewer would cost more in requests than they save.
	maxGrown  = 1 << 20
	firstText = 4 << 20
)

// enough tells whether no more rows are wanted.
func (s *slicer) enough() bool { return s.limit > 0 && s.found >= s.limit }

// group emits the windows of the pages of opened blocks, and of raw rows, from a to b on the line.
func (s *slicer) group(ctx context.Context, blocks []*openBlock, a, b int64) error {
	pages := s.raw
	for _, o := range blocks {
		for _, r := range o.refs {
			pages = append(pages, s.q.pend(r))
		}
	}
	slices.SortStableFunc(pages, func(x, y *pending) int { return cmp.Compare(x.lo, y.lo) })
	for !s.enough() {
		pages = slices.DeleteFunc(pages, func(p *pending) bool { return p.done })
		end, err := s.window(ctx, pages, a, s.end(pages, a, b))
		if err != nil {
			return err
		}
		if end == b {
			// What reaches over the group goes on with the next one; that can only be raw objects.
			s.raw = slices.DeleteFunc(pages, func(p *pending) bool { return p.done })
			return nil
		}
		a = end + 1
	}
	return nil
}

// end chooses the end of the window that begins at a: the farthest at which the rows are estimated to fit.
func (s *slicer) end(pages []*pending, a, b int64) int64 {
	if s.reach > 0 && uint64(b)-uint64(a) > s.reach {
		b = a + int64(s.reach)
	}
	text, rows := s.target()
	if s.profile.covers(a) {
		return min(b, s.profile.end(a, text))
	}
	fits := func(end int64) bool {
		var t, n float64
		for _, p := range pages {
			if p.lo > end {
				break
			}
			share := p.share(a, end)
			n += share * float64(p.count)
			t += share * s.cost(p)
		}
		return t <= text && n <= rows
	}
	if len(pages) == 0 || fits(b) {
		return b
	}
	// Between pages there is nothing to split.
	lo := max(a, pages[0].lo)
	if lo >= b {
		return b
	}
	hi := b
	for lo < hi {
		mid := lo + int64((uint64(hi)-uint64(lo))/2)
		if fits(mid) {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// target returns how much text, and how many rows, a window may select.
func (s *slicer) target() (text, rows float64) {
	text = float64(s.q.s.opts.Memory) / 8
	if s.wide {
		// The longer a window, the less often; it takes its memory twice, while its rows go out and the next is loaded.
		text *= 3
	}
	if s.limit == 0 {
		return text, math.Inf(1)
	}
	rows = float64(s.limit-s.found) * s.grown
	if !s.q.chain.All() {
		rows = max(rows, firstText/100*s.grown)
	}
	return text, rows
}

// cost is about how many bytes the matching rows of a page or a raw object take.
func (s *slicer) cost(p *pending) float64 {
	bytes := float64(p.text + rowOverhead*p.count)
	if p.ref != nil {
		bytes *= s.selectivity()
	}
	return bytes
}

// selectivity is the share of rows that match, as far as is known; a guess is never less than a hundredth. The first is a third: should all of
// them match, the window takes three times its target, which memory has room for.
func (s *slicer) selectivity() float64 {
	if s.q.chain.All() {
		return 1
	}
	if s.selected == 0 {
		return 1. / 3
	}
	return min(1, max(0.01, 2*float64(s.matched)/float64(s.selected)))
}

// window loads what reaches into the line from a to b and emits it. Where that is more than memory holds, the window ends earlier; it returns
// where.
func (s *slicer) window(ctx context.Context, pages []*pending, a, b int64) (int64, error) {
	work, err := s.load(ctx, pages, a, b, false)
	// Each failure costs a read, so that the length falls, and rises again, by more than halves where the rows are far from filling it.
	const longest = 1 << 60
	if s.reach = min(2*s.reach, longest); s.out < s.q.s.opts.Memory/8 {
		s.reach = min(8*s.reach, longest)
	}
	for fails := 1; errors.Is(err, errFull); fails++ {
		if a == b {
			return b, fmt.Errorf("%w: the matching lines of one moment that are not compacted yet take more than %d bytes: compact them, or ask "+
				"for more labels or a limit", letheql.ErrLimit, s.q.s.opts.Memory)
		}
		b = s.shorter(a, b, fails)
		for _, p := range pages {
			p.rows = nil
		}
		work, err = s.load(ctx, pages, a, b, fails > 1 || s.profile == nil)
	}
	if err != nil {
		return b, err
	}
	return b, s.hand(work, a, b)
}

// shorter returns where a window from a to b ends that had more rows than memory holds, after so many fails.
func (s *slicer) shorter(a, b int64, fails int) int64 {
	less := (uint64(b) - uint64(a)) >> fails
	if text, _ := s.target(); fails == 1 && s.profile.covers(a) {
		if end := s.profile.end(a, text); end < b {
			less = uint64(end) - uint64(a)
		}
	}
	s.reach = max(less, 1)
	return a + int64(less)
}

// hand emits the rows of work that lie on the line from a to b, and forgets those that no other window needs.
func (s *slicer) hand(work []*pending, a, b int64) error {
	s.out = 0
	w := &window{}
	in := s.q.times(a, b)
	for _, p := range work {
		w.add(p.rows, in)
		p.done = p.hi <= b || (p.rows.len() == 0 && !p.clipped)
		if p.done || p.clipped {
			if p.rows.page != nil {
				w.spent = append(w.spent, p.rows.page)
			}
			s.out += p.rows.bytes()
			p.rows = nil
		}
	}
	s.found += w.count
	s.grown = min(s.grown*4, maxGrown)
	if w.count == 0 {
		return nil
	}
	w.names = s.q.names.view()
	return s.emit(w)
}

// times returns the times from a to b on the line.
func (q *query) times(a, b int64) span {
	a, b = q.place(a), q.place(b)
	return span{min(a, b), max(a, b)}
}

// add takes the rows whose times lie in a span.
func (w *window) add(r *rows, in span) {
	p := piece{rows: r}
	for _, s := range r.segs {
		if part := r.within(s, in.first, in.last); part.from < part.to {
			p.segs = append(p.segs, part)
			w.count += part.to - part.from
		}
	}
	if len(p.segs) > 0 {
		w.pieces = append(w.pieces, p)
	}
}

// load loads the pages, and the raw objects, that reach into the line from a to b and are not loaded yet, and returns all of them. One that
// reaches over b is kept whole while memory allows; else, or where memory is tight, only what lies in the window is kept, and it is loaded again
// for the next one. Rows that do not fit are errFull.
func (s *slicer) load(ctx context.Context, all []*pending, a, b int64, tight bool) ([]*pending, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var work []*pending
	held := int64(0)
	for _, p := range all {
		if p.lo <= b {
			work = append(work, p)
		}
		if p.rows != nil {
			held += p.rows.bytes()
		}
	}
	// Windows point into the rows that are kept and take little more.
	budget := float64(s.q.s.opts.Memory)*7/8 - float64(held)
	if s.profile != nil {
		// The rows of the window are as many as it says, and those of the last one are still there.
		text, _ := s.target()
		budget = float64(s.q.s.opts.Memory-held-s.out) - text
	}
	if tight {
		budget = 0
	}
	missing := slices.DeleteFunc(slices.Clone(work), func(p *pending) bool { return p.rows != nil })
	s.clip(missing, budget, b)
	if len(missing) > 0 {
		s.wide = slices.ContainsFunc(missing, func(p *pending) bool { return p.clipped })
	}
	within := func(p *pending) span {
		if p.clipped {
			return s.q.times(a, b)
		}
		return s.q.times(a, math.MaxInt64)
	}
	var pages, raw []*pending
	for _, p := range missing {
		p.rows = &rows{}
		if p.ref != nil {
			pages = append(pages, p)
		} else {
			raw = append(raw, p)
		}
	}
	if err := s.q.loadRaw(ctx, raw, within, s.room(held, a == b)); err != nil {
		return nil, err
	}
	for _, p := range raw {
		held += p.rows.bytes()
	}
	// How many bytes the rows of pages take is an estimate. Reading them again costs more than some memory over it.
	room := max(s.room(held, a == b), s.q.s.opts.Memory*3/8) + s.q.s.opts.Memory/2
	if a == b {
		room = math.MaxInt64 // nothing could be done about it
	}
	return work, s.loadPages(ctx, pages, within, b, room)
}

// room is how many bytes of rows may be loaded beside what is held: what is left of memory, and what a window is meant to have in
// any case. One moment has all of it, as it cannot be cut.
func (s *slicer) room(held int64, moment bool) int64 {
	left := s.q.s.opts.Memory - held
	if !moment {
		left -= s.out
	}
	return max(left, s.q.s.opts.Memory/8)
}

// loadPages loads pages for a window that ends at b on the line. Where their rows take more than so many bytes it is errFull, and there is a profile.
func (s *slicer) loadPages(ctx context.Context, pages []*pending, within func(*pending) span, b, room int64) error {
	slices.SortFunc(pages, func(x, y *pending) int {
		return cmp.Or(cmp.Compare(x.ref.in.plan.rank, y.ref.in.plan.rank), cmp.Compare(x.ref.page, y.ref.page))
	})
	refs := make([]*pageRef, len(pages))
	byRef := make(map[*pageRef]*pending, len(pages))
	for i, p := range pages {
		refs[i], byRef[p.ref] = p.ref, p
	}
	limit := 0
	if s.limit > 0 {
		limit = s.limit - s.found
	}
	var loaded atomic.Int64
	seen := newProfile(b)
	// Each page is handed out once, so no two calls write the same rows.
	err := s.q.load(ctx, refs, func(r *pageRef) span { return within(byRef[r]) }, func(r *pageRef, w *worker) error {
		p := byRef[r]
		p.rows = w.build(s.q, r, limit)
		seen.note(s.q, p, p.rows)
		if loaded.Add(p.rows.bytes()) > room {
			return errFull
		}
		return nil
	})
	full := errors.Is(err, errFull)
	for _, p := range pages {
		seen.pages += p.count
		if p.clipped && s.profile != nil || full && p.rows.len() == 0 {
			continue // the rows lie other than was estimated, or the page was not read
		}
		s.selected += p.count
		if p.clipped {
			// Only the rows of the window can have matched.
			in := within(p)
			first, last := s.q.place(in.first), s.q.place(in.last)
			s.selected += int64(float64(p.count)*p.share(min(first, last), b)) - p.count
		}
		s.matched += int64(p.rows.len())
	}
	if full {
		seen.done()
		s.profile = seen
	}
	return err
}

// clip decides which of those that reach over b are not kept whole, so that those that are fit into the budget.
func (s *slicer) clip(missing []*pending, budget float64, b int64) {
	slices.SortFunc(missing, func(x, y *pending) int { return cmp.Compare(x.hi, y.hi) })
	for _, p := range missing {
		p.clipped = false
		if p.hi <= b {
			continue
		}
		budget -= s.cost(p)
		p.clipped = budget < 0
	}
}
