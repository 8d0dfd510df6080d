// Package meter stands between a program and its S3 store. It counts requests as S3 bills them, and can make a near store as slow as a far one.
package meter

import (
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"time"
)

// Counts are requests by what S3 bills them as, and the bytes of their answers.
type Counts struct {
	Put    int64 `json:"put"`
	List   int64 `json:"list"`
	Get    int64 `json:"get"`
	Head   int64 `json:"head"`
	Delete int64 `json:"delete"`
	Bytes  int64 `json:"bytes"`
}

// Meter is an http.Handler that hands requests on to a store.
type Meter struct {
	delay time.Duration
	proxy *httputil.ReverseProxy

	mu     sync.Mutex
	counts Counts
}

// New returns a meter for the store at an address. Each request waits for delay first.
func New(store *url.URL, delay time.Duration) *Meter {
	return &Meter{delay: delay, proxy: &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(store)
			r.Out.Host = r.In.Host // it is part of what was signed
		},
		Transport: &http.Transport{MaxIdleConnsPerHost: 64},
	}}
}

// ServeHTTP implements http.Handler.
func (m *Meter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	select {
	case <-time.After(m.delay):
	case <-r.Context().Done():
		return
	}
	counted := &writer{ResponseWriter: w}
	defer func() { m.count(r, counted.bytes) }()
	m.proxy.ServeHTTP(counted, r)
}

func (m *Meter) count(r *http.Request, bytes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := &m.counts
	c.Bytes += bytes
	q := r.URL.Query()
	switch {
	case r.Method == http.MethodGet && (q.Has("list-type") || q.Has("location")):
		c.List++
	case r.Method == http.MethodGet:
		c.Get++
	case r.Method == http.MethodHead:
		c.Head++
	case r.Method == http.MethodDelete, r.Method == http.MethodPost && q.Has("delete"):
		c.Delete++
	default: // PUT, COPY and POST cost the same
		c.Put++
	}
}

// Take returns what was counted since it was called last.
func (m *Meter) Take() Counts {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.counts
	m.counts = Counts{}
	return c
}

// writer counts the bytes of a body.
type writer struct {
	http.ResponseWriter
	bytes int64
}

func (w *writer) Write(p []byte) (int, error) {
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the writer below.
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }
