package main

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"lethe/alerting"
	"lethe/internal/config"
	"lethe/objstore"
	"lethe/objstore/memstore"
	"lethe/objstore/objtest"
)

// touched remembers the keys and prefixes that the store is asked for.
type touched struct {
	mu   sync.Mutex
	keys []string
}

func (k *touched) note(_ context.Context, c objtest.Call) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.keys = append(k.keys, c.Key)
	return nil
}

// strange reports what is no key that Lethe has by itself.
func (k *touched) strange() (out []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, key := range k.keys {
		first, _, _ := strings.Cut(key, "/")
		known := key == "" || first == "raw" || first == "pod" || first == "node" || first == "state" || first == "alert"
		clean := path.Clean("/"+key) == "/"+strings.TrimSuffix(key, "/")
		if !known || !clean || strings.ContainsAny(key, "\x00\n\\") {
			out = append(out, key)
		}
	}
	k.keys = nil
	return out
}

// guardedHandler is the handler of the binary over a store that remembers what it was asked.
func guardedHandler(t testing.TB) (http.Handler, *touched) {
	t.Helper()
	now := func() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }
	mem, k := memstore.New(now), &touched{}
	body := `{"time":"2026-03-01T11:00:00Z","pod":"p","container":"c","log":"line"}` + "\n"
	for _, key := range []string{"raw/pod/shop/2026-03-01_11/a.jsonl", "raw/node/worker1/2026-03-01_11/a.jsonl"} {
		if _, err := mem.Put(t.Context(), key, strings.NewReader(body), int64(len(body)), objstore.Condition{}); err != nil {
			t.Fatal(err)
		}
	}
	p := &program{config: config.New(), args: newArgs(), now: now, log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	b := objtest.NewHooks(mem, objtest.Hooks{Before: k.note})
	h, err := p.handler(b, prometheus.NewRegistry(), func(context.Context) (*alerting.Status, error) { return &alerting.Status{}, nil })
	if err != nil {
		t.Fatal(err)
	}
	return h, k
}

var evilNames = []string{
	"../../x", "..", ".", "/", "/etc/passwd", "shop/../../x", "shop/2026-03-01_11", "shop/manifest.json", "a\x00b", "a\nb", "a\\..\\b", "%2e%2e%2fx", "..%2f",
	"", strings.Repeat("x", 5000), "\u202e", "shop\r\nX-Injected: 1",
}

// What comes from outside never becomes a path: a name that can be none has no lines, and the store sees no such key.
func TestNamesNeverBecomePaths(t *testing.T) {
	h, keys := guardedHandler(t)
	ask := func(target string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		u, err := url.ParseRequestURI(target)
		if err != nil {
			t.Fatal(err)
		}
		r.URL = u
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	for _, name := range evilNames {
		for _, matcher := range []string{`pod{namespace=` + quoted(name) + `}`, `pod{namespace=~` + quoted("shop|"+name) + `}`, `node{node=` + quoted(name) + `}`, `pod{namespace=` + quoted(name) + `,pod=` + quoted(name) + `}`} {
			params := url.Values{"query": {matcher}, "match[]": {matcher}, "start": {"2026-03-01T10:00:00Z"}, "end": {"2026-03-01T12:00:00Z"}, "time": {"2026-03-01T12:00:00Z"}}
			for _, p := range []string{"/api/v1/query_range", "/api/v1/query", "/api/v1/series", "/api/v1/labels", "/api/v1/label/namespace/values", "/api/v1/label/pod/values"} {
				w := ask(p + "?" + params.Encode())
				if w.Code != http.StatusOK && w.Code != http.StatusBadRequest {
					t.Errorf("%s %s: %d %s", p, matcher, w.Code, w.Body)
				}
				if strange := keys.strange(); len(strange) > 0 {
					t.Errorf("%s %q: the store was asked for %q", p, matcher, strange)
				}
			}
		}
		w := ask("/api/v1/label/" + url.PathEscape(name) + "/values?cursor=" + url.QueryEscape(name))
		if strange := keys.strange(); len(strange) > 0 || w.Code >= http.StatusInternalServerError || w.Header().Get("X-Injected") != "" {
			t.Errorf("label %q: %d, keys %q, %v", name, w.Code, strange, w.Header())
		}
	}
}

func quoted(s string) string {
	return "\"" + strings.NewReplacer("\\", "\\\\", "\"", "\\\"", "\n", "\\n", "\r", "\\r", "\x00", "\\x00").Replace(s) + "\""
}

// FuzzRequests: no request breaks the server or leaves its prefixes.
func FuzzRequests(f *testing.F) {
	for _, name := range evilNames {
		f.Add("query_range", `pod{namespace=`+quoted(name)+`}`, "f.1.0.10", name)
	}
	f.Add("query", `sum by (pod) (count_over_time(pod{namespace="shop"} |= "x" [5m]))`, "", "10")
	f.Add("label/pod/values", `pod{namespace=~"sh.*"}`, "b.1772362800000000000.1.5", "1h")
	h, keys := guardedHandler(f)
	f.Fuzz(func(t *testing.T, where, query, cursor, other string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.URL = &url.URL{Path: "/api/v1/" + where, RawQuery: url.Values{
			"query": {query}, "match[]": {query}, "start": {"2026-03-01T10:00:00Z"}, "end": {"2026-03-01T12:00:00Z"}, "cursor": {cursor}, "limit": {other}, "step": {other},
		}.Encode()}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code >= http.StatusInternalServerError && w.Code != http.StatusServiceUnavailable {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		if strange := keys.strange(); len(strange) > 0 {
			t.Errorf("the store was asked for %q", strange)
		}
	})
}
