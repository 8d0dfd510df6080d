package scan

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"golang.org/x/sync/semaphore"

	"lethe/internal/linefilter"
	"lethe/letheql"
	"lethe/objstore"
)

// query is the state of one select while it runs.
type query struct {
	s     *Scanner
	sel   letheql.Select
	chain *linefilter.Chain
	store *counted
	count *counters
	names *names
	// matchers by label, and what they said of each series.
	matchers map[string][]*labels.Matcher
	verdicts verdicts
	// need tells which columns of pages are read.
	need columns
	// decoding has a place for each page that may be decoded at once.
	decoding chan struct{}
	// reading has a place for each raw object that may be read at once, and bodies counts the bytes of those that are kept until then.
	reading *semaphore.Weighted
	bodies  atomic.Int64
	// flying has room for the requests for pages that may be under way at once, by their bytes.
	flying *semaphore.Weighted
	// searched counts the pages whose lines were searched, and hit those with a matching line.
	searched, hit atomic.Int64
	aside         aside
	skipped       skipList
	// kept are the bytes that were given to Options.Disk.
	kept atomic.Int64
	// asking are the requests that may have lost a race.
	asking sync.WaitGroup
	// part: the query reads a piece. gated: it has a turn.
	part, gated bool
	// handed tells that rows were visited or counted.
	handed  atomic.Bool
	started time.Time
	planned time.Time
	plans   int
}

// counters are added to by many goroutines and written to Stats once.
type counters struct {
	targets, hours, blocks, blocksPruned, rawObjects, rawBytes atomic.Int64
	pages, pagesPruned, cacheHits                              atomic.Int64
	linesScanned, linesReturned, bytesScanned, indexErrors     atomic.Int64
	pieces                                                     atomic.Int64
	bytesPlanned, bytesPruned, pagesRead                       atomic.Int64
	openNanos, rawNanos, fetchNanos, searchNanos               atomic.Int64
}

// timed returns a function that adds the time since to a counter.
func (q *query) timed(nanos *atomic.Int64) func() {
	start := q.s.opts.Now()
	return func() { nanos.Add(q.s.opts.Now().Sub(start).Nanoseconds()) }
}

// begin checks a select and waits for its turn. The caller calls end.
func (s *Scanner) begin(ctx context.Context, sel letheql.Select) (*query, error) {
	q, err := s.newQuery(sel)
	if err != nil {
		return nil, err
	}
	if s.gate != nil {
		if err := s.gate.Acquire(ctx, 1); err != nil {
			return nil, fmt.Errorf("waiting for other queries: %w", err)
		}
		q.gated = true
		q.started = s.opts.Now()
		q.planned = q.started
	}
	return q, nil
}

// newQuery checks a select.
func (s *Scanner) newQuery(sel letheql.Select) (*query, error) {
	chain, err := linefilter.Compile(sel.Filters)
	if err != nil {
		return nil, err
	}
	q := &query{s: s, sel: sel, chain: chain, count: new(counters), names: newNames(), decoding: make(chan struct{}, s.opts.Decoders), started: s.opts.Now()}
	q.matchers = make(map[string][]*labels.Matcher)
	for _, m := range sel.Matchers {
		q.matchers[m.Name] = append(q.matchers[m.Name], m)
	}
	q.reading = semaphore.NewWeighted(int64(s.opts.rawReaders()))
	q.flying = semaphore.NewWeighted(s.opts.flight())
	q.need = q.columns()
	q.store = &counted{r: s.bucket, limit: s.opts.MaxBytes}
	q.planned = q.started
	return q, nil
}

// end gives the turn to the next and adds what the query cost to stats, which may be nil.
func (q *query) end(stats *letheql.Stats) {
	q.asking.Wait()
	if q.gated {
		q.s.gate.Release(1)
	}
	if stats == nil {
		return
	}
	c := q.count
	q.s.stats.Lock()
	defer q.s.stats.Unlock()
	stats.Targets += c.targets.Load()
	stats.Hours += c.hours.Load()
	stats.Pieces += c.pieces.Load()
	stats.Blocks += c.blocks.Load()
	stats.BlocksPruned += c.blocksPruned.Load()
	stats.RawObjects += c.rawObjects.Load()
	stats.RawBytes += c.rawBytes.Load()
	stats.Pages += c.pages.Load()
	stats.PagesPruned += c.pagesPruned.Load()
	stats.BytesPlanned += c.bytesPlanned.Load()
	stats.BytesPruned += c.bytesPruned.Load()
	stats.PagesRead += c.pagesRead.Load()
	stats.OpenNanos += c.openNanos.Load()
	stats.RawNanos += c.rawNanos.Load()
	stats.FetchNanos += c.fetchNanos.Load()
	stats.SearchNanos += c.searchNanos.Load()
	stats.Lists += q.store.lists.Load()
	stats.Gets += q.store.gets.Load()
	stats.BytesFetched += q.store.bytes.Load()
	stats.Hedges += q.store.hedges.Load()
	stats.CacheHits += c.cacheHits.Load()
	stats.LinesScanned += c.linesScanned.Load()
	stats.LinesReturned += c.linesReturned.Load()
	stats.BytesScanned += c.bytesScanned.Load()
	stats.IndexErrors += c.indexErrors.Load()
	stats.PlanNanos += q.planned.Sub(q.started).Nanoseconds()
	stats.RunNanos += q.s.opts.Now().Sub(q.planned).Nanoseconds()
	stats.Skipped = append(stats.Skipped, q.skipped.sorted()...)
}

// retry runs a plan and what follows until no object of it was deleted meanwhile. Once out is true nothing is run again.
func (q *query) retry(ctx context.Context, out *bool, run func(ctx context.Context) error) error {
	for {
		q.plans++
		err := run(ctx)
		if !errors.Is(err, objstore.ErrNotExist) {
			return err
		}
		switch {
		case *out:
			return fmt.Errorf("%w after rows had gone out, run it again: %w", letheql.ErrChanged, err)
		case q.plans >= q.s.opts.Plans:
			return fmt.Errorf("%w, %d times: %w", letheql.ErrChanged, q.plans, err)
		}
		// What the abandoned plan counted of the store stays: it was paid for. The rest starts over.
		q.count = new(counters)
		q.bodies.Store(0)
		q.skipped.reset()
		q.names = newNames()
	}
}

// counted counts what a query asks of the store, and ends it where that is more than it may.
type counted struct {
	r                  objstore.Reader
	limit              int64
	lists, gets, bytes atomic.Int64
	// hedges are those of gets that were sent because an answer was late.
	hedges atomic.Int64
	// outlook says of a plan what it needs and what would cut it; nil before there is one.
	outlook atomic.Pointer[string]
}

// List implements objstore.Reader.
func (c *counted) List(ctx context.Context, o objstore.ListOptions) iter.Seq2[objstore.Object, error] {
	const page = 1000
	return func(yield func(objstore.Object, error) bool) {
		c.lists.Add(1)
		n := 0
		for obj, err := range c.r.List(ctx, o) {
			if n++; n > page {
				c.lists.Add(1)
				n = 1
			}
			if !yield(obj, err) {
				return
			}
		}
	}
}

// Get implements objstore.Reader.
func (c *counted) Get(ctx context.Context, key string, r objstore.Range) (io.ReadCloser, objstore.Attributes, error) {
	c.gets.Add(1)
	rc, a, err := c.r.Get(ctx, key, r)
	if err != nil {
		return nil, a, err
	}
	return &countedBody{rc, c}, a, nil
}

// Stat implements objstore.Reader.
func (c *counted) Stat(ctx context.Context, key string) (objstore.Attributes, error) {
	c.gets.Add(1)
	return c.r.Stat(ctx, key)
}

type countedBody struct {
	io.ReadCloser
	c *counted
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.c.bytes.Add(int64(n))
	if over := b.c.check(); over != nil {
		return n, over
	}
	return n, err
}

// check returns an error where more was fetched than the query may.
func (c *counted) check() error {
	total := c.bytes.Load()
	if c.limit == 0 || total <= c.limit {
		return nil
	}
	outlook := ""
	if o := c.outlook.Load(); o != nil {
		outlook = *o
	}
	return fmt.Errorf("%w: it has fetched %s, query.max_bytes is %s%s", letheql.ErrLimit, bytesText(total), bytesText(c.limit), outlook)
}
