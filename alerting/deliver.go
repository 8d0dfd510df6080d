package alerting

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// minValid and maxValid bound the time that a firing alert is announced for.
const (
	minValid = 5 * time.Minute
	maxValid = 4 * time.Hour
)

// maxRemind bounds how long alerts are told from memory while the state cannot be read: another evaluator that reaches the store
// may have resolved them.
const maxRemind = maxValid

// known is what was read last of a group's state.
type known struct {
	rules     []RuleState
	evaluated time.Time
}

// remember keeps the alerts of a state that was read or swapped.
func (e *Evaluator) remember(hash string, s *State) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.known[hash] = known{s.Rules, s.Evaluated}
}

// remembered returns a run that reminds Alertmanagers of what fires, for a group whose state cannot be read: without it they would take the alerts for
// resolved because the store is down. It is nil where nothing is known, or nothing that is new enough.
func (e *Evaluator) remembered(g *group, scheduled time.Time) *run {
	e.mu.Lock()
	defer e.mu.Unlock()
	k, ok := e.known[g.hash]
	if !ok || scheduled.Sub(k.evaluated) > maxRemind {
		return nil
	}
	return &run{g: g, scheduled: scheduled, state: &State{Evaluated: k.evaluated, Rules: k.rules}, reminder: true}
}

// place of an alert in a state.
type place struct{ rule, alert int }

// deliveries is how many groups are told at once.
const deliveries = 16

// maxReserve bounds the time before a deadline that is left for telling, which is a quarter of what there is at most.
const maxReserve = 10 * time.Second

// beforeDelivery ends a context early enough for what was evaluated by then to be told.
func (e *Evaluator) beforeDelivery(ctx context.Context) (context.Context, context.CancelFunc) {
	at, ok := ctx.Deadline()
	if !ok || e.opts.Notifier == nil {
		return context.WithCancel(ctx)
	}
	reserve := max(0, min(maxReserve, at.Sub(e.opts.Now())/4))
	return context.WithDeadline(ctx, at.Add(-reserve))
}

// teller delivers what groups have found while others are evaluated. Neither waits for the other: a group that takes long must not keep
// the alerts of others back, nor may an Alertmanager that does not answer keep rules from being evaluated.
type teller struct {
	deliver func(o *outcome) error
	slots   chan struct{}
	wg      sync.WaitGroup
	unheard atomic.Bool
}

func (e *Evaluator) newTeller(ctx context.Context) *teller {
	return &teller{slots: make(chan struct{}, deliveries), deliver: func(o *outcome) (err error) {
		o.summary.Notified, err = e.deliver(ctx, o.run, o.owedOnly)
		return err
	}}
}

// tell does not wait; until wait has returned, the outcome belongs to the teller.
func (t *teller) tell(o *outcome) {
	if o.run == nil {
		return
	}
	t.wg.Go(func() {
		t.slots <- struct{}{}
		defer func() { <-t.slots }()
		if err := t.deliver(o); err != nil {
			o.err = errors.Join(o.err, err)
			t.unheard.Store(true)
		}
	})
}

// wait returns once all was told, and true where some could not be.
func (t *teller) wait() (unheard bool) {
	t.wg.Wait()
	return t.unheard.Load()
}

// deliver sends the alerts of the committed state, be it that of this run or, where that failed, of the last one: every firing one and those that have resolved lately, or, for a group that was not
// due, only those that are owed. What was accepted is remembered by another swap; should that be lost, it is sent once more.
// It returns how many alerts were accepted.
func (e *Evaluator) deliver(ctx context.Context, r *run, owedOnly bool) (int, error) {
	if e.opts.Notifier == nil {
		return 0, nil
	}
	places := r.toTell(owedOnly)
	if len(places) == 0 {
		return 0, nil
	}
	alerts := make([]Notification, len(places))
	for i, p := range places {
		rs := &r.state.Rules[p.rule]
		alerts[i] = e.notification(r, rs.Key, &rs.Alerts[p.alert])
	}
	accepted, err := e.opts.Notifier.Notify(ctx, alerts)
	next, n := told(r.state, places, accepted)
	if next != nil && !r.reminder {
		next.Run = e.opts.NewID()
		if swapErr := e.swap(ctx, r, next); swapErr != nil && !errors.Is(swapErr, ErrLost) {
			err = errors.Join(err, swapErr)
		}
	}
	return n, err
}

// toTell returns where the alerts are that are told after the run, those that matter most first: where an Alertmanager has no time for all of them,
// nobody knows yet of those that are owed, those that fire are taken for resolved after a while, and resolved ones are told again only in case. Among equals
// the order is another one each time, so that it is not always the same ones that are left.
func (r *run) toTell(owedOnly bool) []place {
	var places []place
	for i, rs := range r.state.Rules {
		for j := range rs.Alerts {
			if a := &rs.Alerts[j]; a.toTell(r.scheduled) && (a.owed() || !owedOnly) && (a.Phase == Firing || !r.reminder) {
				places = append(places, place{i, j})
			}
		}
	}
	rank := func(p place) int {
		switch a := &r.state.Rules[p.rule].Alerts[p.alert]; {
		case a.owed():
			return 0
		case a.Phase == Firing:
			return 1
		}
		return 2
	}
	order := rand.New(rand.NewPCG(uint64(r.scheduled.UnixNano()), 0)) //nolint:gosec // an order is no secret
	order.Shuffle(len(places), func(i, j int) { places[i], places[j] = places[j], places[i] })
	slices.SortStableFunc(places, func(a, b place) int { return rank(a) - rank(b) })
	return places
}

// notification announces a firing alert for four intervals, or four times the pause that there was: two evaluations may fail before
// an Alertmanager takes it for resolved. The time runs from now where that is after the scheduled time: an evaluation that took long, or a
// platform that called late, must not announce an alert whose end is over.
func (e *Evaluator) notification(r *run, key string, a *Alert) Notification {
	n := Notification{Labels: a.Labels, Annotations: a.Annotations, StartsAt: a.FiredAt}
	if i := slices.Index(r.g.keys, key); i >= 0 {
		n.Expr = r.g.Rules[i].Expr
	}
	if a.Phase == Resolved {
		n.Resolved, n.EndsAt = true, a.ResolvedAt
	} else {
		from := r.scheduled
		if now := e.opts.Now(); now.After(from) {
			from = now
		}
		n.EndsAt = from.Add(max(minValid, 4*e.interval(r.g), min(maxValid, 4*r.pause)))
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
