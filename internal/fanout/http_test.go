package fanout_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"lethe/functions"
	"lethe/internal/fanout"
	"lethe/internal/scan"
	"lethe/letheql"
)

func sha256Hex(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func config(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "workers.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

var allLines = fmt.Sprintf("/api/v1/query_range?start=%d&end=%d&limit=0&query=pod{}", epoch.Unix(), clock.Unix())

// guarded lets nobody in but ann.
func guarded(t *testing.T, h http.Handler) http.Handler {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte("s3cret"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	g, err := functions.BasicAuth(fmt.Appendf(nil, "basic_auth_users: {ann: '%s'}", hash), h)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// A worker is asked with the credentials of a file, and refuses without.
func TestWorkersBehindBasicAuth(t *testing.T) {
	b := newBucket(t, 0)
	w := newWorkers(t, guarded(t, newHandler(t, b, scan.Fanout{})))
	want := ask(t, newHandler(t, b, scan.Fanout{}), allLines)
	for _, c := range []struct {
		file string
		ok   bool
	}{{"", false}, {"basic_auth: {username: ann, password: wrong}", false}, {"basic_auth: {username: ann, password: s3cret}", true}} {
		file := ""
		if c.file != "" {
			file = config(t, c.file)
		}
		transport, err := fanout.NewHTTP(w.URL, file)
		if err != nil {
			t.Fatal(err)
		}
		client, err := fanout.New(fanout.Options{Transport: transport, MaxRows: 1 << 20, MaxCounts: 1 << 20, Now: func() time.Time { return clock }})
		if err != nil {
			t.Fatal(err)
		}
		got := ask(t, newHandler(t, b, scan.Fanout{Pieces: 2, Workers: client}), allLines)
		if c.ok && (got.result != want.result || got.pieces != 2) {
			t.Errorf("%s: %d %s", c.file, got.status, got.err)
		}
		if !c.ok && (got.status != http.StatusServiceUnavailable || !strings.Contains(got.err, "401 Unauthorized") || strings.Contains(got.err, "wrong")) {
			t.Errorf("%s: %d %s", c.file, got.status, got.err)
		}
	}
}

func TestHTTPOptions(t *testing.T) {
	for base, file := range map[string]string{
		"": "", "lethe:6060": "", "ftp://lethe": "", "http://ann:s3cret@lethe": "", "http://lethe?x=1": "", "http://lethe/": "basic_auth: {username: a, password: s3cret, x: 1}",
		"http://a": "s3cret", "http://b": "tls_config: {ca_file: /nowhere}",
	} {
		name := ""
		if file != "" {
			name = config(t, file)
		}
		_, err := fanout.NewHTTP(base, name)
		if !errors.Is(err, fanout.ErrConfig) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%q, %q: %v", base, file, err)
		}
	}
	if _, err := fanout.NewHTTP("http://lethe:6060", "/no/such/file"); !errors.Is(err, fanout.ErrConfig) || !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// recorded notes how long the workers may take.
type recorded struct {
	limits chan time.Duration
	fail   bool
	fanout.Transport
}

func (r *recorded) Send(ctx context.Context, body []byte, limit time.Duration) (*fanout.Answer, error) {
	r.limits <- limit
	if r.fail {
		return nil, errors.New("broken")
	}
	return r.Transport.Send(ctx, body, limit)
}

// A worker has less time than the query, and its first try leaves some for the second.
func TestWorkersEndBeforeTheQuery(t *testing.T) {
	rec := &recorded{limits: make(chan time.Duration, 4), fail: true}
	var patience []time.Duration
	client, err := fanout.New(fanout.Options{
		Transport: rec, MaxRows: 1 << 20, MaxCounts: 1 << 20, Now: func() time.Time { return clock },
		After: func(_ context.Context, d time.Duration, _ func()) func() bool {
			patience = append(patience, d)
			return func() bool { return true }
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(time.Hour) // the clock of the client is another one
	ctx, cancel := context.WithDeadline(t.Context(), deadline)
	defer cancel()
	left := deadline.Sub(clock)
	piece := scan.Piece{Blocks: []scan.PieceBlock{{Key: "pod/a/2026-03-01_09/b.parquet"}}}
	_, err = client.Count(ctx, letheql.Select{Kind: "pod", Share: &letheql.Share{}}, piece, &letheql.Stats{})
	if !errors.Is(err, fanout.ErrFailed) || !strings.Contains(err.Error(), piece.Blocks[0].Key) {
		t.Error(err)
	}
	if first, second := <-rec.limits, <-rec.limits; first != left/2 || second != left-left/16 || len(patience) != 1 || patience[0] != left/2 {
		t.Errorf("%s and %s of %s, patience %s", first, second, left, patience)
	}
	for _, err := range client.Lines(ctx, letheql.Select{Kind: "pod"}, piece, &letheql.Stats{}) {
		if !errors.Is(err, fanout.ErrFailed) {
			t.Error(err)
		}
	}
	if first := <-rec.limits; first != left-left/16 {
		t.Errorf("%s of %s for lines", first, left)
	}
}

// A worker takes a request from outside for what it is: no key, no number and no expression in it is believed.
func TestRequestsFromOutside(t *testing.T) {
	h := newHandler(t, newBucket(t, 0), scan.Fanout{})
	post := func(body string, query string) (int, string) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, fanout.Path+query, strings.NewReader(body)))
		return w.Code, w.Body.String()
	}
	for body, want := range map[string]string{
		``:                           "unexpected end",
		`{"version":2}`:              "version 2",
		`{"version":1,"maxBytes":1}`: "neither for rows nor for counts",
		`{"version":1,"maxBytes":0,"rows":{"selector":"pod{}"}}`:                                                                      "negative",
		`{"version":1,"maxBytes":9,"rows":{"selector":"pod{}","skip":-1}}`:                                                            "negative",
		`{"version":1,"maxBytes":9,"rows":{"selector":"pod{","limit":1}}`:                                                             "parse error",
		`{"version":1,"maxBytes":9,"rows":{"selector":"pod{} | json"}}`:                                                               "stages",
		`{"version":1,"maxBytes":9,"rows":{"selector":"pod{x=\"1\"}"}}`:                                                               "unknown label",
		`{"version":1,"maxBytes":9,"rows":{"selector":"pod{}","direction":7}}`:                                                        "direction 7",
		`{"version":1,"maxBytes":9,"share":{"query":"count_over_time(pod{}[5m])","step":1,"key":"x"}}`:                                "another one",
		`{"version":1,"maxBytes":9,"rows":{"selector":"pod{}"},"piece":{"blocks":[{"key":"pod/shop/manifest.json"}]}}`:                "invalid piece",
		`{"version":1,"maxBytes":9,"rows":{"selector":"pod{}"},"piece":{"blocks":[{"key":"../../etc/2026-03-01_09/x.parquet"}]}}`:     "invalid piece",
		`{"version":1,"maxBytes":9,"rows":{"selector":"pod{}"},"piece":{"blocks":[{"key":"raw/pod/shop/2026-03-01_09/o001.jsonl"}]}}`: "invalid piece",
	} {
		status, text := post(body, "")
		if status != http.StatusBadRequest || !strings.Contains(text, want) || !json.Valid([]byte(text)) {
			t.Errorf("%s: %d %s", body, status, text)
		}
	}
	status, text := post(`{"version":1,"maxBytes":9,"rows":{"selector":"pod{}","end":9000000000000000000},"piece":{"blocks":[`+
		`{"key":"pod/shop/2026-03-01_09/gone.parquet","size":9,"tail":1,"rows":1,"min":`+nanos(epoch.Add(3*time.Hour))+`,"max":`+nanos(epoch.Add(3*time.Hour))+`}]}}`, "")
	if status != http.StatusNotFound || !strings.Contains(text, `"gone":"pod/shop/2026-03-01_09/gone.parquet"`) {
		t.Errorf("a block that is gone: %d %s", status, text)
	}
	if status, text := post(strings.Repeat(" ", fanout.MaxRequestBytes+1), ""); status != http.StatusRequestEntityTooLarge {
		t.Errorf("too large: %d %s", status, text)
	}
	if status, text := post(`{}`, "?timeout=x"); status != http.StatusBadRequest {
		t.Errorf("a timeout: %d %s", status, text)
	}
}

func nanos(t time.Time) string { return strconv.FormatInt(t.UnixNano(), 10) }

// Whatever stands in an answer, it is read or it is an error.
func TestAnswersThatAreNone(t *testing.T) {
	b := newBucket(t, 0)
	inner := newHandler(t, b, scan.Fanout{})
	want := ask(t, inner, allLines)
	var spoil func([]byte) []byte
	w := newWorkers(t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		whole := httptest.NewRecorder()
		inner.ServeHTTP(whole, r)
		_, _ = rw.Write(spoil(bytes.Clone(whole.Body.Bytes())))
	}))
	h, _ := w.coordinator(t, func(f scan.Fanout) http.Handler { return newHandler(t, b, f) }, 1, 64<<10, 64<<10)
	for i := range 16 {
		for name, change := range map[string]func([]byte) []byte{
			"cut": func(a []byte) []byte { return a[:len(a)*i/16] }, "longer": func(a []byte) []byte { return append(a[:len(a)*i/16:len(a)*i/16], 0xff, 0xff, 0xff) },
		} {
			spoil = change
			if got := ask(t, h, allLines); got.status == http.StatusOK || got.result == want.result {
				t.Errorf("%s at %d/16: %d %.200s", name, i, got.status, got.result)
			}
		}
	}
}

// Pieces take no places of queries: an instance that runs one query at a time reads the pieces of that query, should they come to itself.
func TestAnInstanceAsksItself(t *testing.T) {
	b := newBucket(t, 0)
	var h http.Handler
	w := newWorkers(t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { h.ServeHTTP(rw, r) }))
	self, _ := w.coordinator(t, func(f scan.Fanout) http.Handler { return newHandlerOf(t, b, f, 1) }, 3, 1<<20, 1<<20)
	h = self
	want := ask(t, newHandler(t, b, scan.Fanout{}), allLines)
	if got := ask(t, self, allLines); got.result != want.result || got.pieces != 3 {
		t.Errorf("%d pieces, %d %s", got.pieces, got.status, got.err)
	}
}
