package alerting

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// run evaluates at a minute of the world and returns what a rule was given so far.
func (h harness) run(t *testing.T, w *world, min float64) map[string]int {
	t.Helper()
	w.now = at(min)
	if _, err := h.Run(t.Context(), w.now); err != nil {
		t.Fatalf("minute %v: %v", min, err)
	}
	return h.lines
}

func TestWindowsTouch(t *testing.T) {
	w := newWorld()
	e := w.evaluator(t, nil, logRule("r"))
	w.put(0, line(-2, "before the group was there"))
	e.run(t, w, 0)
	w.put(1, line(-1, "at the start"), line(-0.5, "a"), line(0, "at the end"), line(0.5, "b"))
	e.run(t, w, 1)
	e.run(t, w, 2)
	want := map[string]int{"r at the start": 1, "r a": 1, "r at the end": 1, "r b": 1}
	if d := cmp.Diff(want, e.lines); d != "" {
		t.Error(d)
	}
	// An invocation that comes twice, or late, evaluates nothing.
	e.run(t, w, 2)
	e.run(t, w, 1)
	if d := cmp.Diff(want, e.lines); d != "" {
		t.Error(d)
	}
}

func TestLateLines(t *testing.T) {
	w := newWorld()
	e := w.evaluator(t, nil, logRule("r"))
	e.run(t, w, 0)
	e.run(t, w, 40)
	w.put(0, line(38, "in time"), line(12, "late"), line(9.9, "too late"))
	e.run(t, w, 41)
	w.put(0, line(38, "in time"), line(12, "late"), line(9.9, "too late"))
	w.put(1, line(12, "late again"))
	w.put(1, line(12, "late again"))
	e.run(t, w, 42)
	e.run(t, w, 43)
	if d := cmp.Diff(map[string]int{"r in time": 1, "r late": 1, "r late again": 1}, e.lines); d != "" {
		t.Error(d)
	}
}

func TestLongPauseIsCaughtUpInOneRun(t *testing.T) {
	w := newWorld()
	e := w.evaluator(t, newInbox(w), logRule("r"))
	e.run(t, w, 0)
	for i := range 6 {
		w.put(i, line(float64(i*50), fmt.Sprint(i)))
	}
	got := e.run(t, w, 5*60)
	if len(got) != 6 {
		t.Errorf("%d of 6 lines: %v", len(got), got)
	}
	s := w.state(t)
	if want := at(299).UnixNano(); s.Cursors[0].Through != want {
		t.Errorf("through %v", time.Unix(0, s.Cursors[0].Through).UTC())
	}
	if n := len(s.Rules[0].Alerts); n != 6 {
		t.Errorf("%d alerts, want 6", n)
	}
}

// A rule that fails stays where it is, with its alerts, and the others go on; when it works again it has missed nothing.
func TestFailingRuleKeepsItsWindow(t *testing.T) {
	w := newWorld()
	e := w.evaluator(t, newInbox(w), logRule("good"), logRule("bad"))
	e.run(t, w, 0)
	w.put(0, line(0.5, "a"))
	e.run(t, w, 2)
	e.fail = func(q string) error {
		if q == "bad" {
			return errInjected
		}
		return nil
	}
	w.put(1, line(2, "b"))
	for m := 3; m < 20; m++ {
		e.run(t, w, float64(m))
	}
	s := w.state(t)
	if len(s.Cursors) != 2 || s.Rules[1].Health != HealthErr || !strings.Contains(s.Rules[1].Error, "injected") {
		t.Fatalf("state %+v", s)
	}
	if got := s.Rules[1].Alerts; len(got) != 1 || got[0].Phase != Firing {
		t.Errorf("a failing query moved its alert: %+v", got)
	}
	if got := s.Rules[0].Alerts; got[0].Phase != Resolved {
		t.Errorf("the other rule stood still: %+v", got)
	}
	e.fail = func(string) error { return nil }
	w.put(2, line(10, "late for one"))
	e.run(t, w, 20)
	want := map[string]int{"good a": 1, "bad a": 1, "good b": 1, "bad b": 1, "good late for one": 1, "bad late for one": 1}
	if d := cmp.Diff(want, e.lines); d != "" {
		t.Error(d)
	}
	if s := w.state(t); len(s.Cursors) != 1 || s.Rules[1].Health != HealthOK {
		t.Errorf("cursors did not join: %+v", s.Cursors)
	}
}

func TestStoreDownKeepsState(t *testing.T) {
	for _, op := range []string{"list", "manifest", "read"} {
		t.Run(op, func(t *testing.T) {
			w := newWorld()
			e := w.evaluator(t, newInbox(w), logRule("r"))
			e.run(t, w, 0)
			w.put(0, line(0, "a"))
			e.run(t, w, 1)
			w.hook = func(o string) error {
				if o == op {
					return errInjected
				}
				return nil
			}
			e.run(t, w, 10)
			s := w.state(t)
			if a := s.Rules[0].Alerts; s.Rules[0].Health != HealthErr || len(a) != 1 || a[0].Phase != Firing || !a[0].KeepSince.IsZero() {
				t.Errorf("state %+v", s.Rules[0])
			}
			if s.Cursors[0].Through != at(0).UnixNano() {
				t.Error("the window moved on")
			}
		})
	}
	for _, op := range []string{"load", "swap"} {
		t.Run(op, func(t *testing.T) {
			w := newWorld()
			e := w.evaluator(t, newInbox(w), logRule("r"))
			e.run(t, w, 0)
			before := w.states[StateHash("f.yml", "g")]
			w.hook = func(o string) error {
				if o == op {
					return errInjected
				}
				return nil
			}
			if sum, err := e.Run(t.Context(), at(1)); !errors.Is(err, errInjected) || sum.Failed != 1 {
				t.Errorf("%+v, %v", sum, err)
			}
			if string(before) != string(w.states[StateHash("f.yml", "g")]) {
				t.Error("the state changed")
			}
		})
	}
}

func TestLoserDropsItsRun(t *testing.T) {
	w := newWorld()
	in1, in2 := newInbox(w), newInbox(w)
	a, b := w.evaluator(t, in1, logRule("r")), w.evaluator(t, in2, logRule("r"))
	a.run(t, w, 0)
	w.put(0, line(0, "x"))
	w.hook = func(op string) error {
		if op == "swap" {
			w.hook = func(string) error { return nil }
			b.run(t, w, 1)
		}
		return nil
	}
	sum, err := a.Run(t.Context(), at(1))
	if err != nil || sum.Lost != 1 || len(in1.firing) != 0 || len(in2.firing) != 1 {
		t.Errorf("loser %+v, %v, told %v; winner told %v", sum, err, in1.firing, in2.firing)
	}
}

func TestSwapWithLostReplyIsAWin(t *testing.T) {
	w := newWorld()
	in := newInbox(w)
	e := w.evaluator(t, in, logRule("r"))
	e.run(t, w, 0)
	w.put(0, line(0, "x"))
	w.hook = func(op string) error {
		if op == "swapped" {
			return errUnanswered
		}
		return nil
	}
	e.run(t, w, 1)
	if len(in.firing) != 1 {
		t.Errorf("told %v", in.firing)
	}
}

// A crash between the swap and the notification does not swallow it, however long nobody evaluates after that.
func TestCrashBeforeNotify(t *testing.T) {
	w := newWorld()
	in := newInbox(w)
	e := w.evaluator(t, in, logRule("r"))
	e.run(t, w, 0)
	w.put(0, line(0, "x"))
	ctx, cancel := context.WithCancel(t.Context())
	w.hook = func(op string) error {
		if op == "notify" {
			cancel()
			return context.Canceled
		}
		return nil
	}
	if _, err := e.Run(ctx, at(1)); !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v", err)
	}
	w.hook = func(string) error { return nil }
	e.run(t, w, 3*60)
	e.run(t, w, 3*60+4)
	e.run(t, w, 3*60+9)
	got := slices.DeleteFunc(in.order, func(s string) bool { return s == "" })
	if len(got) < 3 || !strings.HasSuffix(got[0], "firing") || !strings.HasSuffix(got[len(got)-1], "resolved") {
		t.Errorf("told %v", got)
	}
	if d := slices.Collect(maps.Keys(in.firing)); len(d) != 1 {
		t.Errorf("told %v", d)
	}
}

// The same scheduled time comes again after a crash: the group is not evaluated twice, but what is owed is sent.
func TestDoubledInvocationDeliversWhatIsOwed(t *testing.T) {
	w := newWorld()
	in := newInbox(w)
	e := w.evaluator(t, in, logRule("r"))
	e.run(t, w, 0)
	w.put(0, line(0, "x"))
	w.hook = func(op string) error {
		if op == "notify" {
			return errInjected
		}
		return nil
	}
	if _, err := e.Run(t.Context(), at(1)); !errors.Is(err, errInjected) {
		t.Fatal(err)
	}
	w.hook = func(string) error { return nil }
	sum, err := e.Run(t.Context(), at(1))
	if err != nil || sum.NotDue != 1 || sum.Notified != 1 || e.lines["r x"] != 1 {
		t.Errorf("%+v, %v, lines %v", sum, err, e.lines)
	}
	sum, err = e.Run(t.Context(), at(1))
	if err != nil || sum.Notified != 0 {
		t.Errorf("the outbox was not cleared: %+v, %v", sum, err)
	}
}

func TestGapIsReported(t *testing.T) {
	w := newWorld()
	in := newInbox(w)
	e := w.evaluator(t, in, logRule("r"))
	e.run(t, w, 0)
	e.run(t, w, 23*60)
	if len(in.firing) != 0 {
		t.Fatalf("told %v", in.firing)
	}
	e.run(t, w, 23*60+25*60)
	if len(in.order) == 0 || !strings.Contains(in.order[0], GapAlert) {
		t.Fatalf("told %v", in.order)
	}
	e.run(t, w, 23*60+25*60+1)
	e.run(t, w, 23*60+25*60+62)
	if last := in.order[len(in.order)-1]; !strings.HasSuffix(last, "resolved") {
		t.Errorf("the gap is told for ever: %v", last)
	}
}

func TestNewerStateIsRefused(t *testing.T) {
	w := newWorld()
	e := w.evaluator(t, nil, logRule("r"))
	w.states[StateHash("f.yml", "g")] = []byte(`{"version": 2, "groups": {}}`)
	if _, err := e.Run(t.Context(), at(0)); !errors.Is(err, ErrNewer) {
		t.Errorf("error %v", err)
	}
}

func TestSeenStaysBounded(t *testing.T) {
	w := newWorld()
	e := w.evaluator(t, nil, logRule("r"))
	for m := range 60 {
		o := w.put(m, line(float64(m), fmt.Sprint(m)))
		w.now = at(float64(m))
		e.run(t, w, float64(m))
		w.compact(o.key)
		e.run(t, w, float64(m)+0.5)
		w.clean(t, o.key)
		if !w.listed[o.key] {
			delete(w.consumed, o.key)
		}
	}
	if n := w.state(t).Cursors[0].Seen.Len(); n > 2 {
		t.Errorf("%d names after an hour", n)
	}
}

// An evaluator whose clock was far ahead has left a state that nobody would go on from for a day: that is an error, and not a run that is not due.
func TestStateAheadOfTheClock(t *testing.T) {
	w := newWorld()
	e := w.evaluator(t, nil, logRule("r"))
	e.run(t, w, 24*60)
	w.now = at(24*60 - 4)
	if sum, err := e.Run(t.Context(), w.now); err != nil || sum.NotDue != 1 {
		t.Errorf("four minutes ahead: %+v, %v", sum, err)
	}
	w.now = at(1)
	if sum, err := e.Run(t.Context(), w.now); !errors.Is(err, ErrAhead) || sum.Failed != 1 {
		t.Errorf("a day ahead: %+v, %v", sum, err)
	}
	e.run(t, w, 24*60+1)
}

// An event of a time that is still to come changes nothing: with its time in the state, no later event would be evaluated until then.
func TestEventsFromTheFuture(t *testing.T) {
	w := newWorld()
	e := w.evaluator(t, nil, logRule("r"))
	e.run(t, w, 0)
	if sum, err := e.Run(t.Context(), w.now.Add(maxAhead+time.Second)); !errors.Is(err, ErrEarly) || sum != (Summary{}) {
		t.Errorf("%+v, %v", sum, err)
	}
	w.put(1, line(0.5, "a"))
	e.run(t, w, 1)
	e.run(t, w, 3)
	if d := cmp.Diff(map[string]int{"r a": 1}, e.lines); d != "" {
		t.Error(d)
	}
}
