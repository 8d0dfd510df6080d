package functions

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"lethe/letheql"
)

// metrics of what is served.
type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	// costs and stages of queries, where any are answered.
	costs  []cost
	stages *prometheus.CounterVec
}

// cost is a counter of what queries cost.
type cost struct {
	prometheus.Counter
	of func(s *letheql.Stats) int64
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "lethe_http_requests_total", Help: "Requests by route and status."}, []string{"route", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "lethe_http_request_duration_seconds", Help: "Time from a request to the end of its answer.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 20},
		}, []string{"route"}),
	}
	reg.MustRegister(m.requests, m.seconds)
	return m
}

// countQueries adds the metrics of what queries cost.
func (m *metrics) countQueries(reg prometheus.Registerer) {
	for _, c := range []struct {
		name, help string
		of         func(s *letheql.Stats) int64
	}{
		{"partitions", "Hours of targets that queries planned to read.", func(s *letheql.Stats) int64 { return s.Hours }},
		{"pieces", "Pieces of queries that other instances read.", func(s *letheql.Stats) int64 { return s.Pieces }},
		{"planned_bytes", "Bytes of the objects that queries planned to read.", func(s *letheql.Stats) int64 { return s.BytesPlanned }},
		{"pruned_bytes", "Bytes of blocks and pages that bounds, labels or indexes left out.", func(s *letheql.Stats) int64 { return s.BytesPruned }},
		{"gets", "Get requests to the store that queries made.", func(s *letheql.Stats) int64 { return s.Gets }},
		{"hedges", "Get requests that queries sent again because the store was late to answer.", func(s *letheql.Stats) int64 { return s.Hedges }},
		{"lists", "List requests to the store that queries made.", func(s *letheql.Stats) int64 { return s.Lists }},
		{"fetched_bytes", "Bytes that queries fetched from the store.", func(s *letheql.Stats) int64 { return s.BytesFetched }},
		{"cache_hits", "Parts of blocks that queries found in the cache.", func(s *letheql.Stats) int64 { return s.CacheHits }},
		{"blocks", "Blocks that queries planned to read.", func(s *letheql.Stats) int64 { return s.Blocks }},
		{"blocks_pruned", "Blocks that bounds or indexes left out.", func(s *letheql.Stats) int64 { return s.BlocksPruned }},
		{"pages", "Pages of blocks that queries planned to read.", func(s *letheql.Stats) int64 { return s.Pages }},
		{"pages_pruned", "Pages that bounds or indexes left out.", func(s *letheql.Stats) int64 { return s.PagesPruned }},
		{"pages_read", "Pages of blocks that queries decoded.", func(s *letheql.Stats) int64 { return s.PagesRead }},
		{"raw_objects", "Raw objects of the backlog that queries read.", func(s *letheql.Stats) int64 { return s.RawObjects }},
		{"scanned_lines", "Lines that queries looked at.", func(s *letheql.Stats) int64 { return s.LinesScanned }},
		{"scanned_bytes", "Bytes of lines that queries looked at.", func(s *letheql.Stats) int64 { return s.BytesScanned }},
		{"returned_lines", "Lines that queries returned.", func(s *letheql.Stats) int64 { return s.LinesReturned }},
		{"index_errors", "Blocks with a damaged line index, which queries searched as a whole.", func(s *letheql.Stats) int64 { return s.IndexErrors }},
	} {
		counter := prometheus.NewCounter(prometheus.CounterOpts{Name: "lethe_query_" + c.name + "_total", Help: c.help})
		reg.MustRegister(counter)
		m.costs = append(m.costs, cost{counter, c.of})
	}
	m.stages = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "lethe_query_stage_seconds_total",
		Help: "Time of queries by stage: plan and run, and within run open, raw, fetch and search, the last two added up over what ran at once.",
	}, []string{"stage"})
	reg.MustRegister(m.stages)
}

func (m *metrics) observe(route string, status int, took time.Duration, n *note) {
	m.requests.WithLabelValues(route, strconv.Itoa(status)).Inc()
	m.seconds.WithLabelValues(route).Observe(took.Seconds())
	if n.stats == nil || n.elsewhere {
		return
	}
	for _, c := range m.costs {
		c.Add(float64(c.of(n.stats)))
	}
	for stage, nanos := range map[string]int64{
		"plan": n.stats.PlanNanos, "run": n.stats.RunNanos, "open": n.stats.OpenNanos, "raw": n.stats.RawNanos, "fetch": n.stats.FetchNanos,
		"search": n.stats.SearchNanos,
	} {
		m.stages.WithLabelValues(stage).Add(seconds(nanos))
	}
}
