package fanout_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lethe/internal/fanout"
	"lethe/internal/scan"
)

// fault is what goes wrong with one request for a piece.
type fault int

const (
	none    fault = iota
	fails         // with status 500
	busy          // with status 429
	aborts        // without an answer
	cuts          // in the middle of the answer
	isSlow        // until it is given up
	isLate        // and answers when another has
	isProxy       // answers what is no answer of a worker
	kinds
)

// workers are two instances behind one address, and what goes wrong with them by the number of the request.
type workers struct {
	*httptest.Server
	handlers []http.Handler
	requests atomic.Int64
	// mu guards what follows: faults by number, those of time by the negative number, and timers of requests that are under way.
	mu     sync.Mutex
	faults map[int64]fault
	timers map[context.Context]func()
}

func newWorkers(t *testing.T, handlers ...http.Handler) *workers {
	w := &workers{handlers: handlers, timers: map[context.Context]func(){}}
	w.Server = httptest.NewServer(http.HandlerFunc(w.serve))
	t.Cleanup(w.Close)
	return w
}

func (w *workers) begin(faults map[int64]fault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults = faults
	w.requests.Store(0)
}

// serve answers as the fault of the request has it; those of time are the transport's.
func (w *workers) serve(rw http.ResponseWriter, r *http.Request) {
	n := w.requests.Add(1)
	h := w.handlers[n%int64(len(w.handlers))]
	w.mu.Lock()
	f := w.faults[n]
	w.mu.Unlock()
	switch f {
	case fails:
		http.Error(rw, "broken", http.StatusInternalServerError)
	case busy:
		http.Error(rw, `{"status":"error","errorType":"unavailable","error":"too many queries"}`, http.StatusTooManyRequests)
	case aborts:
		panic(http.ErrAbortHandler)
	case isProxy:
		_, _ = rw.Write([]byte("<html>Welcome</html>"))
	case cuts:
		whole := httptest.NewRecorder()
		h.ServeHTTP(whole, r)
		_, _ = rw.Write(whole.Body.Bytes()[:whole.Body.Len()*int(n%7)/7])
	default:
		h.ServeHTTP(rw, r)
	}
}

// slow is a transport some of whose requests take too long.
type slow struct {
	fanout.Transport
	w    *workers
	sent atomic.Int64
	// late are answers that came when nobody waited for them any more.
	late []*fanout.Answer
}

// after keeps what ends a request, for slow to call: no test waits.
func (s *slow) after(ctx context.Context, _ time.Duration, f func()) func() bool {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	s.w.timers[ctx] = f
	return func() bool { return true }
}

func (s *slow) Send(ctx context.Context, body []byte, limit time.Duration) (*fanout.Answer, error) {
	n := s.sent.Add(1)
	s.w.mu.Lock()
	expire, f := s.w.timers[ctx], s.w.faults[-n]
	s.w.mu.Unlock()
	if expire == nil { // a second try has no time of its own
		return s.Transport.Send(ctx, body, limit)
	}
	switch f {
	case isSlow:
		expire()
		<-ctx.Done()
		return nil, ctx.Err()
	case isLate:
		answer, err := s.Transport.Send(context.WithoutCancel(ctx), body, limit)
		if err != nil {
			return nil, err
		}
		expire()
		s.w.mu.Lock()
		defer s.w.mu.Unlock()
		s.late = append(s.late, answer)
		return nil, ctx.Err()
	}
	return s.Transport.Send(ctx, body, limit)
}

// close ends the answers that came too late; the worker has gone on writing until now.
func (s *slow) close(t *testing.T) {
	for _, a := range s.late {
		if err := a.Body.Close(); err != nil {
			t.Error(err)
		}
	}
	s.late = nil
}

// coordinator returns a handler whose queries are cut into n pieces.
func (w *workers) coordinator(t *testing.T, h func(scan.Fanout) http.Handler, n, maxRows, maxCounts int) (http.Handler, *slow) {
	t.Helper()
	transport, err := fanout.NewHTTP(w.URL, "")
	if err != nil {
		t.Fatal(err)
	}
	s := &slow{Transport: transport, w: w}
	client, err := fanout.New(fanout.Options{Transport: s, MaxRows: maxRows, MaxCounts: maxCounts, Now: func() time.Time { return clock }, After: s.after})
	if err != nil {
		t.Fatal(err)
	}
	return h(scan.Fanout{Pieces: n, Workers: client}), s
}

// path is a random request.
func path(r *rand.Rand) string {
	v := url.Values{}
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	start := epoch.Add(time.Duration(r.IntN(3600)) * time.Second)
	v.Set("start", fmt.Sprint(start.Unix()))
	v.Set("end", fmt.Sprint(start.Add(time.Duration(1+r.IntN(5*3600))*time.Second).Unix()))
	if r.IntN(2) == 0 {
		sel := pick(`pod{}`, `pod{namespace="shop"}`, `node{}`, `pod{stream="stderr"}`)
		filter := pick("", ` |= "error"`, ` |= "id=1" or "POST" != "café"`, ` !~ "status=[2-4].."`, ` |= "\\x"`, ` | regexp "status=(?P<s>\\d+)" | s = "500"`)
		v.Set("query", sel+filter)
		if l := pick("", "0", "1", "7", "100"); l != "" {
			v.Set("limit", l)
		}
		if d := pick("", "forward", "backward"); d != "" {
			v.Set("direction", d)
		}
		return "/api/v1/query_range?" + v.Encode()
	}
	v.Set("step", pick("30s", "7m", "1h"))
	v.Set("query", pick(
		`sum by (pod) (count_over_time(pod{} |= "error" [10m]))`, `rate(pod{namespace="shop"}[7m])`, `sum(bytes_over_time(node{}[1h])) / sum(count_over_time(node{}[1h]))`,
		`sum by (s) (count_over_time(pod{} | regexp "status=(?P<s>\\d+)" [20m]))`, `max_over_time(pod{} | regexp "id=(?P<id>\\d+)" | id != "" | unwrap id [10m])`,
		`sum by (stream) (count_over_time(pod{}[5m] offset 3m)) > 2`, `max_over_time(sum(rate(pod{} |~ "GET|POST" [5m]))[30m:5m])`,
		`count_over_time(pod{}[1h] @ end())`, `absent_over_time(pod{namespace="nobody"}[5m])`, `sum_over_time(pod{} | regexp "id=(?P<id>\\d+)" | id != "" | unwrap id [10m])`,
		`max_over_time(pod{} | regexp "(?P<id>[a-z]+)" | unwrap id [10m])`,
	))
	return "/api/v1/query_range?" + v.Encode()
}

// Whatever goes wrong with one worker: an answer of pieces is to the byte that of one machine, or it is an error where a piece has failed twice.
func TestManyMachinesAnswerAsOne(t *testing.T) {
	pieces, failed, faulty := 0, 0, 0
	for seed := range uint64(1) {
		b := newBucket(t, seed)
		one := newHandler(t, b, scan.Fanout{})
		w := newWorkers(t, newHandler(t, b, scan.Fanout{}), newHandler(t, b, scan.Fanout{}))
		r := rand.New(rand.NewPCG(seed, 2))
		for n := 1; n <= 7; n++ {
			h, s := w.coordinator(t, func(f scan.Fanout) http.Handler { return newHandler(t, b, f) }, n, 1<<10+r.IntN(16<<10), 1<<10+r.IntN(64<<10))
			for range 8 {
				p := path(r)
				faults := map[int64]fault{}
				for range r.IntN(4) {
					at := 1 + r.Int64N(int64(2*n))
					if f := fault(1 + r.IntN(int(kinds)-1)); f == isSlow || f == isLate {
						faults[-at] = f
					} else {
						faults[at] = f
					}
				}
				w.begin(faults)
				s.sent.Store(0)
				want, got := ask(t, one, p), ask(t, h, p)
				s.close(t)
				text, _ := url.QueryUnescape(p)
				name := fmt.Sprintf("seed %d, %d pieces, faults %v: %s", seed, n, faults, text)
				pieces += got.pieces
				if len(faults) > 0 && got.pieces > 0 {
					faulty++
				}
				if got.status == http.StatusServiceUnavailable && strings.Contains(got.err, fanout.ErrFailed.Error()) && len(faults) > 1 || got.status == -1 && len(faults) > 1 {
					failed++
					continue
				}
				// Which of the lines without a number is named depends on which is read first, on one machine too.
				got.pieces, got.err, want.err = 0, before(got.err, "parsing"), before(want.err, "parsing")
				if got != want {
					t.Fatalf("%s\n got %d %s %s %.3000s\nwant %d %s %s %.3000s", name, got.status, got.err, got.warnings, got.result, want.status, want.err, want.warnings, want.result)
				}
			}
		}
	}
	if pieces < 80 || failed < 1 || failed > 15 || faulty < 15 {
		t.Errorf("%d pieces, %d answers of %d with faults failed", pieces, failed, faulty)
	}
}

func before(text, word string) string {
	text, _, _ = strings.Cut(text, word)
	return text
}
