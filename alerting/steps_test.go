package alerting

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"sync"
	"testing"
	"time"

	"lethe/alerting/rulefile"
	"lethe/internal/record"
	"lethe/letheql"
)

// shortSighted is an engine that cannot read windows longer than most.
type shortSighted struct {
	Engine
	most time.Duration
}

func (s *shortSighted) Lines(ctx context.Context, src letheql.Source, query string, start, end int64) iter.Seq2[record.Row, error] {
	if _, late := src.(*Memory); time.Duration(end-start) > s.most && !late {
		return func(yield func(record.Row, error) bool) { yield(record.Row{}, errInjected) }
	}
	return s.Engine.Lines(ctx, src, query, start, end)
}

// A window that takes too long, as after a pause, is tried shorter and shorter until it does not. Each line counts once all the same.
func TestWindowsThatFailGetShorter(t *testing.T) {
	for _, most := range []time.Duration{40 * time.Minute, 7 * time.Minute, 90 * time.Second} {
		w := newWorld()
		e := w.evaluator(t, newInbox(w), logRule("r"))
		h := &shortSighted{e.opts.Engine, time.Hour}
		e.opts.Engine = h
		e.run(t, w, 0)
		want := map[string]int{}
		for i := range 180 {
			w.put(i, line(float64(i), fmt.Sprint("line ", i)))
			want[fmt.Sprint("r line ", i)] = 1
		}
		h.most = most
		runs := 0
		for ; runs < 30 && len(w.counted) < len(want); runs++ {
			e.run(t, w, 200+float64(runs)/2)
		}
		for l := range want {
			if w.counted[l] != 1 {
				t.Fatalf("%s: %q was counted %d times", most, l, w.counted[l])
			}
		}
		s := w.state(t)
		if s.Cursors[0].Step != 0 || s.Rules[0].Health != HealthOK || time.Unix(0, s.Cursors[0].Through).Before(at(195)) {
			t.Errorf("%s: after %d runs %+v", most, runs, s.Cursors[0])
		}
	}
}

// deaf is an Alertmanager that takes nothing, and looks at what was evaluated before it was asked.
type deaf struct {
	w         *world
	mu        sync.Mutex
	asked     int
	evaluated int
}

func (d *deaf) Notify(_ context.Context, alerts []Notification) ([]bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked++
	d.evaluated = len(d.w.states)
	return make([]bool, len(alerts)), errInjected
}

// oneByOne lets several goroutines use a world.
type oneByOne struct {
	Store
	Notifier
	mu *sync.Mutex
}

func (o *oneByOne) Load(ctx context.Context, hash string) ([]byte, string, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.Store.Load(ctx, hash)
}

func (o *oneByOne) Swap(ctx context.Context, hash string, body []byte, tag string) (string, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.Store.Swap(ctx, hash, body, tag)
}

func (o *oneByOne) Notify(ctx context.Context, alerts []Notification) ([]bool, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.Notifier.Notify(ctx, alerts)
}

// An Alertmanager that does not answer keeps no rule from being evaluated: all groups are evaluated before anybody is told, and while windows are
// caught up with it is asked once.
func TestNobodyWaitsForAnAlertmanager(t *testing.T) {
	w := newWorld()
	d := &deaf{w: w}
	e := w.evaluator(t, d, logRule("r"))
	var groups []rulefile.Group
	for i := range 5 {
		groups = append(groups, rulefile.Group{File: "f.yml", Name: fmt.Sprint("g", i), Rules: []rulefile.Rule{logRule("r")}})
	}
	e.opts.Concurrency = 1
	e.opts.Store = &oneByOne{Store: e.opts.Store, mu: &d.mu} // several groups are told at once
	e.opts.NewID = rand.Text
	if err := e.Reload(groups); err != nil {
		t.Fatal(err)
	}
	e.run(t, w, 0)
	for i := range 4 {
		w.put(i, line(float64(i*50+1), fmt.Sprint(i)))
	}
	w.now = at(200)
	sum, err := e.Run(t.Context(), w.now)
	if !errors.Is(err, errInjected) || sum.Groups != 5 || sum.Behind != 0 {
		t.Errorf("%+v, %v", sum, err)
	}
	if d.evaluated != 5 || d.asked != 5 {
		t.Errorf("asked %d times, first after %d groups", d.asked, d.evaluated)
	}
	// What is owed is told by the next run that finds somebody who listens.
	e.opts.Notifier = &oneByOne{Notifier: newInbox(w), mu: &d.mu}
	w.now = at(201)
	if sum, err := e.Run(t.Context(), w.now); err != nil || sum.Notified != 5*4 {
		t.Errorf("%+v, %v", sum, err)
	}
}
