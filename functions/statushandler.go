package functions

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"lethe/alerting"
)

// StatusOptions are those of a handler that says how its process fares.
type StatusOptions struct {
	// Rules tells the state of alerting rules; nil where there are none.
	Rules func(ctx context.Context) (*alerting.Status, error)
	// Ready returns nil when the bucket answers.
	Ready func(ctx context.Context) error
	// Metrics is where the handler's own metrics are registered, and Gatherer what /metrics shows.
	Metrics  prometheus.Registerer
	Gatherer prometheus.Gatherer
	Log      *slog.Logger
	Now      func() time.Time
	Version  string
	// MaxBody bounds the body of a request in bytes.
	MaxBody int64
	// Timeout of a query, and of what else costs requests to the store; 0 is none. A request may ask for less.
	Timeout time.Duration
	// Concurrency, Queue and Patience are those of the gate: queries, and what else costs requests, that run at once, that wait, and how long they
	// wait.
	Concurrency, Queue int
	Patience           time.Duration
}

func (o *StatusOptions) validate() error {
	switch {
	case o.Ready == nil, o.Metrics == nil, o.Gatherer == nil, o.Log == nil, o.Now == nil:
		return errors.New("functions: Ready, Metrics, Gatherer, Log and Now are needed")
	case o.MaxBody < 1:
		return errors.New("functions: MaxBody is at least 1")
	case o.Concurrency < 1, o.Queue < 0, o.Patience < 0, o.Timeout < 0:
		return errors.New("functions: Concurrency is at least 1, and neither Queue, Patience nor Timeout is negative")
	}
	return nil
}

func (o *StatusOptions) newGate() *gate { return newGate(o.Concurrency, o.Queue, o.Patience) }

// NewStatusHandler returns the handler of a process that answers no queries: of the endpoints of NewHandler, those that tell how it fares, and
// the state of its rules, which takes its turn and ends with the timeout as queries do.
func NewStatusHandler(o StatusOptions) (http.Handler, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	h := &handler{o: Options{StatusOptions: o}, gate: o.newGate(), metrics: newMetrics(o.Metrics)}
	return h.wrapped(h.statusRoutes("Rules are at /api/v1/rules, alerts at /api/v1/alerts, metrics at /metrics."))
}

// statusRoutes are the routes that every handler has. A person who opens the address in a browser is welcomed with a sentence.
func (h *handler) statusRoutes(welcome string) *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle("GET /api/v1/rules", h.with(h.rules))
	mux.Handle("GET /api/v1/alerts", h.with(h.alerts))
	mux.Handle("GET /api/v1/status/buildinfo", h.with(h.buildInfo))
	mux.Handle("GET /-/healthy", h.with(h.healthy))
	mux.Handle("GET /-/ready", h.with(h.ready))
	mux.Handle("GET /metrics", promhttp.HandlerFor(h.o.Gatherer, promhttp.HandlerOpts{DisableCompression: true}))
	mux.Handle("GET /{$}", h.with(h.welcome(welcome)))
	mux.Handle("/", h.unknown(mux))
	return mux
}
