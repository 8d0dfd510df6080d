package main

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"lethe/alerting"
	"lethe/alerting/alertmanager"
	"lethe/alerting/rulefile"
	"lethe/objstore"
)

// alerter evaluates rules, and tells Alertmanagers where there are any. It looks at the rule files again before each evaluation.
type alerter struct {
	*alerting.Evaluator
	client   *alertmanager.Client
	bucket   objstore.Reader
	patterns []string
	log      *slog.Logger
	now      func() time.Time
	metrics  *loadMetrics

	// files were read last, and broken is why they cannot be used.
	files  []ruleText
	broken error

	// mu guards fault, which Status reads too.
	mu sync.Mutex
	// fault is why other rules are evaluated than those that the files hold now.
	fault error
}

func (a *alerter) close() {
	if a.client != nil {
		a.client.Close()
	}
}

// load reads the rules for the first time.
func (a *alerter) load(ctx context.Context) ([]rulefile.Group, error) {
	files, err := readRules(ctx, a.bucket, a.patterns, nil)
	if err != nil {
		return nil, err
	}
	a.files = files
	return parseRules(a.log, files)
}

// Run reads the rules where they have changed, and evaluates them. Only one goroutine may call it.
func (a *alerter) Run(ctx context.Context, scheduled time.Time) (alerting.Summary, error) {
	if err := a.reload(ctx); ctx.Err() == nil {
		a.note(err)
	}
	return a.Evaluator.Run(ctx, scheduled)
}

// reload takes the rules as the files hold them now. Where one file cannot be used, all rules stay as they were.
func (a *alerter) reload(ctx context.Context) error {
	files, err := readRules(ctx, a.bucket, a.patterns, a.files)
	if err != nil {
		return err
	}
	if slices.Equal(files, a.files) {
		return a.broken
	}
	a.files = files
	groups, err := parseRules(a.log, files)
	if err == nil {
		err = a.Reload(groups)
	}
	if a.broken = err; err == nil {
		a.log.Info("Alerting rules were loaded anew", "groups", len(groups))
	}
	return err
}

// note shows what became of reloading, and logs it where that is news.
func (a *alerter) note(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil && (a.fault == nil || a.fault.Error() != err.Error()) {
		a.log.Error("Alerting rules were not loaded; those that were before stay in force", "err", err)
	}
	a.fault = err
	a.metrics.note(err, a.now())
}

// Status adds to the state of the rules that others stand in the files.
func (a *alerter) Status(ctx context.Context) *alerting.Status {
	s := a.Evaluator.Status(ctx)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.fault != nil {
		s.Warnings = append(s.Warnings, "the rule files cannot be used as they are now, and the rules that were loaded before stay in force: "+a.fault.Error())
	}
	return s
}

// loadMetrics tell whether the rules are those that the files hold.
type loadMetrics struct{ ok, last prometheus.Gauge }

func newLoadMetrics(reg prometheus.Registerer) (*loadMetrics, error) {
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "lethe", Subsystem: "alerting", Name: name, Help: help})
	}
	m := &loadMetrics{
		ok:   gauge("rules_last_load_successful", "Whether the rule files could be used when they were read last; those that were loaded before stay in force."),
		last: gauge("rules_last_load_success_timestamp_seconds", "When the rule files were read last and could be used."),
	}
	if reg == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.ok, m.last} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *loadMetrics) note(err error, now time.Time) {
	if err != nil {
		m.ok.Set(0)
		return
	}
	m.ok.Set(1)
	m.last.Set(float64(now.Unix()))
}
