package ruletest

import (
	"context"
	"iter"
	"strconv"
	"time"

	"lethe/alerting"
	"lethe/alerting/rulefile"
	"lethe/internal/layout"
	"lethe/letheql"
)

// world is the store and the arrivals of a test: each line is an object of its own.
type world struct {
	now     time.Time
	lines   []line
	arrived alerting.Memory
	states  map[string][]byte
	tags    map[string]int
}

var (
	_ alerting.Store    = (*world)(nil)
	_ alerting.Arrivals = (*world)(nil)
)

// moveTo sets the clock; what has arrived by then can be read.
func (w *world) moveTo(now time.Time) {
	w.now = now
	w.arrived.Reset()
	for _, l := range w.lines {
		if !l.arrives.After(now) {
			w.arrived.Add(l.KindRow)
		}
	}
}

// Load implements alerting.Store.
func (w *world) Load(_ context.Context, hash string) ([]byte, string, error) {
	return w.states[hash], strconv.Itoa(w.tags[hash]), nil
}

// Swap implements alerting.Store.
func (w *world) Swap(_ context.Context, hash string, body []byte, tag string) (string, error) {
	if tag != strconv.Itoa(w.tags[hash]) {
		return "", alerting.ErrLost
	}
	w.states[hash] = body
	w.tags[hash]++
	return strconv.Itoa(w.tags[hash]), nil
}

// View implements alerting.Arrivals.
func (w *world) View(context.Context, []rulefile.Scope) (alerting.View, error) { return view{w}, nil }

type view struct{ *world }

func arrival(i int, l line) alerting.Arrival {
	t := layout.Target{Kind: l.Kind, Name: l.Namespace}
	if l.Kind == layout.Node {
		t.Name = l.Node
	}
	return alerting.Arrival{Key: strconv.Itoa(i), Target: t}
}

// Arrived implements alerting.View.
func (v view) Arrived() iter.Seq[alerting.Arrival] {
	return func(yield func(alerting.Arrival) bool) {
		for i, l := range v.lines {
			if !l.arrives.After(v.now) && !yield(arrival(i, l)) {
				return
			}
		}
	}
}

// Window implements alerting.View.
func (v view) Window() letheql.Source { return &v.arrived }

// Late implements alerting.View.
func (v view) Late(_ context.Context, q alerting.LateSelect) iter.Seq2[alerting.KindRow, error] {
	return func(yield func(alerting.KindRow, error) bool) {
		for i, l := range v.lines {
			age := l.arrives.UnixNano() - l.Time
			if l.arrives.After(v.now) || q.Seen(arrival(i, l)) || l.Time > q.Through || age > int64(q.MaxAge) {
				continue
			}
			if !yield(l.KindRow, nil) {
				return
			}
		}
	}
}
