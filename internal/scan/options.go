// Package scan searches a bucket: it implements letheql.Source over raw objects and blocks.
//
// A read follows the commit protocol. It lists the raw objects of a target, then gets the manifest, then its sealed days, then the
// objects: what the manifest has consumed is left out of the listing, and what an agent sent twice counts once. An object that is gone
// meanwhile throws the plan away; the read plans again unless rows have gone out.
//
// Blocks are left out by hour and time, by the labels of their runs, and by the line index; a page by its own times. Raw objects are
// never left out, because nothing about their keys is certain; their rows are cached, but used only where no manifest was swapped since
// before the listing, or when the store shows the object after the manifest was read: see manifests. Blocks are immutable and their names are never used twice, so their tails and pages are cached by
// key without ever asking the store again: a manifest that names a block vouches for it.
package scan

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"lethe/internal/block"
	"lethe/internal/cache"
	"lethe/letheql"
	"lethe/objstore"
)

// ErrOptions marks options that cannot be.
var ErrOptions = errors.New("invalid scan options")

// Options of a Scanner. The zero value of a field stands for its default.
type Options struct {
	// Concurrency is how many objects of one query are read at once, 1 to 256. Default 8. Requests for pages have at most Concurrency × GetBytes under
	// way together, and are at most 8 × Concurrency.
	Concurrency int
	// Decoders is how many pages of one query are decoded at once, 1 to 256. Default: the number of CPUs that Go uses.
	Decoders int
	// GapBytes is how far two pages may lie apart and still be got by one request. Default 512 KiB, which a store sends faster than it answers
	// another request; negative means none.
	GapBytes int64
	// GetBytes is how long a request for several pages may become, at least 64 KiB. Default 2 MiB.
	GetBytes int64
	// MaxBytes is how many bytes a query may fetch. Default 0: no limit.
	MaxBytes int64
	// Memory is how many bytes of matching lines a query may hold, at least 1 MiB. Default 64 MiB. Buffers of requests and pages come
	// on top, about Concurrency × GetBytes and Decoders × 3 MiB for each query, and Decoders × 10 MiB of raw objects for all of them.
	Memory int64
	// TailCache, PageCache and RawCache are how many bytes of block tails, of pages, and of decoded raw objects are kept for later queries,
	// over all queries. Defaults 64 MiB each; negative means none.
	TailCache, PageCache, RawCache int64
	// PlanCache is how many bytes of manifests and sealed days are kept, half of it each. Default 32 MiB; negative means none.
	PlanCache int64
	// Disk keeps tails and pages for other processes; nil means none. DiskBytes is how many bytes a query may give to it.
	Disk      Disk
	DiskBytes int64
	// MaxQueries is how many queries run at once; others wait for their turn or the end of their context. Default 0: no limit.
	MaxQueries int
	// HedgeAfter is how long the store may take to begin an answer to a get of a block before the same get is sent again and the faster one wins. The
	// first get of a query may be, and one in ten. Default 0: never.
	HedgeAfter time.Duration
	// Fanout has others read large plans with it. Default: none does.
	Fanout Fanout
	// Plans is how often a query may be planned because objects were deleted meanwhile. Default 5.
	Plans int
	// Partial leaves out objects that cannot be read and names them in Stats.Skipped, instead of failing.
	Partial bool
	// Now is the clock of Stats' times. Without it they stay 0.
	Now func() time.Time
}

func orDefault[T int | int64](v *T, def T) {
	if *v == 0 {
		*v = def
	}
}

func (o Options) withDefaults() (Options, error) {
	orDefault(&o.Concurrency, 8)
	orDefault(&o.Decoders, min(256, runtime.GOMAXPROCS(0)))
	orDefault(&o.GapBytes, 512<<10)
	orDefault(&o.GetBytes, 2<<20)
	orDefault(&o.Memory, 64<<20)
	orDefault(&o.TailCache, 64<<20)
	orDefault(&o.PageCache, 64<<20)
	orDefault(&o.RawCache, 64<<20)
	orDefault(&o.PlanCache, 32<<20)
	orDefault(&o.Plans, 5)
	o.GapBytes = max(0, o.GapBytes)
	if o.Now == nil {
		o.Now = func() time.Time { return time.Time{} }
	}
	switch {
	case o.Concurrency < 1 || o.Concurrency > 256:
		return o, fmt.Errorf("%w: Concurrency %d is not between 1 and 256", ErrOptions, o.Concurrency)
	case o.Decoders < 1 || o.Decoders > 256:
		return o, fmt.Errorf("%w: Decoders %d is not between 1 and 256", ErrOptions, o.Decoders)
	case o.GetBytes < 64<<10:
		return o, fmt.Errorf("%w: GetBytes %d is less than 64 KiB", ErrOptions, o.GetBytes)
	case o.Memory < 1<<20:
		return o, fmt.Errorf("%w: Memory %d is less than 1 MiB", ErrOptions, o.Memory)
	case o.HedgeAfter < 0:
		return o, fmt.Errorf("%w: HedgeAfter %s is negative", ErrOptions, o.HedgeAfter)
	case o.Fanout.Pieces < 0 || o.Fanout.Pieces > maxPieces || o.Fanout.Bytes < 0:
		return o, fmt.Errorf("%w: Fanout.Pieces %d is not between 0 and %d, or Fanout.Bytes %d is negative", ErrOptions, o.Fanout.Pieces, maxPieces, o.Fanout.Bytes)
	case o.MaxBytes < 0 || o.MaxQueries < 0 || o.Plans < 1:
		return o, fmt.Errorf("%w: MaxBytes %d, MaxQueries %d or Plans %d is negative", ErrOptions, o.MaxBytes, o.MaxQueries, o.Plans)
	}
	return o, nil
}

// Scanner implements letheql.Source over a bucket. It is safe for concurrent use.
type Scanner struct {
	bucket objstore.Reader
	opts   Options
	tails  *cache.Cache[string, *tail]
	pages  *cache.Cache[pageKey, []byte]
	raw    *cache.Cache[rawKey, *table]
	// manifests that were read last.
	manifests manifests
	// view has the manifests, where it is set.
	view View
	gate *semaphore.Weighted
	// tables has a place for each table of a raw object that may be filled at once, over all queries: more than the CPUs take work on helps nobody.
	tables *semaphore.Weighted
	// workers are *worker between pages, and logPages *block.LogPage whose rows have gone out.
	workers, logPages sync.Pool
	// stats guards the Stats of all callers.
	stats sync.Mutex
}

var _ letheql.Source = (*Scanner)(nil)

// New returns a Scanner over bucket, which may be a View. Errors wrap ErrOptions.
func New(bucket objstore.Reader, o Options) (*Scanner, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Scanner{bucket: bucket, opts: o}
	s.tables = semaphore.NewWeighted(2 * int64(o.Decoders))
	s.view, _ = bucket.(View)
	s.workers.New = newWorker
	s.logPages.New = func() any { return new(block.LogPage) }
	s.tails = cache.New[string, *tail](o.TailCache)
	s.pages = cache.New[pageKey, []byte](o.PageCache)
	s.raw = cache.New[rawKey, *table](o.RawCache)
	s.manifests = newManifests(o.PlanCache)
	if o.MaxQueries > 0 {
		s.gate = semaphore.NewWeighted(int64(o.MaxQueries))
	}
	return s, nil
}
