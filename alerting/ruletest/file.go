// Package ruletest runs tests of alerting rules: log lines go in, and alerts are expected at certain times. A test file has the form of
// promtool's, with lines in place of series:
//
//	rule_files: [shop.yaml]
//	evaluation_interval: 1m
//	tests:
//	- name: a panic pages
//	  input_lines:
//	  - series: pod{namespace="shop", pod="web-1", container="app"}
//	    log: 'panic: out of tea'
//	    at: [30s, 40s]           # after the start of the test; or every: 10s with times: 5, from at on
//	    arrives: 3m              # when it is uploaded; at its own time, where this is left out
//	  alert_rule_test:
//	  - eval_time: 1m
//	    alertname: CheckoutPanic
//	    exp_alerts:
//	    - exp_labels: {severity: critical, namespace: shop, pod: web-1, container: app}
//	      exp_annotations: {summary: 'web-1: 2 panics'}
//	      exp_value: 2
//
// Rules are evaluated by the same code as ever, from the start of a test at each evaluation_interval. Expected are the alerts that fire
// after the last evaluation up to eval_time: all of them, with all their labels; of the annotations, those that are given.
package ruletest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"go.yaml.in/yaml/v3"

	"lethe/alerting"
	"lethe/internal/layout"
	"lethe/letheql"
)

// Bounds of a test file.
const (
	// MaxFileBytes is the largest test file that is read.
	MaxFileBytes = 16 << 20
	// maxLines and maxRuns bound what one test may hold: lines, and evaluations.
	maxLines = 1_000_000
	maxRuns  = 100_000
)

// ErrFile is wrapped by errors of a test file that cannot be run.
var ErrFile = errors.New("invalid rule test")

type file struct {
	RuleFiles          []string       `yaml:"rule_files"`
	EvaluationInterval model.Duration `yaml:"evaluation_interval"`
	IngestDelay        model.Duration `yaml:"ingest_delay"`
	Start              time.Time      `yaml:"start"`
	Tests              []test         `yaml:"tests"`
}

type test struct {
	Name   string      `yaml:"name"`
	Lines  []input     `yaml:"input_lines"`
	Alerts []alertTest `yaml:"alert_rule_test"`
}

type input struct {
	Series  string          `yaml:"series"`
	Log     string          `yaml:"log"`
	At      durations       `yaml:"at"`
	Every   model.Duration  `yaml:"every"`
	Times   int             `yaml:"times"`
	Arrives *model.Duration `yaml:"arrives"`
}

type alertTest struct {
	EvalTime  model.Duration `yaml:"eval_time"`
	Alertname string         `yaml:"alertname"`
	Expected  []expected     `yaml:"exp_alerts"`
}

type expected struct {
	Labels      map[string]string `yaml:"exp_labels"`
	Annotations map[string]string `yaml:"exp_annotations"`
	Value       *float64          `yaml:"exp_value"`
}

// durations is one duration or a list.
type durations []time.Duration

// UnmarshalYAML reads either form.
func (d *durations) UnmarshalYAML(n *yaml.Node) error {
	var many []model.Duration
	if n.Kind == yaml.ScalarNode {
		many = make([]model.Duration, 1)
		if err := n.Decode(&many[0]); err != nil {
			return err
		}
	} else if err := n.Decode(&many); err != nil {
		return err
	}
	for _, m := range many {
		*d = append(*d, time.Duration(m))
	}
	return nil
}

// parse reads a test file.
func parse(body []byte) (*file, error) {
	if len(body) > MaxFileBytes {
		return nil, fmt.Errorf("%w: it is larger than %d bytes", ErrFile, MaxFileBytes)
	}
	f := &file{EvaluationInterval: model.Duration(time.Minute), Start: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	dec := yaml.NewDecoder(bytes.NewReader(body))
	dec.KnownFields(true)
	if err := dec.Decode(f); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: %w", ErrFile, err)
	}
	if err := dec.Decode(&yaml.Node{}); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: it holds more than one YAML document, and only the first would be run", ErrFile)
	}
	switch {
	case len(f.RuleFiles) == 0:
		return nil, fmt.Errorf("%w: rule_files is empty", ErrFile)
	case len(f.Tests) == 0:
		return nil, fmt.Errorf("%w: there are no tests", ErrFile)
	case f.EvaluationInterval <= 0:
		return nil, fmt.Errorf("%w: evaluation_interval must be positive", ErrFile)
	}
	return f, nil
}

// line is a line with the time at which it arrives.
type line struct {
	alerting.KindRow
	arrives time.Time
}

// lines returns the lines of a test in the order in which they are written.
func (t *test) lines(start time.Time) ([]line, error) {
	var out []line
	for i, in := range t.Lines {
		row, err := in.row()
		if err != nil {
			return nil, fmt.Errorf("%w: test %q, line %d: %w", ErrFile, t.Name, i+1, err)
		}
		for _, at := range in.times() {
			l := line{KindRow: row, arrives: start.Add(at)}
			l.Time = start.Add(at).UnixNano()
			if in.Arrives != nil {
				l.arrives = start.Add(time.Duration(*in.Arrives))
			}
			if l.arrives.UnixNano() < l.Time {
				return nil, fmt.Errorf("%w: test %q, line %d arrives before its own time", ErrFile, t.Name, i+1)
			}
			if out = append(out, l); len(out) > maxLines {
				return nil, fmt.Errorf("%w: test %q has more than %d lines", ErrFile, t.Name, maxLines)
			}
		}
	}
	return out, nil
}

func (in *input) times() []time.Duration {
	if in.Every <= 0 {
		return in.At
	}
	first := time.Duration(0)
	if len(in.At) > 0 {
		first = in.At[0]
	}
	var out []time.Duration
	for i := range min(in.Times, maxLines+1) {
		out = append(out, first+time.Duration(i)*time.Duration(in.Every))
	}
	return out
}

// row reads a series, as pod{namespace="a", pod="b"}.
func (in *input) row() (alerting.KindRow, error) {
	if len(in.At) == 0 && in.Every <= 0 {
		return alerting.KindRow{}, errors.New("it needs a time in at")
	}
	if in.Every > 0 && (in.Times < 1 || len(in.At) > 1) {
		return alerting.KindRow{}, errors.New("every needs the number of lines in times, and at most one time in at")
	}
	sel, err := letheql.ParseSelector(in.Series)
	if err != nil {
		return alerting.KindRow{}, fmt.Errorf("series: %w", err)
	}
	row := alerting.KindRow{Kind: sel.Kind}
	row.Log = []byte(in.Log)
	fields := map[string]*string{
		"namespace": &row.Namespace, "pod": &row.Pod, "container": &row.Container, "stream": &row.Stream, "node": &row.Node, "process": &row.Process,
	}
	for _, m := range sel.Matchers {
		if m.Type != labels.MatchEqual {
			return row, fmt.Errorf("series: the value of %s must be given with =", m.Name)
		}
		*fields[m.Name] = m.Value
	}
	if sel.Kind == layout.Pod && row.Namespace == "" || sel.Kind == layout.Node && row.Node == "" {
		return row, errors.New("series: a pod needs a namespace, and a node log a node")
	}
	return row, nil
}
