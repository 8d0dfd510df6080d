package letheql

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"

	"lethe/internal/record"
)

// Options of an engine. A zero field takes its default.
type Options struct {
	// MaxQueryBytes is the longest query; 64 KiB.
	MaxQueryBytes int
	// Lookback is how far back a query for lines at one instant reaches; 1m.
	Lookback time.Duration
	// IngestDelay is how long a line may take from its container to the bucket. A query for lines without a time ends that long before
	// now; 2m. Negative: no delay.
	IngestDelay time.Duration
	// MaxPoints is the greatest number of steps between the points of a range query; 11,000.
	MaxPoints int
	// MaxSeries is the greatest number of series that one selector of a metric query may give; 10,000.
	MaxSeries int
	// MaxSamples bounds the memory of a metric query: the number of values, of 16 bytes each, that are counted, and of those that PromQL makes
	// of them meanwhile; 20,000,000 each.
	MaxSamples int
	// MaxRange is the longest span of time that one selector may read; 0 is unlimited.
	MaxRange time.Duration
	// SubqueryStep is the step of a subquery that names none; 1m.
	SubqueryStep time.Duration
	// DefaultLimit is the number of lines for requests that name no limit; 1000.
	DefaultLimit int
	// MaxLimit is the greatest limit of lines that a request may ask for, and refuses a request for all; 0 is unlimited.
	MaxLimit int
	// MaxBuffer is the greatest number of bytes of lines that a query without a direction may hold, since it turns the newest lines around;
	// 256 MiB. Queries with a direction stream and hold none.
	MaxBuffer int64
	// Timeout ends a query with context.DeadlineExceeded; 20s. Negative: none.
	Timeout time.Duration
}

func (o Options) withDefaults() (Options, error) {
	setDefault(&o.MaxQueryBytes, 64<<10)
	setDefault(&o.Lookback, time.Minute)
	setDefault(&o.IngestDelay, 2*time.Minute)
	setDefault(&o.MaxPoints, 11_000)
	setDefault(&o.MaxSeries, 10_000)
	setDefault(&o.MaxSamples, 20_000_000)
	setDefault(&o.SubqueryStep, time.Minute)
	setDefault(&o.DefaultLimit, 1000)
	setDefault(&o.MaxBuffer, 256<<20)
	setDefault(&o.Timeout, 20*time.Second)
	o.IngestDelay = max(o.IngestDelay, 0)
	for name, v := range map[string]int64{
		"MaxQueryBytes": int64(o.MaxQueryBytes), "Lookback": int64(o.Lookback), "MaxPoints": int64(o.MaxPoints), "MaxSeries": int64(o.MaxSeries),
		"MaxSamples": int64(o.MaxSamples), "MaxRange": int64(o.MaxRange), "DefaultLimit": int64(o.DefaultLimit), "MaxLimit": int64(o.MaxLimit),
		"MaxBuffer": o.MaxBuffer,
	} {
		if v < 0 {
			return o, fmt.Errorf("letheql: option %s is negative", name)
		}
	}
	if o.SubqueryStep < time.Millisecond {
		return o, errors.New("letheql: option SubqueryStep is below a millisecond")
	}
	return o, nil
}

func setDefault[T comparable](p *T, v T) {
	var zero T
	if *p == zero {
		*p = v
	}
}

// Engine evaluates queries over a source. It is safe for use by several goroutines.
type Engine struct {
	src  Source
	o    Options
	prom *promql.Engine
}

// NewEngine returns an engine, or an error that names the option that is wrong.
func NewEngine(src Source, o Options) (*Engine, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	timeout := o.Timeout
	if timeout < 0 {
		timeout = 1<<63 - 1
	}
	return &Engine{src: src, o: o, prom: promql.NewEngine(promql.EngineOpts{
		MaxSamples:               o.MaxSamples,
		Timeout:                  timeout,
		LookbackDelta:            time.Millisecond,
		NoStepSubqueryIntervalFn: func(int64) int64 { return o.SubqueryStep.Milliseconds() },
		EnableAtModifier:         true,
		EnableNegativeOffset:     true,
		Parser:                   promqlParser(),
	})}, nil
}

// Request is one query. With Start and End both zero it is evaluated at one instant, else over a range.
type Request struct {
	Query string
	// Time of an instant query. Zero is Now for metric queries, and Now less the ingest delay for queries of lines.
	Time time.Time
	// Start and End of a range query, both included. A zero End is Now.
	Start, End time.Time
	// From and Until narrow a query of lines to those of these times, both included, whatever its offset; zero is no bound. What is asked for stays
	// the same: an answer that was cut goes on so. Metric queries ignore them.
	From, Until time.Time
	// Step of a range query for numbers; zero is a 250th of the range, at least 1s. Queries of lines ignore it.
	Step time.Duration
	// Limit is the greatest number of lines; nil is the default, 0 is all. Metric queries ignore it.
	Limit *int
	// Direction of lines. Nil is the newest Limit lines in ascending order, with a warning where older ones were left out.
	Direction *Direction
	// Now is the time at which the request was made.
	Now time.Time
}

func (r *Request) instant() bool { return r.Start.IsZero() && r.End.IsZero() }

// ResultType says which field of a Result is set.
type ResultType string

// The types: Logs as in Lethe, the others as in Prometheus.
const (
	Logs         ResultType = "logs"
	VectorResult ResultType = "vector"
	MatrixResult ResultType = "matrix"
	ScalarResult ResultType = "scalar"
	StringResult ResultType = "string"
)

// Result is the answer to a query.
type Result struct {
	Type ResultType
	// Rows are the lines of a result of type Logs. They are read from the source while they are iterated over, once. The iteration stops at
	// the first error, which comes with a zero row: the rows before it are then not the whole answer. Log is valid until the next step.
	Rows iter.Seq2[LogRow, error]
	// Staged: the query has stages, which may take labels out of the lines. Without them no row has any.
	Staged bool
	// Value is a promql.Vector, Matrix, Scalar or String for the other types.
	Value parser.Value
	// Warnings and Infos are for the user to read. With Rows they are complete when the iteration has ended.
	Warnings, Infos []string
	// Stats is what the query cost. With Rows it is complete when the iteration has ended. It is all that there is of a query which failed after it
	// had begun to read.
	Stats *Stats
}

// LogRow is a line and the labels that stages took out of it.
type LogRow struct {
	record.Row
	// Extracted is sorted by name. No name is that of a label of the row's kind, "time" or "log".
	Extracted []labels.Label
	// Undecided: a comparison of numbers has kept the row only because an earlier stage had failed on it. A count of lines leaves it out.
	Undecided bool
}

// Query evaluates a query. Errors for the user are of type *Error or wrap ErrLimit; a query that takes too long fails with an error
// that wraps context.DeadlineExceeded. Where the query has begun to read before it failed, a Result comes with the error and has its Stats, and
// nothing else.
func (e *Engine) Query(ctx context.Context, r Request) (*Result, error) {
	expr, err := e.parse(r.Query)
	if err != nil {
		return nil, err
	}
	if !r.instant() && r.End.IsZero() {
		r.End = r.Now
	}
	if !r.instant() && r.End.Before(r.Start) {
		return nil, userError("end %s is before start %s", stamp(r.End), stamp(r.Start))
	}
	if expr.IsLog() {
		return e.queryLogs(ctx, expr, r)
	}
	return e.queryMetric(ctx, expr, r)
}

// parse reads and validates a query within the limits of the engine.
func (e *Engine) parse(text string) (Expr, error) {
	expr, err := ParseAtMost(text, e.o.MaxQueryBytes)
	if err != nil {
		return Expr{}, err
	}
	return expr, expr.Validate()
}

// Explain returns what a query would read, without running it.
func (e *Engine) Explain(ctx context.Context, r Request) (*Plan, error) {
	expr, err := e.parse(r.Query)
	if err != nil {
		return nil, err
	}
	if !r.instant() && r.End.IsZero() {
		r.End = r.Now
	}
	selects, err := e.selects(expr, r)
	if err != nil {
		return nil, err
	}
	total := &Plan{}
	for _, q := range selects {
		p, err := e.src.Explain(ctx, q)
		if err != nil {
			return nil, err
		}
		total.Targets = append(total.Targets, p.Targets...)
		total.Lists += p.Lists
		total.Gets += p.Gets
		total.MaxBytes += p.MaxBytes
		if expr.IsLog() || q.Share != nil {
			total.Pieces += p.Pieces
		}
	}
	return total, nil
}

// timeout bounds a context by the engine's timeout.
func (e *Engine) timeout(ctx context.Context) (context.Context, context.CancelFunc) {
	if e.o.Timeout < 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, e.o.Timeout, fmt.Errorf("the query took longer than %s: %w", e.o.Timeout, context.DeadlineExceeded))
}

// checkRange refuses a span of time that is longer than the limit.
func (e *Engine) checkRange(q Select) error {
	span := time.Duration(q.End - q.Start)
	if e.o.MaxRange > 0 && (span > e.o.MaxRange || span < 0 && q.End > q.Start) {
		return fmt.Errorf("%w: the query reads a range of %s, at most %s are allowed", ErrAsked, span.Round(time.Second), e.o.MaxRange)
	}
	return nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
