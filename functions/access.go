package functions

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"time"

	"lethe/letheql"
)

// note is what a request leaves for the access log. The handler of the request writes it, in its own goroutine.
type note struct {
	query string
	stats *letheql.Stats
	// elsewhere: another instance counts what it has cost.
	elsewhere bool
	err       error
}

type noteKey struct{}

func noteOf(ctx context.Context) *note {
	if n, ok := ctx.Value(noteKey{}).(*note); ok {
		return n
	}
	return &note{}
}

func noteError(ctx context.Context, err error) { noteOf(ctx).err = err }

// recorder remembers what went out.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	n, err := r.ResponseWriter.Write(b)
	r.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the writer below.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// logged writes a line to the access log for each request, and turns a panic into the end of that request only.
func (h *handler) logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := &note{}
		rec := &recorder{ResponseWriter: w}
		start := h.o.Now()
		// The router writes the pattern that matched into the request it is given.
		r = r.WithContext(context.WithValue(r.Context(), noteKey{}, n))
		defer func() {
			p := recover()
			h.finish(rec, r, n, p, start)
			if p != nil && (rec.status != 0 || errors.Is(asError(p), http.ErrAbortHandler)) {
				// What went out must not look complete: the connection ends.
				panic(http.ErrAbortHandler)
			}
			if p != nil {
				writeError(w, r, fmt.Errorf("internal error, see the server's log"))
			}
		}()
		next.ServeHTTP(rec, r)
	})
}

func asError(p any) error {
	err, _ := p.(error)
	return err
}

func (h *handler) finish(rec *recorder, r *http.Request, n *note, p any, start time.Time) {
	took := h.o.Now().Sub(start)
	status := rec.status
	if p != nil && status == 0 {
		status = http.StatusInternalServerError
	}
	if p != nil && !errors.Is(asError(p), http.ErrAbortHandler) {
		h.o.Log.Error("a request panicked", "path", r.URL.Path, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
	}
	h.metrics.observe(route(r), status, took, n)
	level := slog.LevelInfo
	if quiet(r.URL.Path) && status < http.StatusBadRequest {
		level = slog.LevelDebug
	}
	attrs := []slog.Attr{
		slog.String("client", client(r)), slog.String("method", r.Method), slog.String("path", shorten(r.URL.Path)),
		slog.Int("status", status), slog.Int64("bytes", rec.bytes), slog.Duration("took", took),
	}
	if n.query != "" {
		attrs = append(attrs, slog.String("query", shorten(n.query)))
	}
	if s := n.stats; s != nil {
		attrs = append(attrs, slog.Group("cost", slog.Int64("requests", s.Lists+s.Gets), slog.Int64("fetched", s.BytesFetched),
			slog.Int64("scanned", s.LinesScanned), slog.Int64("returned", s.LinesReturned)))
	}
	if n.err != nil {
		attrs = append(attrs, slog.String("error", shorten(n.err.Error())))
	}
	h.o.Log.LogAttrs(r.Context(), level, "request", attrs...)
}

// client returns the address of the peer, without its port. Headers that a client can forge are not believed.
func client(r *http.Request) string {
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		return host
	}
	return r.RemoteAddr
}

// quiet paths are asked every few seconds by machines.
func quiet(path string) bool { return path == "/-/healthy" || path == "/-/ready" || path == "/metrics" }

// route returns the pattern that the request matched, so that metrics stay few whatever paths are asked for.
func route(r *http.Request) string {
	if r.Pattern == "" {
		return "none"
	}
	return r.Pattern
}
