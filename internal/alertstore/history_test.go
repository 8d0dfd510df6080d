package alertstore_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"go.uber.org/goleak"

	"lethe/alerting"
	"lethe/alerting/rulefile"
	"lethe/compactor"
	"lethe/internal/alertstore"
	"lethe/internal/block"
	"lethe/internal/layout"
	"lethe/objstore"
	"lethe/objstore/memstore"
	"lethe/objstore/objtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const rules = `
groups:
- name: g
  rules:
  - alert: All
    expr: pod{} |= "line"
  - alert: Shop
    expr: pod{namespace="shop"} |~ "line .*"
`

// late is the evaluator's Options.Late in these histories.
const late = 30 * time.Minute

// world is a bucket in memory in which everything real happens: agents upload, the compactor compacts, evaluators evaluate.
type world struct {
	t   *testing.T
	rnd *rand.Rand
	mem *memstore.Bucket
	// clock in Unix nanoseconds.
	clock atomic.Int64
	ids   atomic.Int64
	// came and at: when a line first arrived, and its own time, by its text.
	came, at map[string]time.Time
	bodies   []upload
	groups   []rulefile.Group
	// counted is how often committed evaluations have counted a line, by rule and text.
	counted map[string]int
	// acting is held while the world changes under an evaluator.
	acting sync.Mutex
	// consumed counts raw objects that were compacted.
	consumed int
	calm     bool
	// cut ends each whole raw object half-way.
	cut bool
}

type upload struct {
	target layout.Target
	body   string
	key    string
}

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{
		t: t, rnd: rand.New(rand.NewPCG(seed, 3)),
		came: map[string]time.Time{}, at: map[string]time.Time{}, counted: map[string]int{},
	}
	w.clock.Store(time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC).UnixNano())
	w.mem = memstore.New(w.now)
	f, err := rulefile.Parse("rules.yml", []byte(rules), alerting.CheckExpr)
	if err != nil {
		t.Fatal(err)
	}
	w.groups = f.Groups
	return w
}

func (w *world) now() time.Time { return time.Unix(0, w.clock.Load()).UTC() }

func (w *world) advance(d time.Duration) { w.clock.Add(int64(d)) }

func (w *world) id() string { return fmt.Sprintf("id%08d", w.ids.Add(1)) }

// lines returns new lines as Fluent Bit writes them.
func (w *world) lines() string {
	var b strings.Builder
	for range 1 + w.rnd.IntN(4) {
		back := w.rnd.Float64() * 3
		if w.rnd.IntN(4) == 0 {
			back = w.rnd.Float64() * 40
		}
		b.WriteString(w.line(w.now().Add(-time.Duration(back*float64(time.Minute))), ""))
	}
	return b.String()
}

// line returns a new line of that time, with more at its end.
func (w *world) line(at time.Time, more string) string {
	text := "line " + w.id() + more
	w.came[text], w.at[text] = w.now(), at
	line, err := json.Marshal(map[string]string{"time": at.Format(time.RFC3339Nano), "pod": "p", "container": "c", "log": text})
	if err != nil {
		w.t.Fatal(err)
	}
	return string(append(line, '\n'))
}

func (w *world) put(u upload) {
	w.advance(time.Millisecond)
	key := layout.RawKey(u.target, layout.HourOf(w.now().UnixNano()), w.id()+".jsonl")
	if _, err := w.mem.Put(context.Background(), key, strings.NewReader(u.body), int64(len(u.body)), objstore.Condition{}); err != nil {
		w.t.Fatal(err)
	}
	u.key = key
	w.bodies = append(w.bodies, u)
}

// upload puts new lines, or what was put before, again or with more at its end.
func (w *world) upload() {
	u := upload{target: layout.Target{Kind: layout.Pod, Name: []string{"shop", "bank"}[w.rnd.IntN(2)]}}
	switch n := w.rnd.IntN(6); {
	case n < 4 || len(w.bodies) == 0:
		u.body = w.lines()
	default:
		u = w.bodies[max(0, len(w.bodies)-1-w.rnd.IntN(8))]
		if n == 5 {
			u.body += w.lines()
		}
	}
	w.put(u)
}

func (w *world) compact() {
	fault := 1 + w.rnd.IntN(200) // the reply of this call is lost
	if w.calm {
		fault = 0
	}
	held, err := alertstore.NewHeld(w.mem, alerting.DefaultHoldMax)
	if err != nil {
		w.t.Fatal(err)
	}
	b := objtest.NewFaults(w.mem, 1000, func(c objtest.Call) objtest.Fault {
		if c.N == fault {
			return objtest.LostReply
		}
		return objtest.None
	})
	c, err := compactor.New(b, compactor.Options{
		Now: w.now, NewID: w.id, Held: held.Load, Concurrency: 1, TempDir: w.t.TempDir(),
		Block: block.Options{Level: zstd.SpeedFastest, NoIndex: true},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	sum, err := c.Run(context.Background())
	if err != nil && (fault == 0 || !errors.Is(err, objtest.ErrInjected)) {
		w.t.Errorf("compaction: %v", err)
	}
	w.consumed += int(sum.In.Objects)
}

func (w *world) step() {
	switch n := w.rnd.IntN(12); {
	case n < 4:
		w.evaluate()
	case n < 5:
		w.compact()
	case n < 8:
		w.advance(time.Duration(w.rnd.IntN(100)) * time.Second)
	case n == 8 && w.rnd.IntN(6) == 0:
		w.advance(time.Duration(w.rnd.IntN(30)) * time.Minute)
	default:
		w.upload()
	}
}

func (w *world) check(seed uint64) {
	for text, came := range w.came {
		for _, r := range w.groups[0].Rules {
			n, delay := w.counted[r.Expr+"\n"+text], came.Sub(w.at[text])
			want := delay <= late && (r.Alert == "All" || w.inShop(text))
			if n > 1 || want && n != 1 {
				w.t.Errorf("seed %d: %s has counted %q %d times; it came %s after its time", seed, r.Alert, text, n, delay)
			}
		}
	}
}

func (w *world) inShop(text string) bool {
	for _, u := range w.bodies {
		if strings.Contains(u.body, text+`"`) {
			return u.target.Name == "shop"
		}
	}
	return false
}

// Over a real compactor and real scans, with uploads, retries, compactions and other evaluators between any two calls, lost replies and
// deaths: every line that arrives in time is counted in exactly one evaluation of each rule.
func TestHistories(t *testing.T) {
	lines, consumed := 0, 0
	for seed := range uint64(10) {
		w := newWorld(t, seed)
		w.calm = true
		w.compact() // probes the store, once
		w.evaluate()
		w.calm = false
		for range 160 {
			w.step()
		}
		consumed += w.consumed
		w.calm = true
		for range 3 {
			w.advance(10 * time.Minute)
			w.compact()
			w.evaluate()
		}
		w.check(seed)
		lines += len(w.came)
		if t.Failed() {
			return
		}
	}
	if lines < 1000 || consumed < 500 {
		t.Errorf("histories are too quiet: %d lines, %d objects compacted", lines, consumed)
	}
}

// What every group has accounted for is deleted in the end, and the states stay small.
func TestHeldObjectsAreLetGo(t *testing.T) {
	w := newWorld(t, 1)
	w.calm = true
	w.evaluate()
	w.upload()
	w.compact()
	w.advance(time.Hour)
	w.compact()
	if n := w.raw(); n != 1 {
		t.Fatalf("%d raw objects; a group has not seen the one that is consumed", n)
	}
	w.evaluate()
	w.compact()
	w.compact()
	if n := w.raw(); n != 0 {
		t.Errorf("%d raw objects are left", n)
	}
	w.advance(20 * time.Minute)
	w.compact() // the upkeep of a target without raw objects drops names
	w.evaluate()
	if n := w.state().Cursors[0].Seen.Len(); n != 0 {
		t.Errorf("%d names are remembered", n)
	}
	// Nobody evaluates any more: nothing is held for longer than a day.
	w.upload()
	w.compact()
	w.advance(alerting.DefaultHoldMax + time.Hour)
	w.compact()
	w.compact()
	if n := w.raw(); n != 0 {
		t.Errorf("%d raw objects are held for a group that nobody evaluates", n)
	}
}

// The state of a group that nobody evaluates any more keeps nothing from being deleted, though it cannot be read, and is not asked for. Until
// it is that old, nothing is deleted.
func TestStatesThatNobodyReads(t *testing.T) {
	w := newWorld(t, 1)
	w.calm = true
	w.evaluate()
	for hash, body := range map[string]string{"damaged": "{", "newer": `{"version": 9}`} {
		if _, err := w.mem.Put(t.Context(), layout.AlertKey(hash), strings.NewReader(body), int64(len(body)), objstore.Condition{}); err != nil {
			t.Fatal(err)
		}
	}
	counting := objstore.NewCounting(w.mem)
	held, err := alertstore.NewHeld(counting, alerting.DefaultHoldMax)
	if err != nil {
		t.Fatal(err)
	}
	for range 4 {
		if _, err := held.Load(t.Context()); !errors.Is(err, alerting.ErrDamaged) && !errors.Is(err, alerting.ErrNewer) {
			t.Errorf("%s: %v", w.now(), err)
		}
		if _, err := alertstore.Status(t.Context(), w.mem, alerting.DefaultHoldMax); err == nil {
			t.Error("a status without a group that cannot be read")
		}
		w.advance(5 * time.Hour)
		w.evaluate()
	}
	w.advance(5 * time.Hour)
	before := counting.Counts()
	holds, err := held.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if n := counting.Counts().Gets - before.Gets; n != 1 {
		t.Errorf("%d states were got, of one that is evaluated", n)
	}
	key := layout.RawKey(layout.Target{Kind: layout.Pod, Name: "shop"}, layout.HourOf(w.now().UnixNano()), "new.jsonl")
	if !holds(key, w.now()) {
		t.Error("the group that is evaluated holds nothing")
	}
	if s, err := alertstore.Status(t.Context(), w.mem, alerting.DefaultHoldMax); err != nil || len(s.Groups) != 1 {
		t.Errorf("%+v, %v", s, err)
	}
	// All are old.
	w.advance(25 * time.Hour)
	if _, err := held.Load(t.Context()); err != nil {
		t.Error(err)
	}
}

// A process without rules tells the same as the one that evaluates, for a day.
func TestStatus(t *testing.T) {
	w := newWorld(t, 2)
	w.calm = true
	w.evaluate()
	w.upload()
	w.advance(45 * time.Minute)
	w.evaluate()
	s, err := alertstore.Status(t.Context(), w.mem, 24*time.Hour)
	if err != nil || len(s.Groups) != 1 || s.Groups[0].File != "rules.yml" || len(s.Groups[0].Rules) != 2 || len(s.Alerts()) == 0 {
		t.Errorf("%+v, %v", s, err)
	}
	w.advance(25 * time.Hour)
	if s, err := alertstore.Status(t.Context(), w.mem, 24*time.Hour); err != nil || len(s.Groups) != 0 {
		t.Errorf("a day later: %+v, %v", s, err)
	}
}

func (w *world) raw() int {
	n := 0
	for _, err := range w.mem.List(context.Background(), objstore.ListOptions{Prefix: layout.RawPrefix}) {
		if err != nil {
			w.t.Fatal(err)
		}
		n++
	}
	return n
}

func (w *world) state() *alerting.State {
	body, _, err := alertstore.NewStates(w.mem).Load(context.Background(), alerting.StateHash("rules.yml", "g"))
	if err != nil {
		w.t.Fatal(err)
	}
	s, err := alerting.DecodeState(body)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}
