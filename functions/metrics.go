package functions

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics of what is served.
type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	gets     prometheus.Counter
	lists    prometheus.Counter
	fetched  prometheus.Counter
	scanned  prometheus.Counter
	returned prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "lethe_http_requests_total", Help: "Requests by route and status."}, []string{"route", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "lethe_http_request_duration_seconds", Help: "Time from a request to the end of its answer.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 20},
		}, []string{"route"}),
		gets:     counter("lethe_query_gets_total", "Get requests to the store that queries made."),
		lists:    counter("lethe_query_lists_total", "List requests to the store that queries made."),
		fetched:  counter("lethe_query_fetched_bytes_total", "Bytes that queries fetched from the store."),
		scanned:  counter("lethe_query_scanned_lines_total", "Lines that queries looked at."),
		returned: counter("lethe_query_returned_lines_total", "Lines that queries returned."),
	}
	reg.MustRegister(m.requests, m.seconds, m.gets, m.lists, m.fetched, m.scanned, m.returned)
	return m
}

func (m *metrics) observe(route string, status int, took time.Duration, n *note) {
	m.requests.WithLabelValues(route, strconv.Itoa(status)).Inc()
	m.seconds.WithLabelValues(route).Observe(took.Seconds())
	if s := n.stats; s != nil {
		m.gets.Add(float64(s.Gets))
		m.lists.Add(float64(s.Lists))
		m.fetched.Add(float64(s.BytesFetched))
		m.scanned.Add(float64(s.LinesScanned))
		m.returned.Add(float64(s.LinesReturned))
	}
}
