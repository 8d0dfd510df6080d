package ruletest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"lethe/alerting"
	"lethe/alerting/rulefile"
	"lethe/letheql"
)

// Failure is an expectation that was not met.
type Failure struct {
	Test, Alert string
	At          time.Duration
	// Message shows what was expected and what there was.
	Message string
}

// String returns the failure as a person reads it.
func (f Failure) String() string {
	return fmt.Sprintf("test %q, %s at %s: %s", f.Test, f.Alert, f.At, f.Message)
}

// Run runs the tests of the file name in fsys; rule files in it are named relative to it. It returns how many expectations were checked and
// those that were not met. The error says why a file could not be run; it wraps ErrFile or those of package rulefile.
func Run(ctx context.Context, fsys fs.FS, name string) (checked int, failures []Failure, err error) {
	body, err := fs.ReadFile(fsys, name)
	if err != nil {
		return 0, nil, err
	}
	f, err := parse(body)
	if err != nil {
		return 0, nil, fmt.Errorf("%s: %w", name, err)
	}
	var groups []rulefile.Group
	for _, rules := range f.RuleFiles {
		if path.IsAbs(rules) {
			return 0, nil, fmt.Errorf("%w: %s: rule_files has %s: a rule file is named relative to the file of its tests", ErrFile, name, rules)
		}
		ruleName := path.Join(path.Dir(name), rules)
		body, err := fs.ReadFile(fsys, ruleName)
		if err != nil {
			return 0, nil, fmt.Errorf("%s: %w", name, err)
		}
		parsed, err := rulefile.Parse(ruleName, body, alerting.CheckExpr)
		if err != nil {
			return 0, nil, err
		}
		groups = append(groups, parsed.Groups...)
	}
	for i := range f.Tests {
		failed, err := f.run(ctx, groups, &f.Tests[i])
		if err != nil {
			return checked, failures, fmt.Errorf("%s: %w", name, err)
		}
		checked += len(f.Tests[i].Alerts)
		failures = append(failures, failed...)
	}
	return checked, failures, nil
}

// run runs one test: it evaluates up to the last eval_time and checks what is expected on the way.
func (f *file) run(ctx context.Context, groups []rulefile.Group, t *test) ([]Failure, error) {
	lines, err := t.lines(f.Start)
	if err != nil {
		return nil, err
	}
	if len(t.Alerts) == 0 {
		return nil, fmt.Errorf("%w: test %q expects nothing: alert_rule_test is empty", ErrFile, t.Name)
	}
	if err := known(groups, t); err != nil {
		return nil, err
	}
	w := &world{lines: lines, states: map[string][]byte{}, tags: map[string]int{}}
	e, err := f.evaluator(groups, w)
	if err != nil {
		return nil, err
	}
	checks := slices.Clone(t.Alerts)
	slices.SortStableFunc(checks, func(a, b alertTest) int { return int(min(1, max(-1, a.EvalTime-b.EvalTime))) })
	interval := time.Duration(f.EvaluationInterval)
	if last := time.Duration(checks[len(checks)-1].EvalTime); last/interval > maxRuns {
		return nil, fmt.Errorf("%w: test %q needs more than %d evaluations", ErrFile, t.Name, maxRuns)
	}
	var failures []Failure
	// A group begins with its first evaluation: that is one interval before the test, so that lines at its start count.
	w.moveTo(f.Start.Add(-interval))
	if _, err := e.Run(ctx, w.now); err != nil {
		return nil, err
	}
	for at := time.Duration(0); len(checks) > 0; at += interval {
		w.moveTo(f.Start.Add(at))
		if _, err := e.Run(ctx, w.now); err != nil {
			return nil, err
		}
		status := e.Status(ctx)
		for len(checks) > 0 && time.Duration(checks[0].EvalTime) < at+interval {
			failures = append(failures, checks[0].check(t.Name, status)...)
			checks = checks[1:]
		}
	}
	return failures, nil
}

// known refuses the name of an alert that no rule has: its test could not fail.
func known(groups []rulefile.Group, t *test) error {
	for _, a := range t.Alerts {
		found := false
		for _, g := range groups {
			found = found || slices.ContainsFunc(g.Rules, func(r rulefile.Rule) bool { return r.Alert == a.Alertname })
		}
		if !found {
			return fmt.Errorf("%w: test %q: no rule has the name %q", ErrFile, t.Name, a.Alertname)
		}
	}
	return nil
}

func (f *file) evaluator(groups []rulefile.Group, w *world) (*alerting.Evaluator, error) {
	clock := func() time.Time { return w.now }
	engine, err := alerting.NewEngine(letheql.Options{}, clock)
	if err != nil {
		return nil, err
	}
	delay := time.Duration(f.IngestDelay)
	if delay == 0 {
		delay = -1
	}
	ids := 0
	return alerting.New(groups, alerting.Options{
		Store: w, Arrivals: w, Source: &w.arrived, Engine: engine, IngestDelay: delay, Interval: time.Duration(f.EvaluationInterval), Concurrency: 1,
		Now: clock, NewID: func() string { ids++; return strconv.Itoa(ids) }, Logger: slog.New(slog.DiscardHandler),
	})
}

// check compares the alerts that fire with those that are expected.
func (a *alertTest) check(name string, s *alerting.Status) []Failure {
	var firing []alerting.AlertStatus
	for _, g := range s.Groups {
		for _, r := range g.Rules {
			if r.Name != a.Alertname {
				continue
			}
			if r.Health == alerting.HealthErr {
				return []Failure{a.failure(name, "the rule failed: "+r.LastError)}
			}
			firing = append(firing, slices.DeleteFunc(slices.Clone(r.Alerts), func(x alerting.AlertStatus) bool { return x.State != alerting.Firing })...)
		}
	}
	var failures []Failure
	for _, want := range a.Expected {
		ls := labels.NewBuilder(labels.FromMap(want.Labels)).Set("alertname", a.Alertname).Labels()
		i := slices.IndexFunc(firing, func(x alerting.AlertStatus) bool { return labels.Equal(x.Labels, ls) })
		if i < 0 {
			failures = append(failures, a.failure(name, fmt.Sprintf("expected %s, firing is %s", ls, show(firing))))
			continue
		}
		if diff := want.differs(firing[i]); diff != "" {
			failures = append(failures, a.failure(name, ls.String()+": "+diff))
		}
		firing = slices.Delete(firing, i, i+1)
	}
	if len(firing) > 0 {
		failures = append(failures, a.failure(name, "firing but not expected: "+show(firing)))
	}
	return failures
}

func (a *alertTest) failure(test, message string) Failure {
	return Failure{Test: test, Alert: a.Alertname, At: time.Duration(a.EvalTime), Message: message}
}

// differs says how an alert differs from what is expected of its annotations and its value, or "".
func (x *expected) differs(got alerting.AlertStatus) string {
	for name, want := range x.Annotations {
		if g := got.Annotations.Get(name); g != want {
			return fmt.Sprintf("the annotation %s is %q, expected %q", name, g, want)
		}
	}
	if x.Value != nil {
		if v, err := strconv.ParseFloat(got.Value, 64); err != nil || v != *x.Value {
			return fmt.Sprintf("the value is %s, expected %v", got.Value, *x.Value)
		}
	}
	return ""
}

func show(alerts []alerting.AlertStatus) string {
	if len(alerts) == 0 {
		return "nothing"
	}
	out := make([]string, len(alerts))
	for i, a := range alerts {
		out[i] = a.Labels.String()
	}
	return strings.Join(out, ", ")
}

var errFailed = errors.New("rule tests have failed")

// Failed joins failures to one error, or returns nil where there are none.
func Failed(failures []Failure) error {
	if len(failures) == 0 {
		return nil
	}
	errs := []error{errFailed}
	for _, f := range failures {
		errs = append(errs, errors.New(f.String()))
	}
	return errors.Join(errs...)
}
