package scan

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"lethe/internal/catalog"
	"lethe/internal/layout"
	"lethe/internal/linefilter"
	"lethe/internal/rawobj"
	"lethe/internal/record"
	"lethe/objstore"
)

// rawSource is one raw object of a plan.
type rawSource struct {
	tp   *targetPlan
	set  *rawobj.Set
	i    int
	rank uint32
}

func (r *rawSource) object() objstore.Object { return r.set.Object(r.i) }

// rawVisitor takes the selected rows of one raw object, with the place of each in its object, and is told when there are no more.
type rawVisitor interface {
	// expect is told which rows of a table come next; it may take some out that it does not need.
	expect(t *table, sel linefilter.Bitmap)
	row(r *record.Row, s series, place uint32) error
	done() error
}

// eachRaw reads the raw objects of a plan, several at a time, with a visitor of its own for each. Objects are decoded as they come in and
// never held whole.
func (q *query) eachRaw(ctx context.Context, p *plan, open func(rawSource) rawVisitor) error {
	defer q.timed(&q.count.rawNanos)()
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(q.s.opts.Concurrency)
	for _, tp := range p.targets {
		if len(tp.raw) > 0 {
			g.Go(func() error { return q.eachRawOf(gctx, tp, open) })
		}
	}
	return g.Wait()
}

func (q *query) eachRawOf(ctx context.Context, tp *targetPlan, open func(rawSource) rawVisitor) error {
	set, err := q.resolve(ctx, tp)
	if err != nil {
		return err
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(q.s.opts.rawReaders())
	for i := range set.Len() {
		g.Go(func() error {
			src := rawSource{tp, set, i, tp.rawRanks[set.Object(i).Key]}
			return q.excuse(set.Object(i).Key, q.readObject(gctx, src, always, open(src)))
		})
	}
	return g.Wait()
}

// rawReaders is how many raw objects of a query are read at once, over all its targets. Decoding is what takes the time; one more each waits for
// the store.
func (o *Options) rawReaders() int { return min(o.Concurrency, 2*o.Decoders) }

// resolve compares the raw objects with each other and with what is remembered of consumed ones: in the manifest, and in the sealed
// days in which their first records lie.
func (q *query) resolve(ctx context.Context, tp *targetPlan) (*rawobj.Set, error) {
	known, err := q.knownRaw(ctx, tp)
	if err != nil {
		return nil, err
	}
	set, err := rawobj.Resolve(ctx, q.store, tp.raw, tp.manifest.Bodies, rawobj.Options{
		Target: tp.target, Budget: q.s.opts.Memory / 4, Held: &q.bodies, Concurrency: q.s.opts.Concurrency, Consumed: tp.consumed,
		Known: func(o objstore.Object) (rawobj.Head, bool) {
			t, ok := known[o.Key]
			if !ok {
				return rawobj.Head{}, false
			}
			return t.head, true
		},
		Sealed: func(ctx context.Context, first layout.Hour) ([]catalog.Body, error) {
			for _, s := range tp.manifest.Sealed {
				if s.Remembers(first) {
					d, err := q.sealedDay(ctx, tp, s)
					if err != nil {
						return nil, err
					}
					return d.Bodies(), nil
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

// knownRaw returns the raw objects whose rows are in the cache and may be taken from there. Their names were listed before the manifest was read,
// so one of them may have been consumed, deleted and forgotten since, unless the plan is settled; where it is not, each is asked for.
func (q *query) knownRaw(ctx context.Context, tp *targetPlan) (map[string]*table, error) {
	known := map[string]*table{}
	for _, obj := range tp.raw {
		if t, ok := q.s.raw.Get(rawKeyOf(obj)); ok {
			known[obj.Key] = t
		}
	}
	if !tp.settled {
		if err := q.stillThere(ctx, tp, known); err != nil {
			return nil, err
		}
	}
	q.count.cacheHits.Add(int64(len(known)))
	return known, nil
}

// askedOneByOne is how many raw objects are asked for one by one; one listing costs less than asking for more, in time as in money.
const askedOneByOne = 8

// stillThere makes sure that the store still has the raw objects that are known, as they were listed; else the plan does not hold. It asks
// after the manifest was read.
func (q *query) stillThere(ctx context.Context, tp *targetPlan, known map[string]*table) error {
	if len(known) > askedOneByOne {
		return q.stillListed(ctx, tp, known)
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(q.s.opts.Concurrency)
	for _, obj := range tp.raw {
		if known[obj.Key] == nil {
			continue
		}
		g.Go(func() error {
			attrs, err := q.store.Stat(gctx, obj.Key)
			if err != nil {
				return fmt.Errorf("asking for %s: %w", obj.Key, err)
			}
			if attrs.Size != obj.Size || attrs.ETag != known[obj.Key].head.ETag {
				return fmt.Errorf("%s: it is not the object that was listed: %w", obj.Key, objstore.ErrNotExist)
			}
			return nil
		})
	}
	return g.Wait()
}

func (q *query) stillListed(ctx context.Context, tp *targetPlan, known map[string]*table) error {
	there := make(map[rawKey]bool, len(known))
	for obj, err := range q.store.List(ctx, objstore.ListOptions{Prefix: layout.RawPrefixOf(tp.target)}) {
		if err != nil {
			return fmt.Errorf("listing raw objects of %s: %w", tp.target, err)
		}
		there[rawKeyOf(obj)] = true
	}
	for _, obj := range tp.raw {
		if known[obj.Key] != nil && !there[rawKeyOf(obj)] {
			return fmt.Errorf("%s: %w", obj.Key, objstore.ErrNotExist)
		}
	}
	return nil
}

// readObject hands the selected rows of one raw object to v.
func (q *query) readObject(ctx context.Context, src rawSource, in span, v rawVisitor) (err error) {
	tp, set, i := src.tp, src.set, src.i
	in = span{max(in.first, tp.start), min(in.last, tp.end)}
	if t := tp.tables[src.object().Key]; t != nil && set.Skip(i) == 0 {
		if err := q.searchTable(ctx, t, in, v); err != nil {
			return err
		}
		return v.done()
	}
	if err := q.reading.Acquire(ctx, 1); err != nil {
		return err
	}
	defer q.reading.Release(1)
	rows, err := set.Open(ctx, i)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	return q.readTables(ctx, src, rows, in, v)
}

// readTables reads an object in tables of up to tableBytes, so that the filters search many lines at once and an object is never held whole
// unless it is small. There are few tables at once, over all queries.
func (q *query) readTables(ctx context.Context, src rawSource, rows *rawobj.Rows, in span, v rawVisitor) error {
	if err := q.s.tables.Acquire(ctx, 1); err != nil {
		return err
	}
	defer q.s.tables.Release(1)
	set, i := src.set, src.i
	t := newTable(src.tp.target)
	for first := true; ; first = false {
		if err := ctx.Err(); err != nil {
			return err
		}
		more, err := t.fill(rows)
		if err != nil {
			return err
		}
		if err := q.searchTable(ctx, t, in, v); err != nil {
			return err
		}
		if !more {
			if head, ok := set.Head(i); ok && first && set.Skip(i) == 0 {
				t.head = head
				q.s.raw.Add(rawKeyOf(src.object()), t, t.bytes())
			}
			return v.done()
		}
		t.next()
	}
}
