package compactor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"lethe/internal/block"
	"lethe/internal/layout"
)

// Bounds and defaults of the options.
const (
	// MinRawGrace is how long a consumed raw object stays at least. S3 clients retry for minutes: a put that arrives late must find its name
	// still among the consumed ones.
	MinRawGrace = 15 * time.Minute
	// GraceMargin is added to twice the query timeout: the time between reading a manifest and the first use of it.
	GraceMargin = 30 * time.Second

	minMemory     = 8 << 20
	minTargetSize = 1 << 20
	minHour       = time.Hour
)

// Errors of options.
var (
	// ErrOptions: the options cannot be used.
	ErrOptions = errors.New("invalid compactor options")
	// ErrGrace: replaced blocks, or consumed raw objects, would be deleted while queries still read them.
	ErrGrace = errors.New("the grace is too short")
	// ErrNoCompareAndSwap: the store does not do conditional puts, so two compactors would lose each other's commits.
	ErrNoCompareAndSwap = errors.New("the store does not keep the promise of conditional puts: two compactors at once would lose lines; " +
		"use a store that has them (S3, MinIO, VersityGW 1.8), or make sure that only one compactor ever runs and say --single-writer")
)

// Options of a Compactor. Now and NewID have no default.
type Options struct {
	// Now is the local clock. It says how long things take, when retention and sweeps are due again, which nodes are silent, and how old blocks without a
	// manifest are that Verify finds: graces, closed hours and what retention keeps go by the store's clock.
	Now func() time.Time
	// NewID returns an id that no other call of any process returns, and that sorts after those it returned before.
	NewID func() string
	// Logger gets what a person should know of; nil discards it.
	Logger *slog.Logger
	// Metrics, where set, is counted in as well.
	Metrics *Metrics
	// Held, where set, is called before anything raw is deleted. The function that it returns tells for each consumed raw object
	// whether it must stay, because an alert rule has not seen it yet.
	Held func(ctx context.Context) (func(rawKey string, lastModified time.Time) bool, error)

	// Progress, where set, is called after each commit, from several goroutines at once.
	Progress func(Progress)

	// Targets to compact; empty is all. Retention by size still counts all of them, and deletes in these only.
	Targets []layout.Target
	// Shard leaves only part of the targets to this compactor. The zero Shard is all.
	Shard Shard
	// SingleWriter compacts without conditional puts. It is right only while a single compactor runs.
	SingleWriter bool
	// Deadline is how long a pass may take; 0 is unlimited. Before it no new work is begun, and the summary says what is left.
	Deadline time.Duration

	// Concurrency is how many targets are worked on at once; default 2.
	Concurrency int
	// Memory in bytes is what the rows that wait for sorting may hold, over all targets at once; default 64 MiB.
	Memory int64
	// TempDir holds blocks until they are put, and what does not fit into Memory: about BatchBytes for each target that is worked on. Default is the
	// system's.
	TempDir string
	// BatchObjects and BatchBytes bound the raw objects that one commit consumes, so that a backlog makes progress; defaults 2,000 and 256 MiB.
	BatchObjects int
	BatchBytes   int64
	// TargetSize in bytes is the largest block that merging makes; default 256 MiB.
	TargetSize int64
	// FanIn is how many blocks of an open hour are merged into one, from 2 to 64; default 32. It trades the blocks that a query of the open hour
	// opens for how often lines are rewritten: of sixty blocks, one a minute, 32 are merged once before the hour closes. A closed hour is merged
	// from up to 16 more. Blocks that are no drafts have larger pages and count twice.
	FanIn int
	// Block is how blocks are written.
	Block block.Options

	// Grace is how long replaced blocks stay; default 2 × QueryTimeout + GraceMargin, or 5m if that is more. QueryTimeout is the longest that a
	// query reads; default 20s. Where queries have no bound, one that reads for longer than the grace finds objects gone.
	Grace, QueryTimeout time.Duration
	// RawGrace is how long consumed raw objects stay; default 20m, more than MinRawGrace and no less than Grace's least.
	RawGrace time.Duration
	// CloseDelay after its end an hour counts as closed: its blocks are merged for good; default 10m.
	CloseDelay time.Duration
	// Settle is how long nothing must have arrived for a closed hour before late blocks are merged with it; default 1h.
	Settle time.Duration
	// SealDelay after its end, and after the last arrival for it, an hour may be sealed; default 1h.
	SealDelay time.Duration

	// Retention says what is deleted.
	Retention Retention
	// SweepInterval is how often orphans are looked for; default 1h, negative: in every pass. SweepAge is how old one must be, lest live
	// writers are disturbed; default 1h, negative: none.
	SweepInterval, SweepAge time.Duration
}

// Progress is how far a pass has come.
type Progress struct {
	// Bytes of raw objects, as stored, that were committed, and all that the pass has seen.
	Bytes, TotalBytes int64
	// Lines that were written.
	Lines int64
}

// Retention says how long and how much is kept. The zero value keeps everything.
type Retention struct {
	// Time that lines are kept; 0 is for ever.
	Time time.Duration
	// Size in bytes of everything that is stored; 0 is unlimited.
	Size int64
	// Interval between two rounds of retention and upkeep; default 10m, negative: in every pass.
	Interval time.Duration
	// Overrides for some targets; the first one that matches a target counts.
	Overrides []Override
}

// Override is a retention of its own for the targets that a selector matches.
type Override struct {
	// Selector on the target's label only: pod{namespace=~"dev-.*"}, node{node="a"}, or all of a kind: pod.
	Selector string
	// Time and Size take the place of Retention's; 0 means Retention's Time, and no bound of its own on the size. A Size bounds the sum over
	// all targets that the override is for; they count for Retention's Size too.
	Time time.Duration
	Size int64
}

// Shard is part Index of Count of the targets, by a hash of their names.
type Shard struct{ Index, Count int }

func (o *Options) setDefaults() {
	def(&o.Concurrency, 2)
	def(&o.Memory, 64<<20)
	def(&o.BatchObjects, 2000)
	def(&o.BatchBytes, 256<<20)
	def(&o.TargetSize, 256<<20)
	def(&o.FanIn, 32)
	def(&o.QueryTimeout, 20*time.Second)
	def(&o.Grace, max(5*time.Minute, 2*o.QueryTimeout+GraceMargin))
	def(&o.RawGrace, max(20*time.Minute, o.Grace))
	def(&o.CloseDelay, 10*time.Minute)
	def(&o.Settle, time.Hour)
	def(&o.SealDelay, time.Hour)
	def(&o.SweepInterval, time.Hour)
	def(&o.SweepAge, time.Hour)
	def(&o.Retention.Interval, 10*time.Minute)
	def(&o.Shard.Count, 1)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

func def[T comparable](p *T, value T) {
	var zero T
	if *p == zero {
		*p = value
	}
}

func (o *Options) check() error {
	least := 2*o.QueryTimeout + GraceMargin
	switch {
	case o.Now == nil || o.NewID == nil:
		return fmt.Errorf("%w: Now and NewID must be set", ErrOptions)
	case o.QueryTimeout < 0 || o.Grace < least:
		return fmt.Errorf("%w: replaced blocks must stay at least twice query.timeout (%s) and %s, that is %s; it is %s",
			ErrGrace, o.QueryTimeout, GraceMargin, least, o.Grace)
	case o.RawGrace <= MinRawGrace || o.RawGrace < least:
		return fmt.Errorf("%w: consumed raw objects must stay longer than %s and at least %s; it is %s", ErrGrace, MinRawGrace, least, o.RawGrace)
	case o.Concurrency < 1 || o.Concurrency > 1024:
		return fmt.Errorf("%w: Concurrency is %d, it must be from 1 to 1024", ErrOptions, o.Concurrency)
	case o.Memory/int64(o.Concurrency) < minMemory:
		return fmt.Errorf("%w: Memory is %d bytes, it must be at least %d for each of %d targets at once", ErrOptions, o.Memory, minMemory, o.Concurrency)
	case o.BatchObjects < 1 || o.BatchBytes < 1:
		return fmt.Errorf("%w: BatchObjects is %d and BatchBytes %d, both must be positive", ErrOptions, o.BatchObjects, o.BatchBytes)
	case o.TargetSize < minTargetSize:
		return fmt.Errorf("%w: TargetSize is %d bytes, it must be at least %d", ErrOptions, o.TargetSize, minTargetSize)
	case o.FanIn < 2 || o.FanIn > 64:
		return fmt.Errorf("%w: FanIn is %d, it must be from 2 to 64", ErrOptions, o.FanIn)
	case o.CloseDelay < 0 || o.Settle < 0 || o.SealDelay < 0 || o.Deadline < 0:
		return fmt.Errorf("%w: a delay is negative", ErrOptions)
	case o.Shard.Count < 1 || o.Shard.Index < 0 || o.Shard.Index >= o.Shard.Count:
		return fmt.Errorf("%w: shard %d of %d", ErrOptions, o.Shard.Index, o.Shard.Count)
	}
	return o.Retention.check()
}

func (r *Retention) check() error {
	if r.Time < 0 || r.Size < 0 {
		return fmt.Errorf("%w: retention.time %s and retention.size %d must not be negative", ErrOptions, r.Time, r.Size)
	}
	if r.Time > 0 && r.Time < minHour {
		return fmt.Errorf("%w: retention.time %s is less than an hour", ErrOptions, r.Time)
	}
	for _, o := range r.Overrides {
		if o.Time < 0 || o.Size < 0 || (o.Time > 0 && o.Time < minHour) {
			return fmt.Errorf("%w: retention of %s: time %s, size %d", ErrOptions, o.Selector, o.Time, o.Size)
		}
	}
	return nil
}
