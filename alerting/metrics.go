package alerting

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics of an Evaluator.
type metrics struct {
	evaluations, failures *prometheus.CounterVec
	last                  *prometheus.GaugeVec
	lost, gaps, lateLines prometheus.Counter
	behind                prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	group := []string{"rule_file", "rule_group"}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "lethe", Subsystem: "alerting", Name: name, Help: help})
	}
	vec := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "lethe", Subsystem: "alerting", Name: name, Help: help}, group)
	}
	m := &metrics{
		evaluations: vec("evaluations_total", "Evaluations of rules."),
		failures:    vec("evaluation_failures_total", "Evaluations of rules that failed; their alerts were kept as they were."),
		last: prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "lethe", Subsystem: "alerting", Name: "last_evaluation_timestamp_seconds",
			Help: "Scheduled time of the last evaluation of a group."}, group),
		lost:      counter("swaps_lost_total", "Runs of a group that were dropped because another evaluator was faster."),
		gaps:      counter("gaps_total", "Evaluations that went on although late lines may have been missed: after a pause longer than alerting.hold_max, or because raw objects were deleted unseen."),
		lateLines: counter("late_lines_total", "Lines that had arrived after their window and were counted late, before filters."),
		behind: prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "lethe", Subsystem: "alerting", Name: "groups_behind",
			Help: "Groups whose windows had not reached the scheduled time at the end of the last run."}),
	}
	if reg == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.evaluations, m.failures, m.last, m.lost, m.gaps, m.lateLines, m.behind} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register the metrics of alerting: %w", err)
		}
	}
	return m, nil
}

// expect shows the counters of a group before anything is counted: who takes the increase of one sees its first step then.
func (m *metrics) expect(file, group string) {
	m.evaluations.WithLabelValues(file, group)
	m.failures.WithLabelValues(file, group)
}

// forget drops the series of a group that is evaluated no more.
func (m *metrics) forget(file, group string) {
	m.evaluations.DeleteLabelValues(file, group)
	m.failures.DeleteLabelValues(file, group)
	m.last.DeleteLabelValues(file, group)
}
