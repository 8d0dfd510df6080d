package compactor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lethe/internal/catalog"
	"lethe/internal/layout"
	"lethe/internal/rawobj"
	"lethe/internal/record"
	"lethe/objstore"
)

// aheadAfter is how far in the future of its arrival a line counts as dated ahead.
const aheadAfter = 10 * time.Minute

// rewrite reads the inputs of a commit, those of the set, and writes their rows into blocks of their own hours. What it puts is live only when a swap
// names it; when it returns an error, what was put is left to a sweep. Objects that cannot be decoded are copied to quarantine/ and consumed.
func (p *pass) rewrite(ctx context.Context, snap *catalog.Snapshot, set *rawobj.Set, quarantine map[string]error) (out *rewritten, err error) {
	out = &rewritten{target: snap.Target}
	for i := range set.Len() {
		out.Inputs = append(out.Inputs, set.Object(i))
	}
	h := p.newHours(snap, out)
	defer func() { err = errors.Join(err, h.close()) }()
	for more := true; more; more = h.rounds.next() {
		if !h.rounds.first() && p.enough() {
			return nil, errLate
		}
		for i := range set.Len() {
			if err := p.rewriteObject(ctx, set, i, h); errors.Is(err, record.ErrUnreadable) {
				// Some of its rows are among the others already: quarantine it, and begin again without it.
				return nil, p.quarantineFrom(ctx, set, i, err, quarantine)
			} else if err != nil {
				return nil, gone(err)
			}
		}
		if err := h.flush(ctx); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// gone turns a 404 of an input into errStale. Rule 4: an input that is missing means that another compactor has consumed it.
func gone(err error) error {
	if errors.Is(err, objstore.ErrNotExist) {
		return fmt.Errorf("%w: %w", errStale, err)
	}
	return err
}

// missing tells an object that the manifest names and that is not there from one that was replaced since: the plan that wants that one is stale.
func (p *pass) missing(ctx context.Context, snap *catalog.Snapshot, err error) error {
	return gone(snap.Missing(ctx, p.bucket, err))
}

// fetchConcurrency is how many raw objects of a target are got at once.
const fetchConcurrency = 8

// rewriteObject adds the rows of one input, those whose turn it is. What it holds is counted in the first round.
func (p *pass) rewriteObject(ctx context.Context, set *rawobj.Set, i int, h *hours) (err error) {
	o := set.Object(i)
	rows, err := set.Open(ctx, i)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	if err := eachRow(ctx, rows, func(row *record.Row) error { return h.add(ctx, row, o.LastModified) }); err != nil {
		return err
	}
	if h.rounds.first() {
		p.countObject(set, i, rows, h.out)
	}
	return nil
}

// countObject notes what was in an input that was read to its end.
func (p *pass) countObject(set *rawobj.Set, i int, rows *rawobj.Rows, out *rewritten) {
	o := set.Object(i)
	out.bytes += o.Size
	if set.Duplicate(i) {
		out.duplicates++
	}
	if body, ok := rows.Body(); ok && body.Length > 0 {
		out.Bodies = append(out.Bodies, body)
	}
	s := rows.Stats()
	out.decoded(s)
	if s.Broken > 0 {
		p.opts.Logger.Warn("a raw object has lines that are no records; they are kept as they are", "key", o.Key,
			"broken", s.Broken, "first", s.FirstBroken.Line, "reason", s.FirstBroken.Reason)
	}
}

// eachRow reads rows to their end, and hands each to take, for which it is valid until take returns.
func eachRow(ctx context.Context, rows *rawobj.Rows, take func(*record.Row) error) error {
	var row record.Row
	for n := 0; ; n++ {
		if n%4096 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if err := rows.Next(&row); record.AtEnd(err) {
			return nil
		} else if err != nil {
			return err
		}
		if err := take(&row); err != nil {
			return err
		}
	}
}

// odd notes how far a line's time is from its arrival.
func (h *hours) odd(row *record.Row, arrived time.Time) {
	at := arrived.UnixNano()
	if row.Time-at > int64(aheadAfter) {
		h.out.odd.Ahead++
	}
	if at >= layout.HourOf(row.Time).End().Add(h.pass.opts.CloseDelay).UnixNano() {
		h.out.odd.Late++
	}
	if h.keep > 0 && at-row.Time > int64(h.keep) {
		h.out.odd.TooOld++
	}
}
