package compactor

import (
	"errors"
	"maps"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"lethe/internal/layout"
)

// Metrics are what passes add up to, under lethe_compactor_… .
type Metrics struct {
	counters map[string]prometheus.Counter
	failures *prometheus.CounterVec
	requests *prometheus.CounterVec
	odd      *prometheus.CounterVec
	backlog  *prometheus.GaugeVec
	bytes    *prometheus.GaugeVec
	oldest   *prometheus.GaugeVec
	newest   *prometheus.GaugeVec
	gauges   map[string]prometheus.Gauge

	mu    sync.Mutex
	nodes map[string]time.Time // that newest shows
}

const metricPrefix = "lethe_compactor_"

// counterHelp names the plain counters.
var counterHelp = map[string]string{
	"runs_total":                "Passes that ended, with or without errors.",
	"lines_total":               "Lines that were written to blocks for the first time.",
	"broken_lines_total":        "Lines that were no record with a time; they are kept.",
	"cut_lines_total":           "Lines that were longer than the limit and were cut.",
	"raw_objects_total":         "Raw objects that were consumed.",
	"duplicate_objects_total":   "Raw objects whose lines had been counted before: retries of agents.",
	"in_bytes_total":            "Bytes of consumed raw objects, as stored.",
	"decoded_bytes_total":       "Bytes of consumed raw objects, decoded.",
	"out_bytes_total":           "Bytes of blocks that were written from raw objects.",
	"merged_in_bytes_total":     "Bytes of blocks that merges have read.",
	"merged_out_bytes_total":    "Bytes of blocks that merges have written.",
	"commits_total":             "Swaps of a manifest that were won.",
	"swaps_lost_total":          "Swaps of a manifest that another compactor won.",
	"raw_deleted_total":         "Consumed raw objects that were deleted.",
	"replaced_deleted_total":    "Replaced blocks and sealed days that were deleted.",
	"retention_deletes_total":   "Blocks that retention has removed.",
	"retention_bytes_total":     "Bytes of blocks that retention has removed.",
	"quarantined_total":         "Raw objects that could not be decoded and were moved to quarantine/.",
	"orphans_total":             "Objects that no manifest named and that were deleted.",
	"dropped_lines_total":       "Lines that were older than the watermark of retention when they arrived.",
	"foreign_raw_objects_total": "Objects under raw/ with keys of no known form, counted in each pass.",
}

// gaugeHelp names the plain gauges.
var gaugeHelp = map[string]string{
	"last_run_timestamp_seconds":     "When the last pass ended.",
	"last_success_timestamp_seconds": "When the last pass without an error ended.",
	"last_run_duration_seconds":      "How long the last pass took.",
}

// NewMetrics registers the metrics with r. It returns an error where their names are taken.
func NewMetrics(r prometheus.Registerer) (*Metrics, error) {
	vec := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: metricPrefix + name, Help: help}, labels)
	}
	gauges := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: metricPrefix + name, Help: help}, labels)
	}
	m := &Metrics{
		counters: map[string]prometheus.Counter{},
		gauges:   map[string]prometheus.Gauge{},
		failures: vec("failures_total", "Errors by class.", "class"),
		requests: vec("requests_total", "Requests to the store by kind.", "kind"),
		odd:      vec("odd_lines_total", "Lines whose time is far from their arrival, by target.", "target", "why"),
		backlog:  gauges("backlog_objects", "Raw objects that wait to be compacted.", "kind"),
		bytes:    gauges("backlog_bytes", "Bytes of raw objects that wait to be compacted.", "kind"),
		oldest:   gauges("backlog_oldest_timestamp_seconds", "When the oldest raw object that waits was put; 0 where none waits.", "kind"),
		newest:   gauges("newest_object_timestamp_seconds", "When the newest raw object of a node's own log was put.", "node"),
	}
	all := []prometheus.Collector{m.failures, m.requests, m.odd, m.backlog, m.bytes, m.oldest, m.newest}
	for name, help := range counterHelp {
		m.counters[name] = prometheus.NewCounter(prometheus.CounterOpts{Name: metricPrefix + name, Help: help})
		all = append(all, m.counters[name])
	}
	for name, help := range gaugeHelp {
		m.gauges[name] = prometheus.NewGauge(prometheus.GaugeOpts{Name: metricPrefix + name, Help: help})
		all = append(all, m.gauges[name])
	}
	var errs []error
	for _, c := range all {
		errs = append(errs, r.Register(c))
	}
	return m, errors.Join(errs...)
}

// Observe adds the summary of a pass, and shows the state that it has left. A server that does not compact itself has a Watch for that.
func (m *Metrics) Observe(s *Summary) {
	m.add(s)
	m.show(s)
}

// add counts what a pass has done.
func (m *Metrics) add(s *Summary) {
	for name, n := range map[string]int64{
		"runs_total": 1, "lines_total": s.Lines.Written, "broken_lines_total": s.Lines.Broken, "cut_lines_total": s.Lines.Cut,
		"raw_objects_total": s.In.Objects, "duplicate_objects_total": s.In.Duplicates, "in_bytes_total": s.In.Bytes,
		"decoded_bytes_total": s.In.Decoded, "out_bytes_total": s.Out.Bytes, "merged_in_bytes_total": s.Merged.BytesIn,
		"merged_out_bytes_total": s.Merged.BytesOut, "commits_total": s.Commits, "swaps_lost_total": s.SwapsLost,
		"raw_deleted_total": s.Deleted.Raw, "replaced_deleted_total": s.Deleted.Replaced, "retention_deletes_total": s.Deleted.HourBlocks,
		"retention_bytes_total": s.Deleted.HourBytes, "quarantined_total": s.Quarantined, "orphans_total": s.Deleted.Orphans,
		"dropped_lines_total": s.Lines.Dropped, "foreign_raw_objects_total": s.Foreign,
	} {
		m.counters[name].Add(float64(n))
	}
	for class, n := range s.Failed {
		m.failures.WithLabelValues(class).Add(float64(n))
	}
	for kind, n := range map[string]int64{
		"list": s.Requests.Lists, "get": s.Requests.Gets, "head": s.Requests.Stats, "put": s.Requests.Puts, "delete": s.Requests.Deletes,
	} {
		m.requests.WithLabelValues(kind).Add(float64(n))
	}
	for target, o := range s.Odd {
		m.odd.WithLabelValues(target, "late").Add(float64(o.Late))
		m.odd.WithLabelValues(target, "ahead").Add(float64(o.Ahead))
		m.odd.WithLabelValues(target, "too_old").Add(float64(o.TooOld))
	}
}

// show sets what the last pass has found.
func (m *Metrics) show(s *Summary) {
	for _, k := range layout.Kinds {
		b := s.Backlog[k]
		m.backlog.WithLabelValues(string(k)).Set(float64(b.Objects))
		m.bytes.WithLabelValues(string(k)).Set(float64(b.Bytes))
		m.oldest.WithLabelValues(string(k)).Set(seconds(b.Oldest))
	}
	m.showNodes(s.NewestByNode)
	m.gauges["last_run_timestamp_seconds"].Set(seconds(s.Ended))
	m.gauges["last_success_timestamp_seconds"].Set(seconds(s.LastSuccess))
	m.gauges["last_run_duration_seconds"].Set(s.Ended.Sub(s.Started).Seconds())
}

// showNodes shows the newest object of each node, and nothing of nodes that are not there any more.
func (m *Metrics) showNodes(newest map[string]time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for node := range m.nodes {
		if _, ok := newest[node]; !ok {
			m.newest.DeleteLabelValues(node)
		}
	}
	for node, at := range newest {
		m.newest.WithLabelValues(node).Set(seconds(at))
	}
	m.nodes = maps.Clone(newest)
}

func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}
