package functions_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"lethe/functions"
	"lethe/internal/layout"
	"lethe/internal/scan"
	"lethe/letheql"
	"lethe/objstore"
	"lethe/objstore/memstore"
	"lethe/objstore/objtest"
)

// soon is how long a query may take to end when nobody wants it any more.
const soon = 50 * time.Millisecond

// unlimited are options under which a request may ask for all lines.
func unlimited(e functions.Engine) functions.Options {
	o := options(e)
	o.MaxLimit = 0
	return o
}

// watched serves a handler and tells when each request ends.
func watched(t *testing.T, o functions.Options) (*httptest.Server, <-chan time.Time) {
	t.Helper()
	h, err := functions.NewHandler(o)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan time.Time, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() { ended <- time.Now() }()
		h.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s, ended
}

// endsSoon runs try until a query has ended soon enough: on a machine that does other work too, not each one can.
func endsSoon(t *testing.T, try func() time.Duration) {
	t.Helper()
	fastest := time.Hour
	for range 20 {
		if fastest = min(fastest, try()); fastest < soon {
			return
		}
	}
	t.Errorf("it ends after %s at best", fastest)
}

// twoHours is a bucket with two hours of lines. The block of the second hour is never read to its end: the store hangs there.
func twoHours(t *testing.T) objstore.Bucket {
	t.Helper()
	b := memstore.New(func() time.Time { return clock })
	target := layout.Target{Kind: layout.Pod, Name: "default"}
	first := clock.Add(-3 * time.Hour)
	for hour := range 2 {
		var body bytes.Buffer
		for i := range 20_000 {
			at := first.Add(time.Duration(hour)*time.Hour + time.Duration(i)*time.Millisecond)
			fmt.Fprintf(&body, `{"time":%q,"pod":"web-1","container":"nginx","stream":"stdout","node":"n1","log":"line %d %s"}`+"\n",
				at.Format(time.RFC3339Nano), i, strings.Repeat("x", 100))
		}
		key := layout.RawKey(target, layout.HourOf(first.UnixNano())+layout.Hour(hour), fmt.Sprint("o", hour, ".jsonl"))
		if _, err := b.Put(t.Context(), key, &body, int64(body.Len()), objstore.Condition{}); err != nil {
			t.Fatal(err)
		}
	}
	compact(t, b)
	second := layout.HourOf(first.UnixNano()) + 1
	return objtest.NewHooks(b, objtest.Hooks{Before: func(ctx context.Context, c objtest.Call) error {
		if _, h, _, err := layout.ParseBlock(c.Key); err == nil && h == second {
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	}})
}

// TestClientThatGoesAway: the query ends with its client, although the store hangs.
func TestClientThatGoesAway(t *testing.T) {
	src, err := scan.New(twoHours(t), scan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	e, err := letheql.NewEngine(src, letheql.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s, ended := watched(t, unlimited(e))
	const path = "/api/v1/query_range?query=pod%7B%7D&start=2026-03-01T00:00:00Z&end=2026-03-02T00:00:00Z&direction=forward"
	endsSoon(t, func() time.Duration {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+path+"&limit=30000", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(io.Discard, res.Body, 1<<20); err != nil {
			t.Fatal(err)
		}
		gone := time.Now()
		cancel()
		if err := res.Body.Close(); err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		return (<-ended).Sub(gone)
	})
}

// TestClientThatStopsReading holds a query no longer than the query may run, and its place in the gate neither.
func TestClientThatStopsReading(t *testing.T) {
	const timeout = 200 * time.Millisecond
	o := unlimited(logs(100_000_000, nil))
	o.Concurrency, o.Queue, o.Timeout = 1, 0, timeout
	s, ended := watched(t, o)
	endsSoon(t, func() time.Duration {
		var d net.Dialer
		c, err := d.DialContext(t.Context(), "tcp", s.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		asked := time.Now()
		if _, err := io.WriteString(c, "GET "+query+"&limit=0 HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		took := (<-ended).Sub(asked)
		if took < timeout {
			t.Fatalf("it has ended after %s: the client was not waited for", took)
		}
		// What went out does not look whole, whether the connection is closed or reset behind it.
		body, _ := io.ReadAll(c)
		if !bytes.HasPrefix(body, []byte("HTTP/1.1 200")) || bytes.HasSuffix(body, []byte("\r\n0\r\n\r\n")) {
			t.Errorf("%d bytes: %.100q", len(body), body)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		return took - timeout
	})
}

// TestAllLinesStream: without a greatest limit a request gets all lines, in chunks.
func TestAllLinesStream(t *testing.T) {
	const n = 50_000
	s := serve(t, unlimited(logs(n, nil)))
	res, err := http.DefaultClient.Do(mustRequest(t, http.MethodGet, s.URL+query+"&limit=0", nil))
	if err != nil {
		t.Fatal(err)
	}
	var got answer
	if err := json.NewDecoder(res.Body).Decode(&got); err != nil {
		t.Fatal(err)
	}
	if err := res.Body.Close(); err != nil {
		t.Error(err)
	}
	if len(got.Data.Result) != n || len(res.TransferEncoding) != 1 || res.TransferEncoding[0] != "chunked" {
		t.Errorf("%d lines, encoding %v", len(got.Data.Result), res.TransferEncoding)
	}
}

// TestAllLinesGoOnFromACursor: a function that may answer any number of lines gives all of them, one part after the other.
func TestAllLinesGoOnFromACursor(t *testing.T) {
	const n = 2700
	h, err := functions.NewHandler(unlimited(ties(n)))
	if err != nil {
		t.Fatal(err)
	}
	serve := functions.Buffered(h)
	cursor, lines, parts := "", 0, 0
	for {
		parts++
		rows, next := part(t, serve, "/api/v1/query_range", "query=pod{}&limit=0&start=2026-03-01T12:00:00Z&end=2026-03-02T12:00:00Z&direction=forward&cursor="+cursor)
		for _, row := range rows {
			if row["pod"] != fmt.Sprint("pod-", lines) {
				t.Fatalf("line %d is of %s", lines, row["pod"])
			}
			lines++
		}
		if cursor = next; cursor == "" {
			break
		}
	}
	if lines != n || parts < 2 {
		t.Errorf("%d lines in %d parts", lines, parts)
	}
}
