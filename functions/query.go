package functions

import (
	"context"
	"errors"
	"net/http"
	"time"

	"lethe/letheql"
)

// query answers an instant query. A log query without a time is about the last minute that can have arrived.
func (h *handler) query(w http.ResponseWriter, r *http.Request, f form) error {
	at, err := f.time("time", time.Time{})
	if err != nil {
		return err
	}
	return h.run(w, r, f, letheql.Request{Time: at})
}

// queryRange answers a query over a range. Both ends are included.
func (h *handler) queryRange(w http.ResponseWriter, r *http.Request, f form) error {
	var (
		q   letheql.Request
		err error
	)
	for _, name := range []string{"start", "end"} {
		if f.text(name) == "" {
			return badRequestf("invalid parameter %q: it is missing", name)
		}
	}
	if q.Start, err = f.time("start", time.Time{}); err != nil {
		return err
	}
	if q.End, err = f.time("end", time.Time{}); err != nil {
		return err
	}
	if q.End.Before(q.Start) {
		return badRequestf("invalid parameter \"end\": end timestamp must not be before start time")
	}
	if q.Step, err = f.duration("step"); err != nil {
		return err
	}
	return h.run(w, r, f, q)
}

// run evaluates what the parameters ask for.
func (h *handler) run(w http.ResponseWriter, r *http.Request, f form, q letheql.Request) error {
	q.Query, q.Now = f.values.Get("query"), f.now
	n := noteOf(r.Context())
	a := answer{fixed: !q.End.IsZero() || !q.Time.IsZero(), limit: h.o.DefaultLimit}
	var err error
	if q.Limit, err = h.limit(f); err != nil {
		return err
	}
	if q.Direction, err = f.direction(); err != nil {
		return err
	}
	if s := f.text("cursor"); s != "" {
		if !a.fixed {
			return badRequestf("invalid parameter \"cursor\": it needs the same parameter \"time\" as the request before")
		}
		if a.from, err = parseCursor(s, h.o.MaxLimit); err != nil {
			return err
		}
		a.from.apply(&q)
	}
	res, err := h.o.Engine.Query(r.Context(), q)
	if res != nil {
		n.stats = res.Stats
	}
	if err != nil {
		return deadline(r.Context(), err)
	}
	if res.Type != letheql.Logs {
		return h.writeValue(w, r, res, q.Limit)
	}
	a.res = res
	if q.Limit != nil {
		a.limit = *q.Limit
	}
	if a.from != nil && a.limit > 0 {
		a.limit -= a.from.skip
	}
	if q.Direction != nil {
		a.direction = *q.Direction
	}
	return h.writeLogs(w, r, a)
}

// deadline tells a query that ran out of time from one whose client has gone, whatever the engine made of it.
func deadline(ctx context.Context, err error) error {
	if cause := ctx.Err(); cause != nil && !errors.Is(err, cause) {
		return errors.Join(cause, err)
	}
	return err
}

// limit returns how many lines the request asks for, 0 being all; nil where it does not say. Asking for more than is allowed is refused: a
// client that got fewer than it asked for would take them for all there are. Series have no such limit.
func (h *handler) limit(f form) (*int, error) {
	n, err := f.count("limit")
	if err != nil || n < 0 {
		return nil, err
	}
	if h.o.MaxLimit == 0 || (n > 0 && n <= h.o.MaxLimit) {
		return &n, nil
	}
	expr, err := h.parse(f)
	if err != nil {
		return nil, err
	}
	if expr.IsLog() {
		return nil, badRequestf("invalid parameter \"limit\": %d is not between 1 and %d (query.max_limit; where that is 0, limit=0 is all lines)", n, h.o.MaxLimit)
	}
	return &n, nil
}

// data is what a query answers.
type data struct {
	ResultType letheql.ResultType `json:"resultType"`
	Result     any                `json:"result"`
	Stats      *stats             `json:"stats,omitempty"`
}

// stats is what a query cost, as it stands in an answer.
type stats struct {
	Targets       int64   `json:"targets"`
	Hours         int64   `json:"hours"`
	Pieces        int64   `json:"pieces,omitempty"`
	Blocks        int64   `json:"blocks"`
	BlocksPruned  int64   `json:"blocksPruned"`
	RawObjects    int64   `json:"rawObjects"`
	RawBytes      int64   `json:"rawBytes"`
	BytesPlanned  int64   `json:"bytesPlanned"`
	BytesPruned   int64   `json:"bytesPruned"`
	Pages         int64   `json:"pages"`
	PagesPruned   int64   `json:"pagesPruned"`
	PagesRead     int64   `json:"pagesRead"`
	Lists         int64   `json:"lists"`
	Gets          int64   `json:"gets"`
	BytesFetched  int64   `json:"bytesFetched"`
	Hedges        int64   `json:"hedges"`
	CacheHits     int64   `json:"cacheHits"`
	LinesScanned  int64   `json:"linesScanned"`
	LinesReturned int64   `json:"linesReturned"`
	BytesScanned  int64   `json:"bytesScanned"`
	IndexErrors   int64   `json:"indexErrors"`
	PlanSeconds   float64 `json:"planSeconds"`
	RunSeconds    float64 `json:"runSeconds"`
	OpenSeconds   float64 `json:"openSeconds"`
	RawSeconds    float64 `json:"rawSeconds"`
	FetchSeconds  float64 `json:"fetchSeconds"`
	SearchSeconds float64 `json:"searchSeconds"`
}

func statsOf(s *letheql.Stats) *stats {
	if s == nil {
		return nil
	}
	return &stats{
		Targets: s.Targets, Hours: s.Hours, Pieces: s.Pieces, Blocks: s.Blocks, BlocksPruned: s.BlocksPruned, RawObjects: s.RawObjects, RawBytes: s.RawBytes,
		BytesPlanned: s.BytesPlanned, BytesPruned: s.BytesPruned, Pages: s.Pages, PagesPruned: s.PagesPruned, PagesRead: s.PagesRead,
		Lists: s.Lists, Gets: s.Gets, BytesFetched: s.BytesFetched, Hedges: s.Hedges, CacheHits: s.CacheHits,
		LinesScanned: s.LinesScanned, LinesReturned: s.LinesReturned, BytesScanned: s.BytesScanned, IndexErrors: s.IndexErrors,
		PlanSeconds: seconds(s.PlanNanos), RunSeconds: seconds(s.RunNanos), OpenSeconds: seconds(s.OpenNanos), RawSeconds: seconds(s.RawNanos),
		FetchSeconds: seconds(s.FetchNanos), SearchSeconds: seconds(s.SearchNanos),
	}
}

func seconds(nanos int64) float64 { return time.Duration(nanos).Seconds() }
