package scan

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"lethe/internal/catalog"
	"lethe/internal/layout"
	"lethe/internal/rawobj"
	"lethe/internal/record"
)

// eachRaw reads the raw objects of a plan, several at a time, and calls visit for each row that the query selects, with the place of the
// row in its object. It calls visit for different objects at once; done ends the rows of an object. Objects are decoded as they
// come in and never held whole.
func (q *query) eachRaw(ctx context.Context, p *plan, open func(tp *targetPlan, rank uint32) rawVisitor) error {
	g, gctx := errgroup.WithContext(ctx)
	for _, tp := range p.targets {
		if len(tp.raw) == 0 {
			continue
		}
		g.Go(func() error { return q.eachRawOf(gctx, tp, open) })
	}
	return g.Wait()
}

// rawVisitor takes the selected rows of one raw object.
type rawVisitor interface {
	row(r *record.Row, s series, place uint32) error
	done() error
}

func (q *query) eachRawOf(ctx context.Context, tp *targetPlan, open func(*targetPlan, uint32) rawVisitor) error {
	set, err := q.resolve(ctx, tp)
	if err != nil {
		return err
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(q.s.opts.Concurrency)
	for i := range set.Len() {
		g.Go(func() error {
			obj := set.Object(i)
			return q.excuse(obj.Key, q.readObject(gctx, tp, set, i, open(tp, tp.rawRanks[obj.Key])))
		})
	}
	return g.Wait()
}

// resolve compares the raw objects with each other and with what is remembered of consumed ones: in the manifest, and in the sealed
// days in which their first records lie.
func (q *query) resolve(ctx context.Context, tp *targetPlan) (*rawobj.Set, error) {
	for _, obj := range tp.raw {
		// The hour in the key is nearly always that of the first record.
		if raw, ok := layout.ParseRaw(obj.Key); ok {
			if _, err := q.remember(ctx, tp, raw.Hour.Day()); err != nil {
				return nil, err
			}
		}
	}
	for {
		memory := slices.Clone(tp.manifest.Bodies)
		for _, day := range tp.sealed {
			memory = append(memory, day.Bodies...)
		}
		set, err := rawobj.Resolve(ctx, q.store, tp.raw, memory, rawobj.Options{
			Target: tp.target, Budget: q.s.opts.Memory / 4, Concurrency: q.s.opts.Concurrency, Consumed: tp.consumed,
		})
		if err != nil {
			return nil, fmt.Errorf("raw objects of %s: %w", tp.target, err)
		}
		more := false
		for i := range set.Len() {
			if first, ok := set.First(i); ok {
				got, err := q.remember(ctx, tp, layout.HourOf(first).Day())
				if err != nil {
					return nil, err
				}
				more = more || got
			}
		}
		if !more {
			return set, nil
		}
	}
}

// remember reads a sealed day, if the day is sealed and was not read yet.
func (q *query) remember(ctx context.Context, tp *targetPlan, day string) (bool, error) {
	i := slices.IndexFunc(tp.manifest.Sealed, func(s catalog.Sealed) bool { return s.Day == day })
	if i < 0 || tp.sealed[day] != nil {
		return false, nil
	}
	_, err := q.sealedDay(ctx, tp, tp.manifest.Sealed[i])
	return true, err
}

func (q *query) readObject(ctx context.Context, tp *targetPlan, set *rawobj.Set, i int, v rawVisitor) (err error) {
	rows, err := set.Open(ctx, i)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	var r record.Row
	for place := uint32(0); ; place++ {
		if place&0xff == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		switch err := rows.Next(&r); {
		case record.AtEnd(err):
			s := rows.Stats()
			q.count.linesScanned.Add(s.Lines)
			q.count.bytesScanned.Add(s.Bytes)
			return v.done()
		case err != nil:
			return err
		}
		if r.Time < tp.start || r.Time > tp.end {
			continue
		}
		s := series{target: tp.target}
		s.group1, s.group2 = r.Group(tp.target.Kind)
		if !q.allowsSeries(s) || !q.allowsRow(&r) || !q.chain.Match(r.Log) {
			continue
		}
		if err := v.row(&r, s, place); err != nil {
			return err
		}
	}
}

// allowsRow asks the matchers on labels that are not part of the series.
func (q *query) allowsRow(r *record.Row) bool {
	return q.sel.Kind == layout.Node || (matchAll(q.matchers["stream"], r.Stream) && matchAll(q.matchers["node"], r.Node))
}
