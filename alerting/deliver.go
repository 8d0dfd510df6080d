package alerting

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

// minValid and maxValid bound the time that a firing alert is announced for.
const (
	minValid = 5 * time.Minute
	maxValid = 4 * time.Hour
)

// place of an alert in a state.
type place struct{ rule, alert int }

// deliveries is how many groups are told at once.
const deliveries = 16

// deliverAll sends the alerts of all groups, once all of them were evaluated: an Alertmanager that does not answer must not keep rules from
// being evaluated. It returns true where some could not be told.
func (e *Evaluator) deliverAll(ctx context.Context, outcomes []outcome) (unheard bool) {
	var g errgroup.Group
	g.SetLimit(deliveries)
	for i := range outcomes {
		if o := &outcomes[i]; o.run != nil {
			g.Go(func() error {
				o.summary.Notified, o.err = e.deliver(ctx, o.run, o.owedOnly)
				return nil
			})
		}
	}
	_ = g.Wait() // the functions return no error
	return slices.ContainsFunc(outcomes, func(o outcome) bool { return o.run != nil && o.err != nil })
}

// deliver sends the alerts of the committed state: every firing one and those that have resolved lately, or, for a group that was not
// due, only those that are owed. What was accepted is remembered by another swap; should that be lost, it is sent once more.
// It returns how many alerts were accepted.
func (e *Evaluator) deliver(ctx context.Context, r *run, owedOnly bool) (int, error) {
	if e.opts.Notifier == nil {
		return 0, nil
	}
	var places []place
	var alerts []Notification
	for i, rs := range r.state.Rules {
		for j := range rs.Alerts {
			a := &rs.Alerts[j]
			if owedOnly && !a.owed() || !a.toTell(r.scheduled) {
				continue
			}
			places = append(places, place{i, j})
			alerts = append(alerts, e.notification(r, rs.Key, a))
		}
	}
	if len(alerts) == 0 {
		return 0, nil
	}
	accepted, err := e.opts.Notifier.Notify(ctx, alerts)
	next, n := told(r.state, places, accepted)
	if next != nil {
		next.Run = e.opts.NewID()
		if swapErr := e.swap(ctx, r, next); swapErr != nil && !errors.Is(swapErr, ErrLost) {
			err = errors.Join(err, swapErr)
		}
	}
	return n, err
}

// notification announces a firing alert for four intervals, or four times the pause that there was: two evaluations may fail before
// an Alertmanager takes it for resolved.
func (e *Evaluator) notification(r *run, key string, a *Alert) Notification {
	n := Notification{Labels: a.Labels, Annotations: a.Annotations, StartsAt: a.FiredAt}
	if i := slices.Index(r.g.keys, key); i >= 0 {
		n.Expr = r.g.Rules[i].Expr
	}
	if a.Phase == Resolved {
		n.Resolved, n.EndsAt = true, a.ResolvedAt
	} else {
		n.EndsAt = r.scheduled.Add(max(minValid, 4*e.interval(r.g), min(maxValid, 4*r.pause)))
	}
	return n
}

// told returns a copy of the state in which accepted alerts are marked, or nil where that changes nothing, and the number accepted.
func told(s *State, places []place, accepted []bool) (*State, int) {
	n, changed := 0, false
	next := *s
	next.Sequence++
	next.Rules = slices.Clone(s.Rules)
	for i, p := range places {
		if i >= len(accepted) || !accepted[i] {
			continue
		}
		n++
		rs := &next.Rules[p.rule]
		if rs.Alerts[p.alert].Told == rs.Alerts[p.alert].Phase {
			continue
		}
		if &rs.Alerts[0] == &s.Rules[p.rule].Alerts[0] {
			rs.Alerts = slices.Clone(rs.Alerts)
		}
		rs.Alerts[p.alert].Told = rs.Alerts[p.alert].Phase
		changed = true
	}
	if !changed {
		return nil, n
	}
	return &next, n
}

// SourceURL returns where an alert came from: the query of its rule at the external URL, or "" without one.
func SourceURL(external *url.URL, expr string) string {
	if external == nil || external.Host == "" || expr == "" {
		return ""
	}
	u := external.JoinPath("api/v1/query")
	u.RawQuery = url.Values{"query": {expr}}.Encode()
	return u.String()
}
