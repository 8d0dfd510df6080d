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

// oneByOne lets several goroutines use a world.
type oneByOne struct {
	Store
	Notifier
	Engine
	mu sync.Mutex
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

func (o *oneByOne) Lines(ctx context.Context, src letheql.Source, query string, start, end int64) iter.Seq2[record.Row, error] {
	return func(yield func(record.Row, error) bool) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.Engine.Lines(ctx, src, query, start, end)(yield)
	}
}

// fiveGroups returns an evaluator of the groups g0 to g4, one after the other, each with the rule of the same name.
func fiveGroups(t *testing.T, w *world, n Notifier) (harness, *oneByOne) {
	t.Helper()
	e := w.evaluator(t, nil)
	o := &oneByOne{Store: e.opts.Store, Notifier: n, Engine: e.opts.Engine}
	e.opts.Concurrency, e.opts.NewID = 1, rand.Text
	e.opts.Store, e.opts.Notifier, e.opts.Engine = o, o, o
	var groups []rulefile.Group
	for i := range 5 {
		name := fmt.Sprint("g", i)
		groups = append(groups, rulefile.Group{File: "f.yml", Name: name, Rules: []rulefile.Rule{logRule(name)}})
	}
	if err := e.Reload(groups); err != nil {
		t.Fatal(err)
	}
	return e, o
}

// deaf is an Alertmanager that keeps everybody waiting until all groups were read, and then takes nothing.
type deaf struct {
	read  *sync.WaitGroup
	mu    sync.Mutex
	asked int
}

func (d *deaf) Notify(_ context.Context, alerts []Notification) ([]bool, error) {
	d.read.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked++
	return make([]bool, len(alerts)), errInjected
}

// reads is an engine that calls a function before each query.
type reads struct {
	Engine
	before func(ctx context.Context, query string) error
}

func (r *reads) Lines(ctx context.Context, src letheql.Source, query string, start, end int64) iter.Seq2[record.Row, error] {
	return func(yield func(record.Row, error) bool) {
		if err := r.before(ctx, query); err != nil {
			yield(record.Row{}, err)
			return
		}
		r.Engine.Lines(ctx, src, query, start, end)(yield)
	}
}

// An Alertmanager that does not answer keeps no rule from being evaluated, and while windows are caught up with it is asked once.
func TestNobodyWaitsForAnAlertmanager(t *testing.T) {
	w := newWorld()
	d := &deaf{read: &sync.WaitGroup{}}
	e, o := fiveGroups(t, w, nil)
	e.opts.Notifier = d
	e.run(t, w, 0)
	seen := map[string]bool{}
	e.opts.Engine = &reads{o, func(_ context.Context, query string) error {
		if !seen[query] {
			seen[query] = true
			d.read.Done()
		}
		return nil
	}}
	d.read.Add(5)
	for i := range 4 {
		w.put(i, line(float64(i*50+1), fmt.Sprint(i)))
	}
	w.now = at(200)
	sum, err := e.Run(t.Context(), w.now)
	if !errors.Is(err, errInjected) || sum.Groups != 5 || sum.Behind != 0 || d.asked != 5 {
		t.Errorf("%+v, %v, asked %d times", sum, err, d.asked)
	}
	// What is owed is told by the next run that finds somebody who listens.
	o.Notifier, e.opts.Notifier = newInbox(w), o
	w.now = at(201)
	if sum, err := e.Run(t.Context(), w.now); err != nil || sum.Notified != 5*4 {
		t.Errorf("%+v, %v", sum, err)
	}
}

// A group whose evaluation takes as long as it may does not keep the alerts of others back, nor those of groups behind it from being told
// before the deadline.
func TestNobodyWaitsForASlowGroup(t *testing.T) {
	w := newWorld()
	in := newInbox(w)
	e, o := fiveGroups(t, w, in)
	e.run(t, w, 0)
	w.put(0, line(0.5, "x"))
	told := make(chan struct{}, 5)
	w.hook = func(op string) error {
		if op == "notified" {
			told <- struct{}{}
		}
		return nil
	}
	e.opts.Engine = &reads{o, func(ctx context.Context, query string) error {
		if query != "g4" {
			return nil
		}
		for range 4 { // the others are told while this one is evaluated
			select {
			case <-told:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return errInjected
	}}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	e.opts.Now = time.Now
	w.now = at(2)
	if sum, err := e.Run(ctx, w.now); err != nil || sum.Notified != 4 || sum.RulesFailed != 1 {
		t.Errorf("%+v, %v", sum, err)
	}
}

// Evaluating ends before the deadline, so that there is time left to tell what was found.
func TestTimeIsLeftToTell(t *testing.T) {
	w := newWorld()
	e, o := fiveGroups(t, w, newInbox(w))
	e.run(t, w, 0)
	w.put(0, line(0.5, "x"))
	e.opts.Now = time.Now
	begun := time.Now()
	ctx, cancel := context.WithDeadline(t.Context(), begun.Add(time.Hour))
	defer cancel()
	var until []time.Time
	e.opts.Engine = &reads{o, func(ctx context.Context, _ string) error {
		d, _ := ctx.Deadline()
		until = append(until, d)
		return nil
	}}
	var telling time.Time
	e.opts.Notifier = notifyFunc(func(ctx context.Context, alerts []Notification) ([]bool, error) {
		o.mu.Lock()
		defer o.mu.Unlock()
		telling, _ = ctx.Deadline()
		return o.Notifier.Notify(ctx, alerts)
	})
	w.now = at(2)
	if _, err := e.Run(ctx, w.now); err != nil {
		t.Fatal(err)
	}
	if len(until) == 0 || !until[0].Equal(begun.Add(time.Hour-maxReserve)) || !telling.Equal(begun.Add(time.Hour)) {
		t.Errorf("evaluated until %v, told until %v, begun %v", until, telling, begun)
	}
	for left, reserve := range map[time.Duration]time.Duration{4 * time.Second: time.Second, -time.Second: 0} {
		e.opts.Now = func() time.Time { return begun.Add(time.Hour - left) }
		short, cancel := e.beforeDelivery(ctx)
		if d, _ := short.Deadline(); !d.Equal(begun.Add(time.Hour - reserve)) {
			t.Errorf("%s before the deadline: evaluated until %v, begun %v", left, d, begun)
		}
		cancel()
	}
}

type notifyFunc func(ctx context.Context, alerts []Notification) ([]bool, error)

func (f notifyFunc) Notify(ctx context.Context, alerts []Notification) ([]bool, error) {
	return f(ctx, alerts)
}

// An alert that fires is announced until after it is told, however long its evaluation took or however late it was called for.
func TestEndIsAheadWhenItIsTold(t *testing.T) {
	w := newWorld()
	var ends []time.Time
	e := w.evaluator(t, notifyFunc(func(_ context.Context, alerts []Notification) ([]bool, error) {
		for _, a := range alerts {
			ends = append(ends, a.EndsAt)
		}
		return make([]bool, len(alerts)), nil
	}), logRule("r"))
	e.run(t, w, 0)
	w.put(0, line(0.5, "x"))
	// In time, after a pause of two minutes; and late, when it is told once more what was not taken.
	for _, tc := range []struct{ now, end float64 }{{2, 2 + 4*2}, {20, 20 + 5}} {
		w.now = at(tc.now)
		if _, err := e.Run(t.Context(), at(2)); err != nil {
			t.Fatal(err)
		}
		if len(ends) != 1 || !ends[0].Equal(at(tc.end)) {
			t.Errorf("told at minute %v: announced until %v, want %v", tc.now, ends, at(tc.end))
		}
		ends = nil
	}
}

// An Alertmanager that has no time for all alerts is told first of what nobody knows yet, and over time of all that fire.
func TestWhatIsOwedComesFirst(t *testing.T) {
	w := newWorld()
	told, resolved := map[string]int{}, map[string]int{}
	e := w.evaluator(t, notifyFunc(func(_ context.Context, alerts []Notification) ([]bool, error) {
		accepted := make([]bool, len(alerts))
		for i, a := range alerts[:min(3, len(alerts))] {
			accepted[i] = true
			if k := a.Labels.Get("container"); a.Resolved {
				resolved[k]++
			} else {
				told[k]++
			}
		}
		return accepted, nil
	}), logRule("r"))
	e.run(t, w, 0)
	const alerts = 20
	again := func(from int, minute float64) {
		for i := from; i < alerts; i++ {
			w.put(len(w.objects), line(minute-1, fmt.Sprint(i)))
		}
		e.run(t, w, minute)
	}
	for minute := 1; minute <= 7; minute++ {
		again(0, float64(minute))
		if len(told) != min(alerts, 3*minute) {
			t.Fatalf("after %d runs %d alerts were told", minute, len(told))
		}
	}
	for minute := 8; minute <= 60; minute++ {
		again(0, float64(minute))
	}
	for k, n := range told {
		if n < 3 {
			t.Errorf("the alert of %s was told %d times in an hour", k, n)
		}
	}
	// Two end, while others fire on.
	for minute := 61; minute <= 67; minute++ {
		again(2, float64(minute))
	}
	if len(resolved) != 2 {
		t.Errorf("%d alerts were told as resolved, of two that have", len(resolved))
	}
}

// While the store is down, what fires is told again from memory, so that no Alertmanager takes it for resolved; nothing is told as resolved, and nothing
// for ever.
func TestStoreDownRemindsOfAlerts(t *testing.T) {
	w := newWorld()
	var until time.Time
	told := 0
	e := w.evaluator(t, notifyFunc(func(_ context.Context, alerts []Notification) ([]bool, error) {
		accepted := make([]bool, len(alerts))
		for i, a := range alerts {
			if a.Resolved {
				t.Errorf("%s: %s is told as resolved", w.now, a.Labels)
			}
			accepted[i], until = true, a.EndsAt
			told++
		}
		return accepted, nil
	}), logRule("r"))
	e.run(t, w, 0)
	w.put(0, line(0.5, "x"))
	e.run(t, w, 2)
	w.hook = func(op string) error {
		if op == "load" {
			return errInjected
		}
		return nil
	}
	for minute := 3; minute < 63; minute++ {
		if w.now = at(float64(minute)); until.Before(w.now) {
			t.Fatalf("%s: the alert has ended at %s", w.now, until)
		}
		if sum, err := e.Run(t.Context(), w.now); !errors.Is(err, errInjected) || sum.Failed != 1 {
			t.Fatalf("%+v, %v", sum, err)
		}
	}
	w.now = at(6 * 60)
	before := told
	if _, err := e.Run(t.Context(), w.now); !errors.Is(err, errInjected) || told != before {
		t.Errorf("after six hours %d alerts were told from memory, %v", told-before, err)
	}
	if err := e.Reload(nil); err != nil || len(e.known) != 0 {
		t.Errorf("%d groups that are gone are remembered, %v", len(e.known), err)
	}
}

// broken are ways in which the evaluation of a group fails: each runs it once and returns its error.
var broken = map[string]func(ctx context.Context, w *world, e harness) error{
	"the swap is refused": func(ctx context.Context, w *world, e harness) error {
		w.hook = only("swap", errInjected)
		_, err := e.Run(ctx, w.now)
		return err
	},
	"the time is up": func(ctx context.Context, w *world, e harness) error {
		ended, cancel := context.WithCancel(ctx)
		cancel()
		e.opts.Engine = &reads{e.port, func(ctx context.Context, _ string) error { return ctx.Err() }}
		t := e.newTeller(ctx)
		o := e.round(ended, e.current(), w.now, t.tell)
		t.wait()
		return o[0].err
	},
	"objects are gone, and the state cannot be read again": func(ctx context.Context, w *world, e harness) error {
		loads := 0
		w.hook = func(op string) error {
			if op == "load" {
				if loads++; loads > 1 {
					return errInjected
				}
			}
			return nil
		}
		e.opts.Engine = &reads{e.port, func(context.Context, string) error { return ErrGone }}
		_, err := e.Run(ctx, w.now)
		return err
	},
	"the state is ahead of the clock": func(ctx context.Context, w *world, e harness) error {
		clear(e.known) // by another process
		e.opts.Now = func() time.Time { return w.now.Add(-time.Hour) }
		_, err := e.Run(ctx, w.now.Add(-time.Hour))
		return err
	},
}

// only returns a hook that fails one operation.
func only(op string, err error) func(string) error {
	return func(o string) error {
		if o == op {
			return err
		}
		return nil
	}
}

// However the evaluation of a group fails, what fires is told again before an Alertmanager takes it for resolved, and what is owed is told.
func TestFailedEvaluationsRemindOfAlerts(t *testing.T) {
	for name, run := range broken {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			listens := true
			until := map[string]time.Time{}
			e := w.evaluator(t, notifyFunc(func(_ context.Context, alerts []Notification) ([]bool, error) {
				accepted := make([]bool, len(alerts))
				for i, a := range alerts {
					if accepted[i] = listens; listens {
						until[a.Labels.Get("container")] = a.EndsAt
					}
				}
				return accepted, nil
			}), logRule("r"))
			e.run(t, w, 0)
			w.put(0, line(0.5, "told"))
			e.run(t, w, 2)
			listens = false
			w.put(1, line(1.5, "owed"))
			e.run(t, w, 3)
			if len(until) != 1 {
				t.Fatalf("%v was told", until)
			}
			listens = true
			for minute := 4; minute < 34; minute++ {
				w.now = at(float64(minute))
				if err := run(t.Context(), w, e); err == nil {
					t.Fatal("the group was evaluated")
				}
				for _, alert := range []string{"told", "owed"} {
					if now := e.opts.Now(); !until[alert].After(now) {
						t.Fatalf("%s: the alert that was %s has ended at %s", now, alert, until[alert])
					}
				}
			}
		})
	}
}
