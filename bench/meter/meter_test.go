package meter_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"lethe/bench/meter"
)

// Requests are counted as S3 bills them, and reach the store with the host that was signed.
func TestCounts(t *testing.T) {
	store := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		if _, err := io.WriteString(w, r.Host); err != nil {
			t.Error(err)
		}
	}))
	defer store.Close()
	at, err := url.Parse(store.URL)
	if err != nil {
		t.Fatal(err)
	}
	m := meter.New(at, time.Millisecond)
	s := httptest.NewServer(m)
	defer s.Close()
	for _, r := range []string{
		"GET /b/k", "GET /b/k", "HEAD /b/k", "GET /b/?list-type=2&prefix=x", "PUT /b/k", "POST /b/k?uploads", "DELETE /b/k", "POST /b/?delete",
	} {
		method, path, _ := strings.Cut(r, " ")
		req, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = "logs.example"
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		if err != nil || method != http.MethodHead && string(body) != "logs.example" {
			t.Errorf("%s: %q %v", r, body, err)
		}
		if err := res.Body.Close(); err != nil {
			t.Error(err)
		}
	}
	s.Close() // so that all are counted
	if got, want := m.Take(), (meter.Counts{Put: 2, List: 1, Get: 2, Head: 1, Delete: 2, Bytes: 7 * 12}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got := m.Take(); got != (meter.Counts{}) {
		t.Errorf("taken twice: %+v", got)
	}
}
