package letheql_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/promql"
	"go.uber.org/goleak"

	"lethe/internal/record"
	"lethe/letheql"
	"lethe/letheql/lqltest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// podLines are n lines, one a second up to noon, of as many pods as named.
func podLines(n int, pods ...string) *lqltest.Source {
	s := &lqltest.Source{}
	for i := range n {
		s.Pod = append(s.Pod, record.Row{
			Time: noon.Add(time.Duration(i-n+1) * time.Second).UnixNano(), Namespace: "ns", Pod: pods[i%len(pods)], Container: "c", Log: fmt.Appendf(nil, "line %d", i),
		})
	}
	return s
}

// The newest lines of the greatest limit are all, and a window behind the last time of all holds none, and has nothing read.
func TestEndsOfWhatNumbersCanSay(t *testing.T) {
	src := &selects{Source: podLines(10, "a")}
	most := math.MaxInt
	res, err := newEngine(t, src, letheql.Options{}).Query(t.Context(), letheql.Request{Query: "pod{}", Start: noon.Add(-time.Hour), End: noon, Limit: &most, Now: noon})
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for _, err := range res.Rows {
		if err != nil {
			t.Fatal(err)
		}
		rows++
	}
	if rows != 10 {
		t.Errorf("%d of 10 lines", rows)
	}
	src.got = nil
	for _, year := range []int{2263, 9999} {
		far := time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)
		res, err := newEngine(t, src, letheql.Options{}).Query(t.Context(), letheql.Request{Query: "count_over_time(pod{}[1m])", Start: far, End: far.Add(time.Minute), Step: time.Minute, Now: noon})
		if err != nil {
			t.Fatal(err)
		}
		if m, ok := res.Value.(promql.Matrix); !ok || len(m) != 0 || len(src.got) != 0 {
			t.Errorf("%d: %v, and the source was asked for %+v", year, res.Value, src.got)
		}
	}
}

func newEngine(t *testing.T, src letheql.Source, o letheql.Options) *letheql.Engine {
	t.Helper()
	e, err := letheql.NewEngine(src, o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// selects remembers what a query asked of its source.
type selects struct {
	*lqltest.Source
	mu  sync.Mutex
	got []letheql.Select
}

func (s *selects) add(q letheql.Select) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = append(s.got, q)
}

func (s *selects) Lines(ctx context.Context, q letheql.Select, st *letheql.Stats) iter.Seq2[record.Row, error] {
	s.add(q)
	return s.Source.Lines(ctx, q, st)
}

func (s *selects) Visit(ctx context.Context, q letheql.Select, st *letheql.Stats, visit func(*letheql.Batch) error) error {
	s.add(q)
	return s.Source.Visit(ctx, q, st, visit)
}

// Text, sizes and rare labels are asked for only where the query needs them.
func TestOnlyWhatIsNeededIsRead(t *testing.T) {
	type needs struct{ log, size, stream, node bool }
	for query, want := range map[string]needs{
		`count_over_time(pod{}[1m])`:                                 {},
		`count_over_time(pod{} |= "x" [1m])`:                         {},
		`bytes_rate(pod{}[1m])`:                                      {size: true},
		`bytes_rate(pod{} | json [1m])`:                              {log: true},
		`rate(pod{stream="stderr"}[1m])`:                             {stream: true},
		`sum(rate(pod{stream="stderr"}[1m]))`:                        {},
		`sum by (node) (max by (stream, node) (rate(pod{}[1m])))`:    {stream: true, node: true},
		`sum by (node) (rate(pod{}[1m]))`:                            {node: true},
		`sum(rate(pod{} | stream="stderr" [1m]))`:                    {log: true, stream: true},
		`sum(rate(pod{} | json | line_format "{{.node}}" [1m]))`:     {log: true, node: true},
		`label_replace(rate(pod{}[1m]), "on", "$1", "node", "(.*)")`: {node: true},
		`rate(pod{}[1m]) / on (pod, stream) rate(pod{}[1m])`:         {stream: true},
		`pod{}`: {log: true, stream: true, node: true},
	} {
		src := &selects{Source: podLines(10, "a")}
		if _, err := newEngine(t, src, letheql.Options{}).Query(t.Context(), letheql.Request{Query: query, Now: noon}); err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		q := src.got[0]
		if got := (needs{q.NeedLog, q.NeedSize, q.NeedStream, q.NeedNode}); got != want {
			t.Errorf("%s: reads %+v, want %+v", query, got, want)
		}
	}
}

// Functions that have the same values are computed once.
func TestTheSameIsReadOnce(t *testing.T) {
	for query, want := range map[string]int{
		`rate(pod{}[1m]) / rate(pod{}[1m]) + rate(pod{} [60s])`:                      1,
		`rate(pod{}[1m]) / rate(pod{}[2m]) / rate(pod{} |= "x" [1m])`:                3,
		`rate(pod{}[1m]) + rate(pod{}[1m] offset 1m) + rate(pod{}[1m] @ 1)`:          3,
		`sum(rate(pod{}[1m])) + sum by (pod) (rate(pod{}[1m]))`:                      2,
		`max by (node) (rate(pod{}[1m])) + on () group_left () max(rate(pod{}[1m]))`: 2,
		`max_over_time(rate(pod{}[1m])[5m:]) + rate(pod{}[1m])`:                      2,
		`count_over_time(pod{}[1m]) + rate(pod{}[1m])`:                               2,
	} {
		src := &selects{Source: podLines(10, "a", "b")}
		if _, err := newEngine(t, src, letheql.Options{}).Query(t.Context(), letheql.Request{Query: query, Time: noon}); err != nil {
			t.Errorf("%s: %v", query, err)
		}
		if len(src.got) != want {
			t.Errorf("%s: read %d times, want %d", query, len(src.got), want)
		}
	}
}

// The select of a function is the union of its windows, to the nanosecond.
func TestBoundsOfASelect(t *testing.T) {
	for query, want := range map[string][2]time.Duration{
		`rate(pod{}[1m])`:                                    {-2*time.Minute + 1, 0},
		`rate(pod{}[1m] offset 1h)`:                          {-time.Hour - 2*time.Minute + 1, -time.Hour},
		`rate(pod{}[1m] @ end())`:                            {-time.Minute + 1, 0},
		`max_over_time(rate(pod{}[1m])[10m:1m])`:             {-11*time.Minute + 1, 0},
		`max_over_time(rate(pod{}[1m])[10m:1m] @ start())`:   {-11*time.Minute + 1, -time.Minute},
		`max_over_time(rate(pod{}[30s])[10m:7m] offset -5m)`: {-30*time.Second + 1, 0},
	} {
		src := &selects{Source: podLines(10, "a")}
		r := letheql.Request{Query: query, Start: noon.Add(-time.Minute), End: noon, Step: 30 * time.Second}
		if _, err := newEngine(t, src, letheql.Options{}).Query(t.Context(), r); err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		got := [2]time.Duration{time.Unix(0, src.got[0].Start).Sub(noon), time.Unix(0, src.got[0].End).Sub(noon)}
		if got != want {
			t.Errorf("%s: reads %v, want %v", query, got, want)
		}
	}
}

// broken fails a number of times after it has handed out some rows.
type broken struct {
	*lqltest.Source
	err   error
	times int
}

func (s *broken) fail() error {
	if s.times == 0 {
		return nil
	}
	s.times--
	return s.err
}

func (s *broken) Lines(ctx context.Context, q letheql.Select, st *letheql.Stats) iter.Seq2[record.Row, error] {
	return func(yield func(record.Row, error) bool) {
		failure, n := s.fail(), 0
		for row, err := range s.Source.Lines(ctx, q, st) {
			if n == 3 && failure != nil {
				row, err = record.Row{}, failure
			}
			if n++; !yield(row, err) || err != nil {
				return
			}
		}
	}
}

func (s *broken) Visit(ctx context.Context, q letheql.Select, st *letheql.Stats, visit func(*letheql.Batch) error) error {
	if err := s.Source.Visit(ctx, q, st, visit); err != nil {
		return err
	}
	return s.fail()
}

// A scan that lost an object is run again, and nothing of the first try is in the answer. Other errors are the answer.
func TestFailuresOfTheSource(t *testing.T) {
	lost := fmt.Errorf("block 7: %w", letheql.ErrChanged)
	other := errors.New("no route to the bucket")
	for _, tc := range []struct {
		err   error
		times int
		want  error
	}{{lost, 2, nil}, {lost, 3, lost}, {other, 1, other}} {
		for _, query := range []string{"pod{}", "sum(count_over_time(pod{}[1m]))"} {
			src := &broken{Source: podLines(10, "a", "b"), err: tc.err, times: tc.times}
			res, err := newEngine(t, src, letheql.Options{}).Query(t.Context(), letheql.Request{Query: query, Time: noon})
			if !errors.Is(err, tc.want) {
				t.Errorf("%s, %v %d times: got %v", query, tc.err, tc.times, err)
			}
			if err != nil {
				continue
			}
			n := 0.0
			if res.Type == letheql.Logs {
				for _, err := range res.Rows {
					if err != nil {
						t.Error(err)
					}
					n++
				}
			} else if v, ok := res.Value.(promql.Vector); ok {
				n = v[0].F
			}
			if n != 10 {
				t.Errorf("%s: %v lines, want 10", query, n)
			}
		}
	}
}

// TestAFailureHasItsCost: what a query has read before it failed was paid for.
func TestAFailureHasItsCost(t *testing.T) {
	for _, query := range []string{"pod{}", "sum(count_over_time(pod{}[1m]))", "sum(count_over_time(pod{}[1m])) + on () count_over_time(pod{}[1m])"} {
		src := &broken{Source: podLines(10, "a", "b"), err: errors.New("no route to the bucket"), times: 1}
		if strings.Contains(query, "on ()") {
			src.times = 0 // what fails is the matching of series
		}
		res, err := newEngine(t, src, letheql.Options{}).Query(t.Context(), letheql.Request{Query: query, Time: noon})
		if err == nil || res == nil || res.Stats == nil || res.Stats.LinesScanned == 0 {
			t.Errorf("%s: got %+v, %v", query, res, err)
		}
	}
	if res, err := newEngine(t, podLines(1, "a"), letheql.Options{}).Query(t.Context(), letheql.Request{Query: "pod{", Time: noon}); err == nil || res != nil {
		t.Errorf("a query that has read nothing: got %+v, %v", res, err)
	}
}

// Rows that stream end with the error of the source.
func TestStreamEndsWithTheError(t *testing.T) {
	src := &broken{Source: podLines(10, "a"), err: letheql.ErrChanged, times: 1}
	forward := letheql.Forward
	res, err := newEngine(t, src, letheql.Options{}).Query(t.Context(), letheql.Request{Query: "pod{}", Time: noon, Direction: &forward})
	if err != nil {
		t.Fatal(err)
	}
	var n int
	for _, err = range res.Rows {
		n++
	}
	if n != 4 || !errors.Is(err, letheql.ErrChanged) {
		t.Errorf("%d rows, the last with %v", n, err)
	}
}

// slow answers only when its context ends.
type slow struct{ *lqltest.Source }

func (slow) Lines(ctx context.Context, _ letheql.Select, _ *letheql.Stats) iter.Seq2[record.Row, error] {
	return func(yield func(record.Row, error) bool) {
		<-ctx.Done()
		yield(record.Row{}, ctx.Err())
	}
}

func (slow) Visit(ctx context.Context, _ letheql.Select, _ *letheql.Stats, _ func(*letheql.Batch) error) error {
	<-ctx.Done()
	return fmt.Errorf("get: %w", ctx.Err())
}

func TestTimeoutAndCancel(t *testing.T) {
	forward := letheql.Forward
	for _, r := range []letheql.Request{{Query: "pod{}"}, {Query: "pod{}", Direction: &forward}, {Query: "rate(pod{}[1m])"}} {
		run := func(ctx context.Context, o letheql.Options) error {
			res, err := newEngine(t, slow{}, o).Query(ctx, r)
			if err != nil {
				return err
			}
			for _, err = range res.Rows {
			}
			return err
		}
		if err := run(t.Context(), letheql.Options{Timeout: time.Millisecond}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: got %v, want a timeout", r.Query, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := run(ctx, letheql.Options{Timeout: -1}); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v, want the cancellation", r.Query, err)
		}
	}
}

// dense gives one series a line at every second of a week, so that long windows take long to add up.
type dense struct{ *lqltest.Source }

func (dense) Visit(_ context.Context, _ letheql.Select, _ *letheql.Stats, visit func(*letheql.Batch) error) error {
	b := &letheql.Batch{Namespace: "ns", Pod: "a", Container: "c"}
	for i := range 60_000 {
		b.Times, b.Logs = append(b.Times, noon.Add(-time.Duration(i)*10*time.Second).UnixNano()), append(b.Logs, []byte("x=1"))
	}
	return visit(b)
}

// The time is up for adding, too, and not only for reading.
func TestTimeoutWhileAdding(t *testing.T) {
	e := newEngine(t, dense{}, letheql.Options{Timeout: 100 * time.Millisecond})
	r := letheql.Request{Query: "stddev_over_time(pod{} | logfmt | unwrap x [6d])", Start: noon.Add(-28 * time.Hour), End: noon, Step: 10 * time.Second}
	if _, err := e.Query(t.Context(), r); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestExplainAddsUpWhatAQueryReads(t *testing.T) {
	e := newEngine(t, podLines(10, "a"), letheql.Options{})
	for query, want := range map[string]int64{`pod{}`: 60, `rate(pod{}[5s])`: 30, `rate(pod{}[5s]) + rate(pod{} |= "9" [1m])`: 36, `time()`: 0} {
		p, err := e.Explain(t.Context(), letheql.Request{Query: query, Time: noon})
		if err != nil || p.MaxBytes != want {
			t.Errorf("%s: %+v, %v; want %d bytes", query, p, err, want)
		}
	}
}

func TestSelectors(t *testing.T) {
	e, err := letheql.Parse(`rate(pod{pod="a"} |= "x" | json !~ "y" | line_format "z" |= "z" [1m]) / rate(node{}[1m])`)
	if err != nil || e.Validate() != nil || e.IsLog() {
		t.Fatal(err, e.Validate(), e.IsLog())
	}
	sels := e.Selectors()
	want := []letheql.LineFilter{{Op: letheql.Contains, Text: "x"}, {Op: letheql.NotMatches, Text: "y"}}
	if len(sels) != 2 || sels[0].Kind != "pod" || sels[1].Kind != "node" || cmp.Diff(sels[0].Filters, want) != "" {
		t.Errorf("got %+v", sels)
	}
	if _, err := sels[0].Select(); err == nil {
		t.Error("stages went into a select")
	}
	if q, err := sels[1].Select(); err != nil || q.Kind != "node" {
		t.Error(q, err)
	}
	for _, text := range []string{"pod{}[5m]", "rate(pod{}[5m])", "pod{} offset 5m", "up", "pod{"} {
		if _, err := letheql.ParseSelector(text); err == nil {
			t.Errorf("%s passed as a selector", text)
		}
	}
	if s, err := letheql.ParseSelector(`pod{pod="a",pod!="b"} |= "x"`); err != nil || len(s.Matchers) != 2 || len(s.Filters) != 1 {
		t.Error(s, err)
	}
}

// FuzzQuery: no text makes the engine panic or answer without a type.
func FuzzQuery(f *testing.F) {
	for _, file := range []string{"testdata/promql.txt", "testdata/letheql.txt"} {
		for _, q := range readQueries(f, file) {
			f.Add(q)
		}
	}
	src := podLines(20, "a", "b")
	e, err := letheql.NewEngine(src, letheql.Options{MaxSamples: 10_000})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, q string) {
		for _, r := range []letheql.Request{{Query: q, Time: noon}, {Query: q, Start: noon.Add(-time.Minute), End: noon, Step: 7 * time.Second}} {
			res, err := e.Query(t.Context(), r)
			if err != nil {
				var user *letheql.Error
				if !errors.As(err, &user) && !errors.Is(err, letheql.ErrLimit) {
					t.Fatalf("%q: %v", q, err)
				}
				continue
			}
			if res.Type == letheql.Logs {
				for _, err := range res.Rows {
					if err != nil {
						t.Fatalf("%q: %v", q, err)
					}
				}
			} else if res.Value == nil {
				t.Fatalf("%q: no value", q)
			}
		}
	})
}
