package alerting

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lethe/internal/record"
)

// history is a random history of a world: uploads, an agent's retries, compactions, cleaning, evaluations, each by an evaluator of its
// own, that are skipped, doubled, interrupted by each other and by everything else, and crashes at any call.
type history struct {
	*world
	t     *testing.T
	rnd   *rand.Rand
	inbox *inbox
	depth int
	calm  bool
	// first arrival of each line.
	first map[string]time.Time
	times map[string]int64
}

func newHistory(t *testing.T, seed uint64) *history {
	w := newWorld()
	return &history{world: w, t: t, rnd: rand.New(rand.NewPCG(seed, 6)), inbox: newInbox(w), first: map[string]time.Time{}, times: map[string]int64{}}
}

func (h *history) among(from map[string]bool) []string {
	var out []string
	for k, in := range from {
		if in {
			out = append(out, k)
		}
	}
	slices.Sort(out)
	return out
}

func (h *history) pick(from map[string]bool) (string, bool) {
	keys := h.among(from)
	if len(keys) == 0 {
		return "", false
	}
	return keys[h.rnd.IntN(len(keys))], true
}

func (h *history) upload() {
	var rows []record.Row
	content := len(h.objects)
	for i := range 1 + h.rnd.IntN(3) {
		back := h.rnd.Float64() * 3
		if h.rnd.IntN(4) == 0 {
			back = h.rnd.Float64() * 40
		}
		r := line(0, fmt.Sprintf("%d-%d", content, i))
		r.Time = h.now.Add(-time.Duration(back * float64(time.Minute))).UnixNano()
		rows = append(rows, r)
		h.first[string(r.Log)], h.times[string(r.Log)] = h.now, r.Time
	}
	h.put(content, rows...)
}

// retry uploads the content of an object again, under a new name.
func (h *history) retry() {
	if k, ok := h.pick(h.listed); ok {
		o := h.objects[k]
		h.put(o.content, o.rows...)
	}
}

// other does one thing that evaluators do not do.
func (h *history) other() {
	switch h.rnd.IntN(6) {
	case 0:
		h.upload()
	case 1:
		h.retry()
	case 2, 3:
		if k, ok := h.pick(h.listed); ok {
			h.compact(k)
		}
	case 4:
		if k, ok := h.pick(h.consumed); ok {
			h.clean(h.t, k)
		}
	case 5:
		if k, ok := h.pick(h.consumed); ok && !h.listed[k] {
			delete(h.consumed, k)
		}
	}
}

// call is the hook: before every call of an evaluator the world may change, another evaluator may run, or this one may die.
func (h *history) call(cancel context.CancelFunc) func(string) error {
	return func(op string) error {
		if h.calm {
			return nil
		}
		for h.rnd.IntN(3) == 0 {
			h.other()
		}
		if h.depth < 2 && h.rnd.IntN(20) == 0 {
			h.evaluate()
		}
		switch h.rnd.IntN(40) {
		case 0:
			cancel()
			return context.Canceled
		case 1:
			return errInjected
		case 2, 3, 4:
			if op == "swap" {
				return errDelayed
			}
			if op == "swapped" {
				return errUnanswered
			}
		}
		return nil
	}
}

func (h *history) evaluate() {
	h.depth++
	defer func() { h.depth-- }()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	saved := h.hook
	h.hook = h.call(cancel)
	defer func() { h.hook = saved }()
	e := h.evaluator(h.t, h.inbox, logRule("r"), logRule("s"))
	at := h.now.Truncate(time.Minute)
	if h.rnd.IntN(5) == 0 {
		at = at.Add(-time.Duration(h.rnd.IntN(3)) * time.Minute)
	}
	sum, err := e.Run(ctx, at)
	if h.calm && (err != nil || sum.RulesFailed > 0) {
		h.t.Errorf("a run without faults: %+v, %v", sum, err)
	}
}

func (h *history) landLate() {
	if len(h.late) > 0 {
		i := h.rnd.IntN(len(h.late))
		h.land(h.late[i])
		h.late = slices.Delete(h.late, i, i+1)
	}
}

func (h *history) step() {
	switch n := h.rnd.IntN(10); {
	case n < 3:
		h.evaluate()
	case n == 3:
		h.landLate()
	case n == 4 || n == 5:
		h.now = h.now.Add(time.Duration(h.rnd.IntN(100)) * time.Second)
	case n == 6 && h.rnd.IntN(10) == 0:
		h.now = h.now.Add(time.Duration(h.rnd.IntN(20)) * time.Minute)
	default:
		h.other()
	}
}

// settle lets everything that is on its way arrive.
func (h *history) settle() {
	h.calm, h.late = true, nil
	for range 3 {
		h.now = h.now.Add(10 * time.Minute)
		h.evaluate()
	}
}

func (h *history) check(seed uint64) {
	for text, came := range h.first {
		for _, rule := range []string{"r", "s"} {
			n := h.counted[rule+" "+text]
			inTime := came.UnixNano()-h.times[text] <= int64(lateTest)
			if n > 1 || inTime && n != 1 {
				h.t.Errorf("seed %d: rule %s has counted the line %s %d times; it came %s after its time", seed, rule, text, n,
					time.Duration(came.UnixNano()-h.times[text]))
			}
		}
	}
	told := map[string]bool{}
	for _, o := range h.inbox.order {
		k, what, _ := strings.Cut(o, "} ")
		if strings.Contains(k, GapAlert) {
			h.t.Errorf("seed %d: told of a gap, where there is none", seed)
		}
		told[k] = told[k] || what == "firing"
		if what == "resolved" && !told[k] {
			h.t.Errorf("seed %d: %s} was resolved before it was told", seed, k)
		}
	}
	for l := range h.counted {
		rule, text, _ := strings.Cut(l, " ")
		if k := fmt.Sprintf(`{alertname=%q, container=%q, namespace="shop", pod="p"`, rule, text); !told[k] {
			h.t.Errorf("seed %d: the notification of %s} was swallowed", seed, k)
		}
	}
}

// live lives through so many steps of the history, and lets everything arrive.
func (h *history) live(steps int) {
	h.calm = true
	h.evaluate()
	h.calm = false
	for range steps {
		h.step()
	}
	h.settle()
}

// A history comes again as it was, to the byte: one that fails can be looked into.
func TestHistoriesComeAgain(t *testing.T) {
	first, second := newHistory(t, 1), newHistory(t, 1)
	first.live(60)
	second.live(60)
	if d := cmp.Diff(first.states, second.states); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(first.inbox.order, second.inbox.order); d != "" {
		t.Error(d)
	}
}

// Every line that arrives in time is counted in exactly one evaluation of each rule, and no notification is swallowed, whatever happens.
func TestHistories(t *testing.T) {
	histories, lines, counted := 15, 0, 0
	for seed := range uint64(histories) {
		h := newHistory(t, seed)
		h.live(150)
		h.check(seed)
		lines, counted = lines+len(h.first), counted+len(h.counted)
		if t.Failed() {
			return
		}
	}
	if counted < lines {
		t.Errorf("histories are too quiet: %d counts of %d lines", counted, lines)
	}
}
