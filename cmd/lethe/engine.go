package main

import (
	"cmp"
	"context"

	"lethe/internal/scan"
	"lethe/letheql"
	"lethe/objstore"
)

// bytesPerValue is what a value of a metric query takes in memory: a time and a number.
const bytesPerValue = 16

// minScanMemory is the least that a scan works with.
const minScanMemory = 1 << 20

// openEngine opens the bucket and returns an engine over it, without the limits of what is asked over HTTP.
func (p *program) openEngine(ctx context.Context) (*letheql.Engine, error) {
	bucket, err := p.openBucket(ctx)
	if err != nil {
		return nil, err
	}
	return p.engineOver(bucket)
}

func (p *program) engineOver(bucket objstore.Reader) (*letheql.Engine, error) {
	source, err := p.source(bucket)
	if err != nil {
		return nil, err
	}
	return p.engine(source)
}

// orNone gives an option its own word for none: the zero that the user wrote would be its default.
func orNone[T ~int | ~int64](v T) T {
	if v == 0 {
		return -1
	}
	return v
}

// source returns a scanner. It has 3/8 of a query's memory for the lines that it puts in order, and the engine the other 5/8 for the newest
// lines, which it turns around. Of a query for numbers one half is for what is counted, and one for what is made of that.
func (p *program) source(bucket objstore.Reader) (*scan.Scanner, error) {
	return p.sourceWith(bucket, nil)
}

// sourceWith returns a scanner that has workers read pieces of large queries. Where they are nil, only explain tells of pieces.
func (p *program) sourceWith(bucket objstore.Reader, workers scan.Workers) (*scan.Scanner, error) {
	if p.config.Query.MaxMemory < 1 {
		return nil, usagef("query.max_memory must be more than 0: a query that may hold nothing finds nothing")
	}
	o := p.scanOptions()
	o.Fanout.Workers = workers
	if err := p.cacheOnDisk(&o); err != nil {
		return nil, err
	}
	return scan.New(bucket, o)
}

func (p *program) scanOptions() scan.Options {
	q := &p.config.Query
	eighth := int64(p.config.Cache.Size) / 8
	ordered := max(int64(q.MaxMemory)/8*3, minScanMemory)
	return scan.Options{
		Concurrency: q.Parallel.N, MaxBytes: int64(q.MaxBytes), Memory: ordered, TailCache: orNone(3 * eighth), PageCache: orNone(2 * eighth),
		RawCache: orNone(2 * eighth), PlanCache: orNone(eighth),
		HedgeAfter: q.HedgeAfter.Std(), Partial: bool(q.Partial), Now: p.now,
		Fanout: scan.Fanout{Pieces: q.Fanout.N, Bytes: int64(q.FanoutBytes)},
	}
}

// engine returns an engine. The limit of lines over HTTP is the handler's business: on the command line there is none.
func (p *program) engine(source letheql.Source) (*letheql.Engine, error) {
	return letheql.NewEngine(source, p.engineOptions())
}

func (p *program) engineOptions() letheql.Options {
	q := &p.config.Query
	newest, values := max(int64(q.MaxMemory)/8*5, 1), max(int(q.MaxMemory)/2/bytesPerValue, 1)
	return letheql.Options{
		MaxQueryBytes: int(q.MaxLength), IngestDelay: orNone(q.IngestDelay.Std()), MaxPoints: q.MaxPoints.N, MaxSeries: q.MaxSeries.N,
		MaxBuffer: newest, MaxSamples: values,
		MaxRange: q.MaxRange.Std(), DefaultLimit: p.defaultLimit(), Timeout: orNone(q.Timeout.Std()),
	}
}

// unsaidLimit is how many lines a request gets that does not say, where no setting does either.
const unsaidLimit = 1000

// defaultLimit is how many lines a request gets that does not say. Where query.limit is 0, for all, it is as many as a request may ask for.
func (p *program) defaultLimit() int {
	return cmp.Or(p.config.Query.Limit.N, p.config.Query.MaxLimit.N, unsaidLimit)
}

// maxLimit is how many lines a request may ask for, 0 for any number: at least as many as it gets when it does not say.
func (p *program) maxLimit() int {
	if p.config.Query.MaxLimit.N == 0 {
		return 0
	}
	return max(p.config.Query.MaxLimit.N, p.config.Query.Limit.N)
}
