package scan

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"

	"lethe/internal/block"
	"lethe/internal/catalog"
	"lethe/internal/layout"
	"lethe/internal/linefilter"
	"lethe/internal/record"
	"lethe/letheql"
)

// openBlock is a block of a plan with its tail.
type openBlock struct {
	plan *blockPlan
	tail *tail
	// refs are the pages that can hold rows of the query, in their order.
	refs []*pageRef
	// perRow are labels whose matchers have to be asked for each row, in some run.
	perRow     map[block.Column]bool
	textPerRow float64
}

// pageRef is a page that can hold rows of the query.
type pageRef struct {
	in   *openBlock
	page int
	// index is the place among the refs of its block.
	index int
	// min and max bound the times of the rows in segs, both included, within those of the target.
	min, max int64
	// segs are the rows whose series the matchers allow, counted from the start of the page.
	segs []segRef
	rows int
}

// segRef is a part of a run that lies in a page.
type segRef struct {
	segment
	run *block.Run
	// check: the matchers on stream and node have to be asked for each row.
	check bool
}

// text is about how many bytes of lines the rows of a page hold.
func (r *pageRef) text() int64 { return int64(float64(r.rows) * r.in.textPerRow) }

// open opens blocks, several at a time, and finds the pages that can hold rows of the query. Blocks that cannot be read are left out
// where that is allowed.
func (q *query) open(ctx context.Context, blocks []*blockPlan) ([]*openBlock, error) {
	defer q.timed(&q.count.openNanos)()
	out := make([]*openBlock, len(blocks))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(q.s.opts.Concurrency)
	for i, b := range blocks {
		g.Go(func() (err error) {
			out[i], err = q.openBlock(gctx, b)
			return q.excuse(b.Key, err)
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	opened := out[:0]
	for _, b := range out {
		if b != nil {
			opened = append(opened, b)
		}
	}
	return opened, nil
}

// excuse turns an error of an object that cannot be read into nil, where the query may go on without it. An object that is gone is not
// unreadable: the plan is. One that is missing is as unreadable as one that is damaged.
func (q *query) excuse(key string, err error) error {
	if err == nil || !q.s.opts.Partial || !unreadable(err) {
		return err
	}
	q.skipped.add(key)
	return nil
}

func (q *query) openBlock(ctx context.Context, b *blockPlan) (*openBlock, error) {
	t, err := q.tail(ctx, b)
	if err != nil {
		return nil, err
	}
	o := &openBlock{plan: b, tail: t, perRow: map[block.Column]bool{}}
	m := t.Meta()
	o.textPerRow = float64(m.Text) / float64(m.Rows)
	runs := t.Runs()
	if runs == nil {
		if runs, err = q.deriveRuns(ctx, o); err != nil {
			return nil, err
		}
	}
	can, err := t.Candidates(q.chain.Need())
	if err != nil {
		if !errors.Is(err, block.ErrIndex) {
			return nil, fmt.Errorf("%s: %w", b.Key, err)
		}
		if t.IndexErr() == nil {
			// Some of the index is looked at only when it is needed; what was wrong before was counted with the tail.
			q.count.indexErrors.Add(1)
		}
		can = linefilter.Full(len(t.Pages()))
	}
	q.selectPages(o, runs, can)
	if len(o.refs) == 0 {
		q.count.blocksPruned.Add(1)
	}
	q.countPruned(o)
	q.count.pages.Add(int64(len(t.Pages())))
	q.count.pagesPruned.Add(int64(len(t.Pages()) - len(o.refs)))
	return o, nil
}

// countPruned counts the bytes of the pages that are left out.
func (q *query) countPruned(o *openBlock) {
	next, bytes := 0, int64(0)
	for i := range o.tail.Pages() {
		if next < len(o.refs) && o.refs[next].page == i {
			next++
			continue
		}
		for c := block.ColTime; c <= block.ColLog; c++ {
			bytes += o.tail.ColumnRange(i, c).Length
		}
	}
	q.count.bytesPruned.Add(bytes)
}

// selectPages walks over pages and runs side by side and keeps the pages with a run that the matchers allow, at the right times.
func (q *query) selectPages(o *openBlock, runs []block.Run, can linefilter.Bitmap) {
	tp := o.plan.in
	next := 0
	verdicts := make([]verdict, len(runs))
	for i, p := range o.tail.Pages() {
		for next < len(runs) && runs[next].Row+runs[next].Rows <= p.Row {
			next++
		}
		if !can.Has(i) || p.Max < tp.start || p.Min > tp.end {
			continue
		}
		ref := &pageRef{in: o, page: i}
		for j := next; j < len(runs) && runs[j].Row < p.Row+p.Rows; j++ {
			run := &runs[j]
			lo, hi := max(run.Min, p.Min, tp.start), min(run.Max, p.Max, tp.end)
			if lo > hi || !q.allows(o, run, &verdicts[j]) {
				continue
			}
			if ref.rows == 0 || lo < ref.min {
				ref.min = lo
			}
			if ref.rows == 0 || hi > ref.max {
				ref.max = hi
			}
			from, to := max(run.Row, p.Row)-p.Row, min(run.Row+run.Rows, p.Row+p.Rows)-p.Row
			ref.segs = append(ref.segs, segRef{segment{verdicts[j].series, int(from), int(to)}, run, verdicts[j].check})
			ref.rows += int(to - from)
		}
		if ref.rows > 0 {
			ref.index = len(o.refs)
			o.refs = append(o.refs, ref)
		}
	}
}

// verdict is what the matchers say of a run.
type verdict struct {
	asked, yes, check bool
	series            uint32
}

// allows asks the matchers about a run, once for each run.
func (q *query) allows(o *openBlock, run *block.Run, v *verdict) bool {
	if v.asked {
		return v.yes
	}
	v.asked = true
	s := seriesOf(o.plan.in.target, run)
	if s.target.Kind == layout.Pod {
		for _, l := range []struct {
			name, value string
			one         bool
			column      block.Column
		}{{"stream", run.Stream, run.OneStream, block.ColStream}, {"node", run.Node, run.OneNode, block.ColNode}} {
			switch ms := q.matchers[l.name]; {
			case len(ms) == 0:
			case !l.one:
				v.check = true
				o.perRow[l.column] = true
			case !matchAll(ms, l.value):
				return false
			}
		}
	}
	v.yes = q.allowsSeries(s)
	if v.yes {
		v.series = q.names.id(s)
	}
	return v.yes
}

// verdicts remember what the matchers said of each series.
type verdicts struct {
	mu    sync.Mutex
	known map[series]bool
}

// allowsSeries asks the matchers on pod and container, or process, once for each series.
func (q *query) allowsSeries(s series) bool {
	v := &q.verdicts
	v.mu.Lock()
	defer v.mu.Unlock()
	yes, ok := v.known[s]
	if ok {
		return yes
	}
	if s.target.Kind == layout.Node {
		yes = matchAll(q.matchers["process"], s.group1)
	} else {
		yes = matchAll(q.matchers["pod"], s.group1) && matchAll(q.matchers["container"], s.group2)
	}
	if v.known == nil {
		v.known = map[series]bool{}
	}
	v.known[s] = yes
	return yes
}

// columns tells which columns of the pages are needed.
type columns struct {
	times, log, stream, node bool
}

func (q *query) columns() columns {
	pod := q.sel.Kind == layout.Pod
	return columns{
		times:  true,
		log:    q.sel.NeedLog || q.sel.NeedSize || !q.chain.All(),
		stream: pod && q.sel.NeedStream,
		node:   pod && q.sel.NeedNode,
	}
}

// wantsLines tells whether rows go out with their lines.
func wantsLines(s *letheql.Select) bool { return s.NeedLog || s.NeedSize }

// unreadable tells whether an error is that of an object which reading again does not mend.
func unreadable(err error) bool {
	return errors.Is(err, catalog.ErrMissing) || errors.Is(err, block.ErrCorrupt) || errors.Is(err, block.ErrVersion) || errors.Is(err, record.ErrUnreadable)
}
