package alertstore_test

import (
	"strings"
	"testing"
	"time"

	"lethe/alerting"
	"lethe/internal/layout"
	"lethe/objstore"
)

// minutes lets time pass on a busy bucket: each minute there is an upload and a pass of the compactor, which deletes what nobody holds.
func (w *world) minutes(n int, then func()) {
	for range n {
		w.advance(time.Minute)
		w.put(upload{target: layout.Target{Kind: layout.Pod, Name: "shop"}, body: w.lines()})
		w.compact()
		then()
	}
}

// phase returns how the alert of that name stands in the state; "" where there is none.
func (w *world) phase(alert string) alerting.Phase {
	for _, r := range w.state().Rules {
		if r.Rule.Name == alert && len(r.Alerts) > 0 {
			return r.Alerts[0].Phase
		}
	}
	return ""
}

// After a pause that is longer than anything is held, a manifest names objects that are gone. The group goes on, says that lines may be
// missing, and counts each line of its windows once.
func TestPauseLongerThanHold(t *testing.T) {
	w := newWorld(t, 1)
	w.calm = true
	w.evaluate()
	w.minutes(5, w.evaluate)
	w.advance(25 * time.Hour)
	w.minutes(40, func() {})
	back := w.now()
	w.minutes(10, w.evaluate)
	if s := w.state(); s.Evaluated.Before(back) || len(s.Cursors) != 1 {
		t.Errorf("the group was evaluated last at %s, of %s; cursors %+v", s.Evaluated, w.now(), s.Cursors)
	}
	if got := w.phase(alerting.GapAlert); got != alerting.Firing {
		t.Errorf("the alert of the gap: %q", got)
	}
	w.advance(5 * time.Minute)
	w.evaluate()
	for text, came := range w.came {
		late, missing := came.Sub(w.at[text]) > time.Minute, 0
		if came.After(back) {
			late = came.Sub(w.at[text]) > 30*time.Minute // what was missed before is over
		}
		for _, r := range w.groups[0].Rules {
			n := w.counted[r.Expr+"\n"+text]
			if n == 0 {
				missing++
			}
			if n > 1 || n == 0 && !late {
				t.Errorf("%s has counted %q %d times; it came %s, %s after its time", r.Alert, text, n, came, came.Sub(w.at[text]))
			}
		}
	}
}

// Who deletes raw objects that a group has not seen, as a lifecycle rule of the bucket may, takes late lines from it. It says so, and
// goes on, however short its pause was.
func TestObjectsDeletedUnseen(t *testing.T) {
	w := newWorld(t, 1)
	w.calm = true
	w.evaluate()
	w.minutes(2, w.evaluate)
	if got := w.phase(alerting.GapAlert); got != "" {
		t.Fatalf("the alert of the gap: %q", got)
	}
	shop := layout.Target{Kind: layout.Pod, Name: "shop"}
	w.advance(time.Minute)
	w.put(upload{target: shop, body: w.line(w.now().Add(-20*time.Minute), " that was deleted")})
	w.compact()
	unseen := w.bodies[len(w.bodies)-1]
	if err := w.mem.Delete(t.Context(), unseen.key); err != nil {
		t.Fatal(err)
	}
	// A longer retry of it brings its late lines again: that they are in a block does not mean that they were counted.
	w.put(upload{target: shop, body: unseen.body + w.line(w.now().Add(-19*time.Minute), " behind it")})
	for range 2 {
		w.advance(time.Minute)
		w.evaluate()
	}
	if got := w.phase(alerting.GapAlert); got != alerting.Firing {
		t.Errorf("the alert of the gap: %q", got)
	}
	w.check(1)
}

// A late object whose connection ends half-way is no shorter one: its lines are counted when it can be read.
func TestLateObjectIsCut(t *testing.T) {
	w := newWorld(t, 1)
	w.calm = true
	w.evaluate()
	w.advance(time.Hour)
	w.evaluate()
	var body strings.Builder
	const lines = 3000
	for range lines {
		body.WriteString(w.line(w.now().Add(-20*time.Minute), strings.Repeat("x", 500)))
	}
	w.put(upload{target: layout.Target{Kind: layout.Pod, Name: "shop"}, body: body.String()})
	w.compact()
	w.advance(time.Minute)
	w.cut = true
	if sum, err := w.run(w.now().Truncate(time.Minute)); err != nil || sum.RulesFailed != 2 {
		t.Errorf("%+v, %v", sum, err)
	}
	w.cut = false
	w.advance(time.Minute)
	w.evaluate()
	w.check(1)
	if len(w.counted) != 2*lines {
		t.Errorf("%d lines were counted by two rules, of %d", len(w.counted), lines)
	}
}

// A rule whose window cannot be read for longer than anything is held keeps no other rule of its group back, and nor does one whose
// window needs a block that is not there.
func TestStuckRule(t *testing.T) {
	for name, damage := range map[string]func(w *world, key string) error{
		"a damaged block": func(w *world, key string) error {
			body := strings.Repeat("not a block", 1000)
			_, err := w.mem.Put(t.Context(), key, strings.NewReader(body), int64(len(body)), objstore.Condition{})
			return err
		},
		"a missing block": func(w *world, key string) error { return w.mem.Delete(t.Context(), key) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 1)
			w.calm = true
			w.evaluate()
			// All reads the bank too, whose only block cannot be read; Shop does not.
			w.advance(time.Minute)
			w.put(upload{target: layout.Target{Kind: layout.Pod, Name: "bank"}, body: w.lines()})
			w.compact()
			var blocks []string
			for o, err := range w.mem.List(t.Context(), objstore.ListOptions{Prefix: layout.KindPrefix(layout.Pod) + "bank/"}) {
				if err != nil {
					t.Fatal(err)
				}
				if strings.HasSuffix(o.Key, ".parquet") {
					blocks = append(blocks, o.Key)
				}
			}
			if len(blocks) == 0 {
				t.Fatal("no block")
			}
			for _, key := range blocks {
				if err := damage(w, key); err != nil {
					t.Fatal(err)
				}
			}
			evaluate := func() {
				sum, err := w.run(w.now().Truncate(time.Minute))
				if err != nil || sum.RulesFailed != 1 {
					t.Fatalf("%s: %+v, %v; rules %+v", w.now(), sum, err, w.state().Rules)
				}
			}
			for range 26 {
				w.minutes(1, evaluate)
				w.advance(time.Hour)
			}
			w.minutes(10, evaluate)
			rules := w.state().Rules
			if rules[0].Health != alerting.HealthErr || rules[1].Health != alerting.HealthOK {
				t.Errorf("rules: %+v", rules)
			}
			if got := w.phase(alerting.GapAlert); got != alerting.Firing {
				t.Errorf("the alert of the gap: %q", got)
			}
			n := 0
			for k := range w.counted {
				if strings.HasPrefix(k, w.groups[0].Rules[1].Expr) {
					n++
				}
			}
			if n < 20 {
				t.Errorf("the other rule has counted %d lines", n)
			}
		})
	}
}
