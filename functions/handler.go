// Package functions serves queries: one http.Handler with the endpoints that venti and the clients of Prometheus ask for, and the adapters
// that run it, the compactor and the alerter as functions of a cloud.
package functions

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/klauspost/compress/gzhttp"

	"lethe/internal/fanout"
	"lethe/letheql"
)

// Engine evaluates queries. *letheql.Engine is one.
type Engine interface {
	Query(ctx context.Context, r letheql.Request) (*letheql.Result, error)
}

// Target is a namespace or a node that has lines.
type Target struct {
	// Kind is "pod" or "node".
	Kind string
	Name string
	// Newest is the time of the newest line, or of the newest upload where that is later; zero where nothing is known.
	Newest time.Time
}

// Options of the handler of all endpoints.
type Options struct {
	StatusOptions
	Engine Engine
	// Source answers for labels and series.
	Source letheql.Source
	// Targets lists the targets, sorted by kind and name.
	Targets func(ctx context.Context) ([]Target, error)
	// DefaultLimit of lines is the engine's, and MaxLimit what a request may ask for; 0 is any number, and all of them.
	DefaultLimit, MaxLimit int
	// MaxQuery is how many bytes a query may be long.
	MaxQuery int
	// Pieces answers for pieces of the queries of other instances; nil where none asks.
	Pieces Pieces
}

func (o *Options) validate() error {
	switch {
	case o.Engine == nil, o.Source == nil, o.Targets == nil:
		return errors.New("functions: Engine, Source and Targets are needed")
	case o.DefaultLimit < 1, o.MaxLimit < 0, o.MaxQuery < 1:
		return errors.New("functions: DefaultLimit and MaxQuery are at least 1, and MaxLimit is not negative")
	}
	return o.StatusOptions.validate()
}

type handler struct {
	o       Options
	gate    *gate
	pieces  *gate
	metrics *metrics
}

// NewHandler returns the handler of all endpoints; docs/http-api.md describes them.
func NewHandler(o Options) (http.Handler, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	h := &handler{o: o, gate: o.newGate(), pieces: o.newGate(), metrics: newMetrics(o.Metrics)}
	h.metrics.countQueries(o.Metrics)
	return h.wrapped(h.routes())
}

// wrapped has routes behind what all requests go through.
func (h *handler) wrapped(routes http.Handler) (http.Handler, error) {
	compress, err := gzhttp.NewWrapper(gzhttp.MinSize(1024), gzhttp.CompressionLevel(1), gzhttp.EnableZstd(false))
	if err != nil {
		return nil, err
	}
	return h.logged(h.bounded(compress(routes))), nil
}

// bounded refuses bodies that are too long.
func (h *handler) bounded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		limit := h.o.MaxBody
		if h.o.Pieces != nil && r.URL.Path == fanout.Path {
			limit = max(limit, fanout.MaxRequestBytes)
		}
		r.Body = http.MaxBytesReader(w, r.Body, limit)
		next.ServeHTTP(w, r)
	})
}

// endpoint answers a request, or returns an error of which nothing has gone out.
type endpoint func(w http.ResponseWriter, r *http.Request, f form) error

func (h *handler) routes() http.Handler {
	mux := h.statusRoutes("Queries are at /api/v1/query and /api/v1/query_range, metrics at /metrics.")
	both := func(path string, e endpoint) {
		mux.Handle("GET "+path, h.with(e))
		mux.Handle("POST "+path, h.with(e))
	}
	both("/api/v1/query", h.gated(h.query))
	both("/api/v1/query_range", h.gated(h.queryRange))
	both("/api/v1/labels", h.gated(h.labels))
	both("/api/v1/series", h.gated(h.series))
	both("/api/v1/format_query", h.gated(h.formatQuery))
	both("/api/v1/parse_query", h.gated(h.parseQuery))
	both("/api/v1/query_exemplars", h.exemplars)
	mux.Handle("GET /api/v1/label/{name}/values", h.with(h.gated(h.labelValues)))
	mux.Handle("GET /api/v1/metadata", h.with(h.metadata))
	mux.Handle("GET /api/v1/targets", h.with(h.targets))
	if h.o.Pieces != nil {
		mux.Handle("POST "+fanout.Path, h.with(h.inPieceTurn(h.piece)))
	}
	return mux
}

// with reads the parameters and answers with the endpoint's error.
func (h *handler) with(e endpoint) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f, err := parseForm(r, h.o.Now())
		if err == nil {
			noteOf(r.Context()).query = f.values.Get("query") // of a request that is refused, too
			err = e(w, r, f)
		}
		if err != nil {
			writeError(w, r, err)
		}
	})
}

// gated lets the endpoint run when it is its turn, and no longer than the timeout.
func (h *handler) gated(e endpoint) endpoint {
	return func(w http.ResponseWriter, r *http.Request, f form) error {
		return h.inTurn(r.Context(), f, func(ctx context.Context) error { return e(w, r.WithContext(ctx), f) })
	}
}

// inTurn does what costs requests when it is its turn, and no longer than the timeout.
func (h *handler) inTurn(ctx context.Context, f form, do func(ctx context.Context) error) error {
	return h.through(ctx, h.gate, f, do)
}

func (h *handler) through(ctx context.Context, g *gate, f form, do func(ctx context.Context) error) error {
	timeout, err := f.duration("timeout")
	if err != nil {
		return err
	}
	if h.o.Timeout > 0 && (timeout == 0 || timeout > h.o.Timeout) {
		timeout = h.o.Timeout
	}
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	leave, err := g.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	return do(ctx)
}

// unknown answers what no route takes: 405 with the methods that the path has, else 404.
func (h *handler) unknown(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		allowed := methodsOf(mux, r)
		if len(allowed) == 0 {
			writeJSON(w, r, http.StatusNotFound, failure{Status: "error", ErrorType: notFound, Error: "there is no " + r.URL.Path + " here"})
			return
		}
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		text := r.URL.Path + " takes " + strings.Join(allowed, " and ") + ", not " + r.Method
		writeJSON(w, r, http.StatusMethodNotAllowed, failure{Status: "error", ErrorType: badData, Error: text})
	})
}

// methodsOf is the methods with which the path of r has a route of its own.
func methodsOf(mux *http.ServeMux, r *http.Request) []string {
	var methods []string
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		_, pattern := mux.Handler(&http.Request{Method: method, URL: r.URL, Host: r.Host})
		if pattern != "/" && pattern != "" {
			methods = append(methods, method)
		}
	}
	return methods
}
