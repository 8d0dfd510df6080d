package letheql

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"lethe/internal/layout"
	"lethe/internal/record"
	"lethe/letheql/internal/pipeline"
)

// logQuery is a query for lines, ready to run.
type logQuery struct {
	q     Select
	run   pipeline.Pipeline
	limit int
}

// logQuery finds out which lines a request asks for.
func (e *Engine) logQuery(expr Expr, r Request) (*logQuery, error) {
	vs, matrix := logRoot(expr.root)
	sel := expr.byPos[int(vs.PosRange.Start)]
	lq := &logQuery{run: sel.run, limit: e.o.DefaultLimit}
	if r.Limit != nil {
		lq.limit = *r.Limit
	}
	if lq.limit < 0 {
		return nil, userError("limit %d is negative", lq.limit)
	}
	if e.o.MaxLimit > 0 && (lq.limit == 0 || lq.limit > e.o.MaxLimit) {
		if r.Limit != nil {
			return nil, fmt.Errorf("%w: limit %d, at most %d lines are allowed (0 asks for all)", ErrAsked, lq.limit, e.o.MaxLimit)
		}
		lq.limit = e.o.MaxLimit
	}
	lq.q = sel.selectRows()
	lq.q.NeedLog, lq.q.NeedStream, lq.q.NeedNode = true, true, true
	lookback := e.o.Lookback
	if matrix != nil {
		if !r.instant() {
			return nil, errorAt(expr.text, int(vs.PosRange.Start), "a query over a range of time has no range of its own: leave out [%s], or ask for one instant", matrix.Range)
		}
		lookback = matrix.Range
	}
	start, end := r.Start, r.End
	if r.instant() {
		end = r.Time
		if end.IsZero() {
			end = r.Now.Add(-e.o.IngestDelay)
		}
		// Left open, so that two instants one lookback apart share no line.
		start = end.Add(-lookback + 1)
	}
	lq.q.Start, lq.q.End = UnixNano(start.Add(-vs.OriginalOffset)), UnixNano(end.Add(-vs.OriginalOffset))
	if err := e.checkRange(lq.q); err != nil {
		return nil, err
	}
	return lq, lq.narrow(r.From, r.Until)
}

func (lq *logQuery) narrow(from, until time.Time) error {
	if !from.IsZero() {
		lq.q.Start = max(lq.q.Start, UnixNano(from))
	}
	if !until.IsZero() {
		lq.q.End = min(lq.q.End, UnixNano(until))
	}
	if (!from.IsZero() || !until.IsZero()) && lq.q.End < lq.q.Start {
		return userError("%s to %s is outside of what is asked for", stamp(from), stamp(until))
	}
	return nil
}

// selectRows is the part of a Select that the text of a query decides.
func (s *Selector) selectRows() Select {
	return Select{Kind: s.Kind, Matchers: s.Matchers, Filters: s.Filters}
}

// Select returns the selector as a source takes it; the caller sets the times. It fails with an *Error where there are stages, which a
// source does not know.
func (s *Selector) Select() (Select, error) {
	if len(s.run) > 0 {
		return Select{}, userError("stages are not allowed here: %s", s.run[0])
	}
	return s.selectRows(), nil
}

func (e *Engine) queryLogs(ctx context.Context, expr Expr, r Request) (*Result, error) {
	lq, err := e.logQuery(expr, r)
	if err != nil {
		return nil, err
	}
	res := &Result{Type: Logs, Stats: &Stats{}, Staged: len(lq.run) > 0}
	switch {
	case r.Direction != nil:
		lq.q.Direction = *r.Direction
	case lq.limit > 0:
		if err := e.newest(ctx, lq, res); err != nil {
			return &Result{Stats: res.Stats}, err
		}
		return res, nil
	}
	res.Rows = func(yield func(LogRow, error) bool) {
		ctx, cancel := e.timeout(ctx)
		defer cancel()
		for row, err := range e.rows(ctx, lq, res.Stats) {
			if !yield(row, err) || err != nil {
				return
			}
		}
		res.Warnings = append(res.Warnings, skipped(res.Stats)...)
	}
	return res, nil
}

// skipped are the warnings of an answer that is not whole, as the source was told to accept.
func skipped(s *Stats) []string {
	var out []string
	for _, key := range slices.Compact(slices.Sorted(slices.Values(s.Skipped))) {
		out = append(out, "the answer is not whole: "+key+" could not be read")
	}
	return out
}

// newest collects the newest lines of a query and yields them in ascending order. One line more is asked for, to know whether the
// answer was cut.
func (e *Engine) newest(ctx context.Context, lq *logQuery, res *Result) error {
	ctx, cancel := e.timeout(ctx)
	defer cancel()
	more := *lq
	if more.limit < math.MaxInt {
		more.limit++
	}
	more.q.Direction = Backward
	rows, err := e.collectRows(ctx, &more, res.Stats)
	for try := 1; try < attempts && errors.Is(err, ErrChanged); try++ {
		rows, err = e.collectRows(ctx, &more, res.Stats)
	}
	if err != nil {
		return err
	}
	if len(rows) > lq.limit {
		rows = rows[:lq.limit]
		res.Warnings = append(res.Warnings, fmt.Sprintf(
			"the answer was cut: these are the newest %d lines; set limit, direction, or a shorter range to see others", lq.limit))
	}
	res.Warnings = append(res.Warnings, skipped(res.Stats)...)
	slices.Reverse(rows)
	res.Stats.LinesReturned = int64(len(rows))
	res.Rows = func(yield func(LogRow, error) bool) {
		for _, row := range rows {
			if !yield(row, nil) {
				return
			}
		}
	}
	return nil
}

func (e *Engine) collectRows(ctx context.Context, lq *logQuery, stats *Stats) ([]LogRow, error) {
	var rows []LogRow
	size := int64(0)
	for row, err := range e.rows(ctx, lq, stats) {
		if err != nil {
			return nil, err
		}
		if size += row.Bytes(); size > e.o.MaxBuffer {
			return nil, fmt.Errorf("%w: the newest %d lines have more than %d bytes, which a query without direction does not hold: set direction, or a lower limit",
				ErrLimit, len(rows)+1, e.o.MaxBuffer)
		}
		row.Log = slices.Clone(row.Log)
		rows = append(rows, row)
	}
	return rows, nil
}

// rowBytes and labelBytes are what a row and a label take in memory beside their text.
const rowBytes, labelBytes = 200, 32

// Bytes is about what a row takes in memory that is held: its text, its labels, and what they hang on. The names of its pod or process are
// not counted, which rows share.
func (r *LogRow) Bytes() int64 {
	n := rowBytes + len(r.Log)
	for _, l := range r.Extracted {
		n += labelBytes + len(l.Name) + len(l.Value)
	}
	return int64(n)
}

// limited is the select of a query. Of lines that have stages to pass, nobody knows how many are needed.
func (lq *logQuery) limited() Select {
	q := lq.q
	if len(lq.run) == 0 {
		q.Limit = lq.limit
	}
	return q
}

// rows yields at most limit rows that pass the stages.
func (e *Engine) rows(ctx context.Context, lq *logQuery, stats *Stats) iter.Seq2[LogRow, error] {
	return func(yield func(LogRow, error) bool) {
		q := lq.limited()
		entry := pipeline.NewEntry(ctx, &pipeline.Scope{Reserved: reservedIn(q.Kind)})
		n := 0
		for row, err := range e.src.Lines(ctx, q, stats) {
			if err != nil {
				yield(LogRow{}, causeOf(ctx, err))
				return
			}
			out := LogRow{Row: row}
			if len(lq.run) > 0 {
				entry.Reset(row.Log, row.Time, &out.Row)
				kept := lq.run.Process(entry)
				// The source looks at the context where it fetches; stages may take long over what is there.
				if err := ctx.Err(); err != nil {
					yield(LogRow{}, causeOf(ctx, err))
					return
				}
				if !kept {
					continue
				}
				out.Log, out.Extracted, out.Undecided = entry.Line, extracted(entry), entry.Undecided()
			}
			n++
			if !yield(out, nil) || n == lq.limit {
				break
			}
		}
		stats.LinesReturned = int64(n)
	}
}

func extracted(entry *pipeline.Entry) []labels.Label {
	all := entry.Extracted()
	out := make([]labels.Label, len(all))
	for i, l := range all {
		out[i] = labels.Label(l)
	}
	return out
}

// reservedIn returns the names that no line may set: the labels of a kind, the other keys of a row in an answer, the marks of mistakes, and
// the name of a metric.
func reservedIn(k layout.Kind) map[string]bool {
	out := map[string]bool{"time": true, "log": true, pipeline.ErrorLabel: true, pipeline.DetailsLabel: true, model.MetricNameLabel: true}
	for _, name := range record.LabelsOf(k) {
		out[name] = true
	}
	return out
}

// causeOf prefers the engine's own account of a timeout to the source's.
func causeOf(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
	}
	return err
}

// UnixNano is t in Unix nanoseconds, cut to what fits into an int64: the years 1677 to 2262. It is what a Select wants.
func UnixNano(t time.Time) int64 {
	switch s := t.Unix(); {
	case s > math.MaxInt64/int64(time.Second)-1:
		return math.MaxInt64
	case s < math.MinInt64/int64(time.Second)+1:
		return math.MinInt64
	}
	return t.UnixNano()
}
