package functions_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/klauspost/compress/gzip"
	"golang.org/x/crypto/bcrypt"

	"lethe/functions"
	"lethe/internal/record"
	"lethe/letheql"
)

func handler(t *testing.T, e functions.Engine) http.Handler {
	t.Helper()
	h, err := functions.NewHandler(options(e))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func event(path, query string) events.APIGatewayV2HTTPRequest {
	e := events.APIGatewayV2HTTPRequest{Version: "2.0", RawPath: path, RawQueryString: query, Headers: map[string]string{"host": "x"}}
	e.RequestContext.HTTP.Method, e.RequestContext.HTTP.SourceIP, e.RequestContext.Stage = http.MethodGet, "192.0.2.1", "$default"
	return e
}

func TestBuffered(t *testing.T) {
	serve := functions.Buffered(handler(t, logs(2, nil)))
	res, err := serve(t.Context(), event("/api/v1/query", "query=x"))
	if err != nil || res.StatusCode != http.StatusOK || res.IsBase64Encoded || strings.Count(res.Body, "한글") != 2 || res.Headers["Content-Type"] != "application/json" {
		t.Errorf("%+v %v", res, err)
	}
	prefixed := event("/prod/api/v1/query", "query=x")
	prefixed.RequestContext.Stage = "prod"
	if res, err := serve(t.Context(), prefixed); err != nil || res.StatusCode != http.StatusOK {
		t.Errorf("%+v %v", res, err)
	}
	for _, path := range []string{"/prod//api/v1/query", "/prod/x/../api/v1/query", "/prod/api/v1/./query"} { // a redirect would leave the stage
		prefixed.RawPath = path
		if res, err := serve(t.Context(), prefixed); err != nil || res.StatusCode != http.StatusOK {
			t.Errorf("%s: %+v %v", path, res, err)
		}
	}
	for path, want := range map[string]int{"": 200, "/": 200, "/prod": 200, "/prod/": 200, "/prod/..": 200, "/prod/api/v1/query/": 404, "/production": 404} {
		prefixed.RawPath = path
		if res, err := serve(t.Context(), prefixed); err != nil || res.StatusCode != want {
			t.Errorf("%s: %+v %v", path, res, err)
		}
	}
	post := event("/api/v1/query", "")
	post.RequestContext.HTTP.Method, post.IsBase64Encoded = http.MethodPost, true
	post.Body = base64.StdEncoding.EncodeToString([]byte("query=x"))
	post.Headers["content-type"] = "application/x-www-form-urlencoded"
	if res, err := serve(t.Context(), post); err != nil || res.StatusCode != http.StatusOK {
		t.Errorf("%+v %v", res, err)
	}
}

func TestBufferedGzip(t *testing.T) {
	e := event("/api/v1/query", "query=x")
	e.Headers["accept-encoding"] = "gzip"
	res, err := functions.Buffered(handler(t, logs(500, nil)))(t.Context(), e)
	if err != nil || !res.IsBase64Encoded || res.Headers["Content-Encoding"] != "gzip" {
		t.Fatalf("%+v %v", res.Headers, err)
	}
	z, err := gzip.NewReader(base64.NewDecoder(base64.StdEncoding, strings.NewReader(res.Body)))
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(z); err != nil || !json.Valid(text) {
		t.Error(err)
	}
}

// ties answers from rows of which seven share a time, as the engine does: range, direction and limit hold.
func ties(n int) *engine {
	line := []byte(strings.Repeat(`"quoted" `, 400))
	at := func(i int) int64 { return clock.UnixNano() + int64(i/7)*int64(time.Second) }
	return &engine{answer: func(_ context.Context, r letheql.Request) (*letheql.Result, error) {
		var found []int
		from, until := r.Start, r.End
		if r.From.After(from) {
			from = r.From
		}
		if !r.Until.IsZero() && r.Until.Before(until) {
			until = r.Until
		}
		for i := range n {
			if at(i) >= from.UnixNano() && at(i) <= until.UnixNano() {
				found = append(found, i)
			}
		}
		backward := r.Direction != nil && *r.Direction == letheql.Backward
		if backward {
			for i, j := 0, len(found)-1; i < j; i, j = i+1, j-1 {
				found[i], found[j] = found[j], found[i]
			}
		}
		if limit := *r.Limit; limit > 0 && len(found) > limit {
			if r.Direction == nil {
				found = found[len(found)-limit:]
			} else {
				found = found[:limit]
			}
		}
		var rows iter.Seq2[letheql.LogRow, error] = func(yield func(letheql.LogRow, error) bool) {
			for _, i := range found {
				row := letheql.LogRow{Row: record.Row{Time: at(i), Namespace: "default", Pod: fmt.Sprint("pod-", i), Log: line}}
				if !yield(row, nil) {
					return
				}
			}
		}
		return &letheql.Result{Type: letheql.Logs, Rows: rows, Stats: &letheql.Stats{}}, nil
	}}
}

func TestLargeAnswersGoOnFromACursor(t *testing.T) {
	const n = 2700
	serve := functions.Buffered(handler(t, ties(n)))
	for direction, limits := range map[string][]int{"": {5000, 2500}, "forward": {2500}, "backward": {5000}} {
		for _, limit := range limits {
			var pods []string
			cursor, pages := "", 0
			for {
				q := url.Values{"query": {"x"}, "limit": {fmt.Sprint(limit)}, "direction": {direction}, "cursor": {cursor}}
				q.Set("start", "2026-03-01T12:00:00Z")
				q.Set("end", "2026-03-02T12:00:00Z")
				res, err := serve(t.Context(), event("/api/v1/query_range", q.Encode()))
				if err != nil || res.StatusCode != http.StatusOK {
					t.Fatal(err, res.Body)
				}
				if body, err := json.Marshal(res); err != nil || len(body) > 6<<20 {
					t.Fatalf("the envelope has %d bytes: %v", len(body), err)
				}
				var got struct {
					Data struct {
						Result []map[string]string
						Cursor string
					}
					Warnings []string
				}
				if err := json.Unmarshal([]byte(res.Body), &got); err != nil {
					t.Fatal(err)
				}
				for _, row := range got.Data.Result {
					pods = append(pods, row["pod"])
				}
				pages++
				if cursor = got.Data.Cursor; cursor == "" {
					break
				}
				if len(got.Warnings) == 0 || !strings.Contains(got.Warnings[0], "cursor") {
					t.Fatal(got.Warnings)
				}
			}
			if pages < 2 {
				t.Errorf("%s: only %d pages", direction, pages)
			}
			checkPods(t, direction, pods, n, min(n, limit))
		}
	}
}

func checkPods(t *testing.T, direction string, pods []string, n, want int) {
	t.Helper()
	if len(pods) != want {
		t.Fatalf("%s: %d rows, want %d", direction, len(pods), want)
	}
	for i, pod := range pods {
		j := i
		switch direction {
		case "":
			j = n - want + i
		case "backward":
			j = n - 1 - i
		}
		if pod != fmt.Sprint("pod-", j) {
			t.Fatalf("%s: row %d is %s, want pod-%d", direction, i, pod, j)
		}
	}
}

func TestBadCursors(t *testing.T) {
	s := serve(t, options(logs(0, nil)))
	for _, c := range []string{"x", "f.1.2", "g.1.2.3", "f.a.2.3", "f.1.-2.3", "f.1.2.0", "f.1.2.3.4", "f.1.5001.1", "f.1.0.5001", "f.1.9223372036854775807.1", "f.9223372036854775808.0.1"} {
		if status, _, body := get(t, s, "/api/v1/query_range?query=x&start=1&end=2&cursor="+c); status != http.StatusBadRequest {
			t.Error(c, status, body)
		}
	}
}

func TestBufferedAbortsAreErrors(t *testing.T) {
	if res, err := functions.Buffered(handler(t, logs(100_000, errors.New("broke"))))(t.Context(), event("/api/v1/query", "query=x&limit=5000")); err == nil && res.StatusCode == http.StatusOK && !strings.Contains(res.Body, "cut at") {
		t.Errorf("%d bytes look whole", len(res.Body))
	}
	abort := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if _, err := io.WriteString(w, "half"); err != nil {
			t.Error(err)
		}
		panic(http.ErrAbortHandler)
	})
	if res, err := functions.Buffered(abort)(t.Context(), event("/", "")); err == nil {
		t.Errorf("%+v", res)
	}
}

func TestStreaming(t *testing.T) {
	res, err := functions.Streaming(handler(t, logs(50_000, nil)))(t.Context(), event("/api/v1/query", "query=x"))
	if err != nil || res.StatusCode != http.StatusOK || res.Headers["Content-Type"] != "application/json" {
		t.Fatalf("%+v %v", res, err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil || !json.Valid(body) || len(body) < functions.MaxBufferedBytes {
		t.Error(err, len(body))
	}
	res, err = functions.Streaming(handler(t, logs(50_000, errors.New("broke"))))(t.Context(), event("/api/v1/query", "query=x"))
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(res.Body); err == nil || len(body) == 0 {
		t.Errorf("%d bytes and no error", len(body))
	}
	res, err = functions.Streaming(handler(t, fails(errors.New("broke"))))(t.Context(), event("/api/v1/query", "query=x"))
	if err != nil || res.StatusCode != http.StatusInternalServerError {
		t.Errorf("%+v %v", res, err)
	}
	if _, err := io.ReadAll(res.Body); err != nil {
		t.Error(err)
	}
}

// A stream to HEAD has what the answer's head says, and no body.
func TestStreamingHead(t *testing.T) {
	e := event("/api/v1/query", "query=x")
	e.RequestContext.HTTP.Method = http.MethodHead
	res, err := functions.Streaming(handler(t, logs(50_000, nil)))(t.Context(), e)
	if err != nil || res.StatusCode != http.StatusOK || res.Headers["Content-Type"] != "application/json" {
		t.Fatalf("%+v %v", res, err)
	}
	if body, err := io.ReadAll(res.Body); err != nil || len(body) > 0 {
		t.Errorf("%d bytes, %v", len(body), err)
	}
}

func TestQueriesStopBeforeTheInvocationIsKilled(t *testing.T) {
	e := &engine{answer: func(ctx context.Context, _ letheql.Request) (*letheql.Result, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	ctx, cancel := context.WithTimeout(t.Context(), 1600*time.Millisecond)
	defer cancel()
	res, err := functions.Buffered(handler(t, e))(ctx, event("/api/v1/query", "query=x"))
	if err != nil || res.StatusCode != http.StatusServiceUnavailable || ctx.Err() != nil {
		t.Errorf("%+v %v %v", res, err, ctx.Err())
	}
}

func TestSchedules(t *testing.T) {
	var at time.Time
	var e functions.Schedule
	if err := json.Unmarshal([]byte(`{"version":"0","source":"aws.events","time":"2026-03-01T09:50:00Z","detail":{}}`), &e); err != nil {
		t.Fatal(err)
	}
	alert := functions.Alert(func(_ context.Context, t time.Time) (string, error) { at = t; return "done", nil })
	if out, err := alert(t.Context(), e); err != nil || out != "done" || !at.Equal(time.Date(2026, 3, 1, 9, 50, 0, 0, time.UTC)) {
		t.Error(out, err, at)
	}
	if _, err := alert(t.Context(), functions.Schedule{}); err == nil {
		t.Error("evaluated without a time")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	end, _ := ctx.Deadline()
	compact := functions.Compact(func(ctx context.Context) (string, error) {
		at, _ = ctx.Deadline()
		return "done", nil
	})
	if out, err := compact(ctx, e); err != nil || out != "done" || !at.Before(end) || at.IsZero() {
		t.Error(err, at, end)
	}
	if _, err := compact(t.Context(), e); err != nil || !at.IsZero() {
		t.Error(err, at)
	}
}

func TestBasicAuth(t *testing.T) {
	hash, err := bcrypt.GenerateFromPassword([]byte("right"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	h, err := functions.BasicAuth([]byte("basic_auth_users:\n  ann: "+string(hash)+"\n"), handler(t, logs(0, nil)))
	if err != nil {
		t.Fatal(err)
	}
	serve := functions.Buffered(h)
	for _, test := range []struct {
		login string
		want  int
	}{
		{"ann:wrong", 401}, {"ann:right", 200}, {"ann:right", 200}, {"ann:wrong", 401}, {"ann:", 401}, {"bob:right", 401}, {"bob:nobody", 401}, {"bob:", 401}, {":", 401}, {"", 401},
		{"ann:right", 200},
	} {
		login, want := test.login, test.want
		e := event("/api/v1/query", "query=x")
		if login != "" {
			e.Headers["authorization"] = "Basic " + base64.StdEncoding.EncodeToString([]byte(login))
		}
		if res, err := serve(t.Context(), e); err != nil || res.StatusCode != want {
			t.Errorf("%q: %d %v, want %d", login, res.StatusCode, err, want)
		}
	}
	for _, bad := range []string{"", "[", "basic_auth_users: {}", "basic_auth_users:\n  ann: planted-secret\n"} {
		if _, err := functions.BasicAuth([]byte(bad), h); !errors.Is(err, functions.ErrWebConfig) || strings.Contains(err.Error(), "planted") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// An answer that is whole when the deadline comes is sent.
func TestBufferedSendsWhatIsWhole(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	e := &engine{answer: func(context.Context, letheql.Request) (*letheql.Result, error) {
		return &letheql.Result{Type: letheql.Logs, Stats: &letheql.Stats{}, Rows: func(yield func(letheql.LogRow, error) bool) {
			rows(2, nil)(yield)
			cancel()
		}}, nil
	}}
	res, err := functions.Buffered(handler(t, e))(ctx, event("/api/v1/query", "query=x"))
	if err != nil || res.StatusCode != http.StatusOK || strings.Count(res.Body, "한글") != 2 {
		t.Errorf("%+v %v", res, err)
	}
}

// A platform that stops reading a stream holds a query no longer than the query may run.
func TestStreamThatNobodyReads(t *testing.T) {
	for _, encoding := range []string{"identity", "gzip"} {
		o := unlimited(logs(10_000_000, nil))
		o.Timeout = 100 * time.Millisecond
		h, err := functions.NewHandler(o)
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		ask := event("/api/v1/query_range", "query=x&limit=0&start=2026-03-01T12:00:00Z&end=2026-03-02T12:00:00Z")
		ask.Headers["accept-encoding"] = encoding
		res, err := functions.Streaming(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer close(ended)
			h.ServeHTTP(w, r)
		}))(t.Context(), ask)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("%+v %v", res, err)
		}
		<-ended
		if n, err := io.Copy(io.Discard, res.Body); err == nil {
			t.Errorf("%s: %d bytes that look whole", encoding, n)
		}
	}
}
