package alerting

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
)

// Status is what is known of rules and their alerts, as Prometheus's HTTP API answers for them at /api/v1/rules. It is read from the states
// in the store, so every process answers the same, whichever evaluates.
type Status struct {
	Groups []GroupStatus `json:"groups"`
	// Next is the token of the first group that a Page has left out.
	Next string `json:"groupNextToken,omitempty"`
	// Warnings of the process that answers, as of rule files that it cannot use.
	Warnings []string `json:"-"`
}

// GroupStatus is a group of Status. Durations are in seconds.
type GroupStatus struct {
	Name           string       `json:"name"`
	File           string       `json:"file"`
	Rules          []RuleStatus `json:"rules"`
	Interval       float64      `json:"interval"`
	Limit          int          `json:"limit"`
	EvaluationTime float64      `json:"evaluationTime"`
	LastEvaluation time.Time    `json:"lastEvaluation"`
}

// RuleStatus is a rule of GroupStatus. Durations are in seconds.
type RuleStatus struct {
	State string `json:"state"`
	RuleInfo
	Alerts         []AlertStatus `json:"alerts"`
	Health         Health        `json:"health"`
	LastError      string        `json:"lastError,omitempty"`
	EvaluationTime float64       `json:"evaluationTime"`
	LastEvaluation time.Time     `json:"lastEvaluation"`
	Type           string        `json:"type"`
}

// AlertStatus is a pending or firing alert.
type AlertStatus struct {
	Labels          labels.Labels `json:"labels"`
	Annotations     labels.Labels `json:"annotations"`
	State           Phase         `json:"state"`
	ActiveAt        time.Time     `json:"activeAt"`
	KeepFiringSince *time.Time    `json:"keepFiringSince,omitempty"`
	Value           string        `json:"value"`
}

// stateNames of a rule: the most urgent of its alerts, or one of these.
const (
	inactive = "inactive"
	unknown  = "unknown"
)

// StatusOf returns the status of groups as their states tell it.
func StatusOf(states []*State) *Status {
	out := &Status{Groups: make([]GroupStatus, len(states))}
	for i, s := range states {
		out.Groups[i] = groupStatus(s)
	}
	return out
}

func groupStatus(s *State) GroupStatus {
	out := GroupStatus{
		Name: s.Group, File: s.File, Interval: s.Interval, Limit: s.Limit, LastEvaluation: s.Evaluated, Rules: make([]RuleStatus, len(s.Rules)),
	}
	for i, rs := range s.Rules {
		out.EvaluationTime += rs.Seconds
		out.Rules[i] = ruleStatus(rs)
	}
	return out
}

// Status reads the states of the evaluator's groups. Where one cannot be read, or this process could not evaluate the group, the health
// of its rules is err, and their alerts are those that Alertmanagers are reminded of.
func (e *Evaluator) Status(ctx context.Context) *Status {
	groups := e.current()
	states := make([]*State, len(groups))
	e.each(groups, func(i int) { states[i] = e.stateOf(ctx, &groups[i]) })
	return StatusOf(states)
}

// stateOf returns the state of a group with all rules that it has now.
func (e *Evaluator) stateOf(ctx context.Context, g *group) *State {
	s, err := e.read(ctx, g)
	if err == nil {
		err = e.faultSince(g, s.Evaluated)
	} else if r := e.remembered(g, e.opts.Now()); r != nil {
		s = r.state
	}
	now := *s
	now.File, now.Group = g.File, g.Name
	now.Interval, now.Limit, now.Rules = e.interval(g).Seconds(), g.Limit, nil
	for i := range g.Rules {
		rs := s.rule(g.keys[i])
		rs.Rule = infoOf(&g.Rules[i])
		if err != nil {
			rs.Health, rs.Error = HealthErr, bounded(err.Error(), maxLine)
		}
		now.Rules = append(now.Rules, rs)
	}
	if gap := s.rule(gapKey); len(gap.Alerts) > 0 {
		now.Rules = append(now.Rules, gap)
	}
	return &now
}

func (e *Evaluator) read(ctx context.Context, g *group) (*State, error) {
	empty := &State{File: g.File, Group: g.Name}
	body, _, err := e.opts.Store.Load(ctx, g.hash)
	if err != nil {
		return empty, fmt.Errorf("load the state: %w", err)
	}
	s, err := decodeState(body, g.File, g.Name)
	if err != nil {
		return empty, err
	}
	return s, nil
}

// faultSince returns why this process could not evaluate the group, unless some process has since.
func (e *Evaluator) faultSince(g *group, evaluated time.Time) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if f, ok := e.faults[g.hash]; ok && f.at.After(evaluated) {
		return f.err
	}
	return nil
}

func ruleStatus(s RuleState) RuleStatus {
	out := RuleStatus{
		State: inactive, RuleInfo: s.Rule, Alerts: []AlertStatus{}, Health: s.Health, LastError: s.Error,
		EvaluationTime: s.Seconds, LastEvaluation: s.Evaluated, Type: "alerting",
	}
	if s.Evaluated.IsZero() {
		out.State = unknown
	}
	for _, a := range s.Alerts {
		if a.Phase == Resolved {
			continue
		}
		if out.State != string(Firing) {
			out.State = string(a.Phase)
		}
		as := AlertStatus{
			Labels: a.Labels, Annotations: a.Annotations, State: a.Phase, ActiveAt: a.ActiveAt,
			Value: strconv.FormatFloat(float64(a.Value), 'e', -1, 64),
		}
		if !a.KeepSince.IsZero() {
			as.KeepFiringSince = &a.KeepSince
		}
		out.Alerts = append(out.Alerts, as)
	}
	return out
}

// Alerts returns all pending and firing alerts, as /api/v1/alerts answers.
func (s *Status) Alerts() []AlertStatus {
	out := []AlertStatus{}
	for _, g := range s.Groups {
		for _, r := range g.Rules {
			out = append(out, r.Alerts...)
		}
	}
	return out
}

// StatusFilter is what the parameters of /api/v1/rules ask for. The zero value asks for everything.
type StatusFilter struct {
	// Rules, Groups and Files are names, any of which may be that of a rule, group or file; none is all.
	Rules, Groups, Files []string
	// Matchers are for the labels that a rule sets, templates as they are written: all of one of the sets must match. No set is all rules.
	Matchers [][]*labels.Matcher
	// Record asks for recording rules, of which there are none.
	Record bool
	// ExcludeAlerts leaves out the alerts.
	ExcludeAlerts bool
}

// Filter returns what f asks for. Groups none of whose rules are asked for are left out, as Prometheus does.
func (s *Status) Filter(f StatusFilter) *Status {
	out := &Status{Groups: []GroupStatus{}, Warnings: s.Warnings}
	has := func(names []string, name string) bool { return len(names) == 0 || slices.Contains(names, name) }
	for _, g := range s.Groups {
		if !has(f.Groups, g.Name) || !has(f.Files, g.File) || f.Record {
			continue
		}
		rules := []RuleStatus{}
		for _, r := range g.Rules {
			if !has(f.Rules, r.Name) || !anyMatches(f.Matchers, r.RuleInfo.Labels) {
				continue
			}
			if f.ExcludeAlerts {
				r.Alerts = []AlertStatus{}
			}
			rules = append(rules, r)
		}
		if g.Rules = rules; len(rules) > 0 {
			out.Groups = append(out.Groups, g)
		}
	}
	slices.SortStableFunc(out.Groups, func(a, b GroupStatus) int {
		return strings.Compare(a.File+"\x00"+a.Name, b.File+"\x00"+b.Name)
	})
	return out
}

func anyMatches(sets [][]*labels.Matcher, ls map[string]string) bool {
	return len(sets) == 0 || slices.ContainsFunc(sets, func(set []*labels.Matcher) bool {
		return !slices.ContainsFunc(set, func(m *labels.Matcher) bool { return !m.Matches(ls[m.Name]) })
	})
}

// Page returns at most limit groups (1 or more), from the one on that a token names, and the token of the one behind them; an empty token is the first
// group. It is false where no group has the token, as after a change of the rules.
func (s *Status) Page(limit int, token string) (*Status, bool) {
	groups := s.Groups
	if token != "" {
		i := slices.IndexFunc(groups, func(g GroupStatus) bool { return g.token() == token })
		if i < 0 {
			return nil, false
		}
		groups = groups[i:]
	}
	out := &Status{Groups: groups, Warnings: s.Warnings}
	if len(groups) > limit {
		out.Groups, out.Next = groups[:limit], groups[limit].token()
	}
	return out, true
}

func (g *GroupStatus) token() string { return StateHash(g.File, g.Name) }
