package scan

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"lethe/internal/catalog"
	"lethe/internal/layout"
	"lethe/internal/rawobj"
	"lethe/internal/record"
	"lethe/objstore"
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
	known, err := q.knownRaw(ctx, tp)
	if err != nil {
		return nil, err
	}
	set, err := rawobj.Resolve(ctx, q.store, tp.raw, tp.manifest.Bodies, rawobj.Options{
		Target: tp.target, Budget: q.s.opts.Memory / 4, Concurrency: q.s.opts.Concurrency, Consumed: tp.consumed,
		Known: func(o objstore.Object) (rawobj.Head, bool) {
			t, ok := known[o.Key]
			if !ok {
				return rawobj.Head{}, false
			}
			return t.head, true
		},
		Sealed: func(ctx context.Context, day string) ([]catalog.Body, error) {
			for _, s := range tp.manifest.Sealed {
				if s.Day == day {
					d, err := q.sealedDay(ctx, tp, s)
					if err != nil {
						return nil, err
					}
					return d.Bodies, nil
				}
			}
			return nil, nil
		},
	})
	if err != nil {
		return nil, fmt.Errorf("raw objects of %s: %w", tp.target, err)
	}
	tp.tables = known
	return set, nil
}

// knownRaw returns the raw objects whose rows are in the cache and that the store still has. Their names were listed before the manifest
// was read, so one of them may have been consumed, deleted and forgotten since: only what the store shows after the manifest was
// read may be taken from memory.
func (q *query) knownRaw(ctx context.Context, tp *targetPlan) (map[string]*table, error) {
	known := map[string]*table{}
	for _, obj := range tp.raw {
		if t, ok := q.s.raw.Get(rawKeyOf(obj)); ok {
			known[obj.Key] = t
		}
	}
	if len(known) == 0 {
		return known, nil
	}
	there := make(map[rawKey]bool, len(known))
	for obj, err := range q.store.List(ctx, objstore.ListOptions{Prefix: layout.RawPrefixOf(tp.target)}) {
		if err != nil {
			return nil, fmt.Errorf("listing raw objects of %s: %w", tp.target, err)
		}
		there[rawKeyOf(obj)] = true
	}
	for _, obj := range tp.raw {
		if known[obj.Key] != nil && !there[rawKeyOf(obj)] {
			return nil, fmt.Errorf("%s: %w", obj.Key, objstore.ErrNotExist)
		}
	}
	q.count.cacheHits.Add(int64(len(known)))
	return known, nil
}

// readObject hands the selected rows of one raw object to v: as tables of up to tableBytes, so that the filters search many lines at once
// and an object is never held whole unless it is small.
func (q *query) readObject(ctx context.Context, tp *targetPlan, set *rawobj.Set, i int, v rawVisitor) (err error) {
	obj := set.Object(i)
	if t := tp.tables[obj.Key]; t != nil && set.Skip(i) == 0 {
		if err := q.searchTable(tp, t, v); err != nil {
			return err
		}
		return v.done()
	}
	rows, err := set.Open(ctx, i)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	t := newTable(tp.target)
	for first := true; ; first = false {
		if err := ctx.Err(); err != nil {
			return err
		}
		more, err := t.fill(rows)
		if err != nil {
			return err
		}
		if err := q.searchTable(tp, t, v); err != nil {
			return err
		}
		if !more {
			if head, ok := set.Head(i); ok && first && set.Skip(i) == 0 {
				t.head = head
				q.s.raw.Add(rawKeyOf(obj), t, t.bytes())
			}
			return v.done()
		}
		t.next()
	}
}
