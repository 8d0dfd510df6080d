package alerting

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
)

// keepResolved is how long a resolved alert is remembered and told again, so that an Alertmanager that was away learns of it.
const keepResolved = 15 * time.Minute

// maxOwed is how long an alert waits for an Alertmanager to accept it before it resolves untold.
const maxOwed = 24 * time.Hour

// Errors of a rule's evaluation.
var (
	// ErrLimit: the rule has more active alerts than its group allows.
	ErrLimit = errors.New("more alerts than the limit")
	// ErrDuplicate: two samples have the same labels once the rule's labels are set.
	ErrDuplicate = errors.New("two results have the same labels after the rule's labels are set")
)

// result is one alert that a rule's query asks for.
type result struct {
	labels      labels.Labels
	annotations labels.Labels
	value       float64
}

// timing is what decides about an alert's phase.
type timing struct {
	now      time.Time
	hold     time.Duration // the rule's for
	keep     time.Duration // the rule's keep_firing_for
	limit    int           // 0 is none
	owedOnly bool          // an alert resolves only after its firing was told
}

// advance returns the alerts of a rule after an evaluation that gave results. It does not change prev, and returns ErrLimit with prev to
// be kept where too many would be active.
func advance(prev []Alert, results []result, t timing) ([]Alert, error) {
	asked := make(map[uint64]bool, len(results))
	index := make(map[uint64]int, len(prev))
	next := slices.Clone(prev)
	for i, a := range next {
		index[a.Labels.Hash()] = i
	}
	for _, r := range results {
		h := r.labels.Hash()
		asked[h] = true
		i, ok := index[h]
		if !ok {
			i = len(next)
			next = append(next, Alert{Phase: Resolved})
			index[h] = i
		}
		a := &next[i]
		if a.Phase == Resolved {
			*a = Alert{Labels: r.labels, Phase: Pending, ActiveAt: t.now}
		}
		a.Value, a.Annotations, a.KeepSince = model.SampleValue(r.value), r.annotations, time.Time{}
	}
	out := next[:0]
	active := 0
	for _, a := range next {
		if a, ok := step(a, asked[a.Labels.Hash()], t); ok {
			out = append(out, a)
			if a.Phase != Resolved {
				active++
			}
		}
	}
	if t.limit > 0 && active > t.limit {
		return prev, fmt.Errorf("%w: %d, the limit is %d", ErrLimit, active, t.limit)
	}
	slices.SortFunc(out, func(a, b Alert) int { return labels.Compare(a.Labels, b.Labels) })
	return out, nil
}

// step moves one alert on; false drops it.
func step(a Alert, asked bool, t timing) (Alert, bool) {
	switch {
	case a.Phase == Resolved:
		return a, !forgotten(a, t)
	case asked:
		return hold(a, t), true
	case a.Phase == Pending:
		return a, false
	case t.owedOnly && a.Told != Firing && t.now.Sub(a.FiredAt) < maxOwed:
		return a, true
	}
	if a.KeepSince.IsZero() {
		a.KeepSince = t.now
	}
	if t.now.Sub(a.KeepSince) < t.keep {
		return a, true
	}
	a.Phase, a.ResolvedAt = Resolved, t.now
	return a, true
}

// hold decides between pending and firing; a rule's longer for turns a firing alert back to pending.
func hold(a Alert, t timing) Alert {
	held := t.now.Sub(a.ActiveAt) >= t.hold
	switch {
	case a.Phase == Pending && held:
		a.Phase, a.FiredAt = Firing, t.now
	case a.Phase == Firing && !held:
		a.Phase, a.FiredAt, a.Told = Pending, time.Time{}, ""
	}
	return a
}

func forgotten(a Alert, t timing) bool {
	since := t.now.Sub(a.ResolvedAt)
	return since > maxOwed || since > keepResolved && !a.owed()
}

// owed reports whether the outbox holds the alert.
func (a *Alert) owed() bool {
	return a.Phase == Firing && a.Told != Firing || a.Phase == Resolved && a.Told == Firing
}

// toTell reports whether the alert is sent after an evaluation: every firing one, and resolved ones for a while. One that resolved
// before anybody was told of it is told as resolved all the same.
func (a *Alert) toTell(now time.Time) bool {
	return a.Phase == Firing || a.Phase == Resolved && (a.owed() || now.Sub(a.ResolvedAt) <= keepResolved)
}
