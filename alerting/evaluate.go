package alerting

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"lethe/alerting/rulefile"
	"lethe/letheql"
)

// gapKey is the key of the rule that a group has while it may have missed late lines.
const gapKey = "\x00gap"

// GapAlert is the name of the alert that fires after a pause longer than Options.HoldMax, and when a raw object is found to have been
// deleted unseen: lines in what arrived meanwhile that were late for their window may not be counted.
const GapAlert = "LetheAlertingGap"

// keepGap is how long a GapAlert fires.
const keepGap = time.Hour

// run is one evaluation of a group that goes on.
type run struct {
	g         *group
	scheduled time.Time
	state     *State
	tag       string
	// pause since the last evaluation; 0 where there was none.
	pause time.Duration
	// final: this try is the last one of the run. An object that is gone then has not been deleted under it: it is missing.
	final bool
	// reminder: the state is one that was read before, for it cannot be read now. What fires in it is told again, and nothing is swapped.
	reminder bool
	// due: the group is to be evaluated, not only its outbox to be delivered.
	due bool
	// source is what its metric rules read, unless sourceErr says why there is nothing to read.
	source    letheql.Source
	sourceErr error
}

// evaluation is the result of evaluating a group.
type evaluation struct {
	next *State
	// failed rules, with their errors.
	failed int
	faults []ruleFault
	late   int
	behind bool
	// gap: late lines may have been missed, by rules that go on or by rules that are stuck; passed: by rules that go on.
	gap, passed bool
}

type ruleFault struct {
	rule string
	err  error
}

// fatal reports whether an error ends a try to evaluate the group, rather than the evaluation of a rule.
func (r *run) fatal(ctx context.Context, err error) bool {
	return ctx.Err() != nil || !r.final && errors.Is(err, ErrGone)
}

// evaluate evaluates all rules of a group and returns the state to swap. It fails only where the run must end without a swap; what
// fails for one rule is in its state, and its window is evaluated again.
func (e *Evaluator) evaluate(ctx context.Context, r *run, v View, viewErr error) (*evaluation, error) {
	ev := &evaluation{next: r.state.successor(e.opts.NewID(), r.scheduled)}
	ev.next.Interval, ev.next.Limit = e.interval(r.g).Seconds(), r.g.Limit
	if r.source, r.sourceErr = e.opts.Source, viewErr; v != nil {
		r.source = v.Window()
	}
	counts := map[string]*counter{}
	if len(r.g.scopes) > 0 {
		var err error
		if counts, err = e.countLines(ctx, r, v, viewErr, ev); err != nil {
			return nil, err
		}
	}
	x := &expander{now: r.scheduled, external: e.opts.ExternalLabels, url: e.opts.ExternalURL, query: e.templateQuery}
	for i := range r.g.Rules {
		rs, err := e.rule(ctx, r, i, counts[r.g.keys[i]], x)
		if err != nil && r.fatal(ctx, err) {
			return nil, err
		}
		if err != nil {
			ev.failed++
			ev.faults = append(ev.faults, ruleFault{r.g.Rules[i].Alert, err})
		}
		ev.next.Rules = append(ev.next.Rules, rs)
	}
	if gap, ok := e.gapRule(r, ev.gap); ok {
		ev.next.Rules = append(ev.next.Rules, gap)
	}
	return ev, nil
}

// rule evaluates one rule. On an error the rule keeps its alerts.
func (e *Evaluator) rule(ctx context.Context, r *run, i int, c *counter, x *expander) (RuleState, error) {
	rule, key := &r.g.Rules[i], r.g.keys[i]
	begun := e.opts.Now()
	prev := r.state.rule(key)
	alerts, err := e.alerts(ctx, r, rule, c, x, prev.Alerts)
	took := e.opts.Now().Sub(begun)
	if c != nil { // its lines were counted before
		took += c.took
	}
	rs := RuleState{Key: key, Rule: infoOf(rule), Health: HealthOK, Evaluated: r.scheduled, Seconds: took.Seconds(), Alerts: alerts}
	if err != nil {
		rs.Health, rs.Error, rs.Alerts = HealthErr, bounded(err.Error(), maxLine), prev.Alerts
	}
	return rs, err
}

func (e *Evaluator) alerts(ctx context.Context, r *run, rule *rulefile.Rule, c *counter, x *expander, prev []Alert) ([]Alert, error) {
	samples, err := e.samples(ctx, r, rule, c)
	if err != nil {
		return nil, err
	}
	results, err := x.results(ctx, rule, samples)
	if err != nil {
		return nil, err
	}
	limit := e.opts.MaxAlerts
	if r.g.Limit > 0 {
		limit = min(limit, r.g.Limit)
	}
	return advance(prev, results, timing{
		now: r.scheduled, hold: rule.For, keep: rule.KeepFiringFor, limit: limit, owedOnly: e.opts.Notifier != nil,
	})
}

func (e *Evaluator) samples(ctx context.Context, r *run, rule *rulefile.Rule, c *counter) ([]sample, error) {
	if rule.Query.Log {
		return c.samples(), c.err
	}
	offset := e.opts.QueryOffset
	if r.g.QueryOffset != nil {
		offset = *r.g.QueryOffset
	}
	if r.sourceErr != nil && len(rule.Query.Scopes) > 0 {
		return nil, r.sourceErr
	}
	vector, err := e.opts.Engine.Vector(ctx, r.source, rule.Expr, r.scheduled.Add(-offset))
	if err != nil {
		return nil, err
	}
	out := make([]sample, len(vector))
	for i, s := range vector {
		out[i] = sample{labels: s.Metric, value: s.F}
	}
	return out, nil
}

// countLines evaluates the log rules of the group, cursor by cursor, and sets the cursors and scopes of the next state.
func (e *Evaluator) countLines(ctx context.Context, r *run, v View, viewErr error, ev *evaluation) (map[string]*counter, error) {
	var logKeys []string
	counts := map[string]*counter{}
	for i, k := range r.g.keys {
		if rule := &r.g.Rules[i]; rule.Query.Log {
			logKeys = append(logKeys, k)
			counts[k] = newCounter(rule, e.opts.MaxAlerts)
		}
	}
	cursors := assign(r.state.Cursors, logKeys)
	if viewErr != nil {
		for _, c := range counts {
			c.err = viewErr
		}
		ev.next.Cursors, ev.next.Scopes = cursors, r.state.Scopes
		return counts, ctx.Err()
	}
	arrived := seenOfView(v, r.g.scopes)
	if len(cursors) == 0 {
		start := r.scheduled.Add(-e.opts.IngestDelay).UnixNano()
		cursors = []Cursor{{Rules: logKeys, Through: start, Evaluated: r.scheduled, Seen: arrived}}
	}
	ev.next.Scopes = scopeStates(r.g.scopes)
	for _, c := range cursors {
		moved, stuck, err := e.cursor(ctx, r, c, v, arrived, counts, ev)
		if err != nil {
			return nil, err
		}
		if len(moved.Rules) > 0 {
			ev.next.Cursors = join(ev.next.Cursors, moved)
		}
		if len(stuck.Rules) > 0 {
			ev.next.Cursors = join(ev.next.Cursors, stuck)
		}
	}
	return counts, nil
}

func seenOfView(v View, scopes []rulefile.Scope) Seen {
	var keys []string
	for a := range v.Arrived() {
		if inScopes(scopes, a.Target) {
			keys = append(keys, a.Key)
		}
	}
	return SeenOf(keys)
}

// cursor evaluates the rules of one cursor. It returns the cursor of those that were evaluated, which has moved to the end of the window,
// and the one of those that have failed, which has not.
func (e *Evaluator) cursor(ctx context.Context, r *run, c Cursor, v View, arrived Seen, counts map[string]*counter, ev *evaluation) (moved, stuck Cursor, err error) {
	end := windowEnd(c.Through, r.scheduled, e.opts.IngestDelay, c.step(e.opts.MaxWindow))
	gap := r.scheduled.Sub(c.Evaluated) > e.opts.HoldMax
	mine := make([]*counter, len(c.Rules))
	for i, k := range c.Rules {
		mine[i] = counts[k]
		if mine[i].err = e.countWindow(ctx, mine[i], v, c.Through, end); mine[i].err != nil && r.fatal(ctx, mine[i].err) {
			return moved, stuck, mine[i].err
		}
	}
	missed, err := e.countLate(ctx, r, c, v, mine, ev)
	if err != nil {
		return moved, stuck, err
	}
	gap = gap || missed > 0
	cut := end < r.scheduled.Add(-e.opts.IngestDelay).UnixNano()
	moved = Cursor{Through: end, Evaluated: r.scheduled, Seen: arrived}
	if cut {
		moved.Step = c.longer(e.opts.MaxWindow)
	}
	stuck = Cursor{Through: c.Through, Evaluated: c.Evaluated, Step: c.shorter(end), Seen: c.Seen}
	for i, k := range c.Rules {
		if mine[i].err == nil || errors.Is(mine[i].err, ErrLimit) {
			moved.Rules = append(moved.Rules, k)
		} else {
			stuck.Rules = append(stuck.Rules, k)
		}
	}
	ev.behind = ev.behind || cut && len(moved.Rules) > 0
	ev.gap, ev.passed = ev.gap || gap, ev.passed || gap && len(moved.Rules) > 0
	return moved, stuck, nil
}

// lateSelect asks for late lines of objects that are new since the cursor's last evaluation. A target that no rule has read before has
// no late lines: its objects were there, but nobody looked.
func (e *Evaluator) lateSelect(r *run, c Cursor) (LateSelect, error) {
	before, err := r.state.scopes()
	if err != nil {
		return LateSelect{}, err
	}
	seen := func(a Arrival) bool {
		return c.Seen.Has(a.Key) || !inScopes(r.g.scopes, a.Target) || len(before) > 0 && !inScopes(before, a.Target)
	}
	return LateSelect{Seen: seen, Through: c.Through, MaxAge: e.opts.Late}, nil
}

// gapRule returns the state of the rule that tells of a gap; false while there is nothing to tell.
func (e *Evaluator) gapRule(r *run, gap bool) (RuleState, bool) {
	prev := r.state.rule(gapKey)
	var results []result
	if gap {
		results = []result{{
			value:  1,
			labels: labels.FromStrings("alertname", GapAlert, "group", r.g.Name, "rulefile", r.g.File, "severity", "warning"),
			annotations: labels.FromStrings("summary",
				"Alert rules were not evaluated for longer than "+e.opts.HoldMax.String()+
					", or raw objects were deleted before they had seen them; lines that arrived late meanwhile may not have been counted."),
		}}
	}
	alerts, err := advance(prev.Alerts, results, timing{now: r.scheduled, keep: keepGap, owedOnly: e.opts.Notifier != nil})
	if err != nil || len(alerts) == 0 {
		return RuleState{}, false
	}
	info := infoOf(&rulefile.Rule{Alert: GapAlert, KeepFiringFor: keepGap})
	return RuleState{Key: gapKey, Rule: info, Health: HealthOK, Evaluated: r.scheduled, Alerts: alerts}, true
}

// rule returns what is remembered of a rule.
func (s *State) rule(key string) RuleState {
	i := slices.IndexFunc(s.Rules, func(r RuleState) bool { return r.Key == key })
	if i < 0 {
		return RuleState{Key: key, Health: HealthUnknown}
	}
	return s.Rules[i]
}

// successor returns the state that a run at the scheduled time swaps in; its rules and cursors are to be set.
func (s *State) successor(id string, scheduled time.Time) *State {
	return &State{Version: Version, Sequence: s.Sequence + 1, Run: id, File: s.File, Group: s.Group, Evaluated: scheduled}
}
