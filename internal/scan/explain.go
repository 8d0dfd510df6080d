package scan

import (
	"context"

	"lethe/internal/layout"
	"lethe/letheql"
)

// Explain implements letheql.Source. It lists and reads manifests, as a query does, and opens no block: what the line index would
// leave out is not known, so the bytes are what the query fetches at most.
func (s *Scanner) Explain(ctx context.Context, sel letheql.Select) (*letheql.Plan, error) {
	q, err := s.begin(ctx, sel)
	if err != nil {
		return nil, err
	}
	defer q.end(nil)
	var p *plan
	out := false
	err = q.retry(ctx, &out, func(ctx context.Context) (err error) {
		p, err = q.makePlan(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	e := &letheql.Plan{Lists: q.store.lists.Load(), Gets: q.store.gets.Load(), MaxBytes: q.store.bytes.Load()}
	var opens int64
	for _, t := range p.targets {
		tp := q.explainTarget(t)
		e.Targets = append(e.Targets, tp)
		e.MaxBytes += tp.Bytes + tp.RawBytes
		// A raw object is got once, or again where others begin like it; a block by its tail and by stretches of pages.
		e.Gets += 2 * int64(tp.Raw)
		for _, b := range t.blocks {
			opens++
			if b.Size > wholeBytes {
				opens += (b.Size-b.Tail)/(64<<10) + 1
			}
		}
	}
	e.Gets += opens
	e.Pieces = len(q.pieces(p, sel.Share != nil))
	if s.opts.HedgeAfter > 0 {
		e.Gets += hedgesOf(e.Gets, opens)
	}
	return e, nil
}

func (q *query) explainTarget(t *targetPlan) letheql.TargetPlan {
	tp := letheql.TargetPlan{
		Target: t.target.String(), Blocks: len(t.blocks), Pruned: int(t.pruned), Raw: len(t.raw), RawBytes: t.rawBytes,
	}
	hours := map[layout.Hour]bool{}
	for _, b := range t.blocks {
		hours[b.Hour] = true
		tp.Bytes += b.Size
	}
	tp.Hours = len(hours)
	return tp
}
