package alerting

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/promql"

	"lethe/alerting/rulefile"
	"lethe/internal/layout"
	"lethe/internal/record"
	"lethe/letheql"
)

var errInjected = errors.New("injected")

// world is a bucket as the evaluator sees it: raw objects, what the compactor has made of them, and the alert states. Its hook is called
// before every call of an evaluator, and may do anything, even run another evaluator.
type world struct {
	objects  map[string]*object
	listed   map[string]bool // in raw/
	consumed map[string]bool // named by the manifest
	stored   map[int]map[string]bool
	states   map[string][]byte
	tags     map[string]int
	hook     func(op string) error
	now      time.Time
	// counted is how often committed evaluations have counted each line; late swaps are on their way.
	counted map[string]int
	late    []lateSwap
	ids     atomic.Int64
}

// lateSwap is a swap whose reply was lost and that has not landed yet.
type lateSwap struct {
	hash, tag string
	body      []byte
	lines     map[string]int
}

// object is a raw object; objects of the same content are an agent's retries.
type object struct {
	key     string
	content int
	rows    []record.Row
	arrived time.Time
}

func newWorld() *world {
	return &world{
		objects: map[string]*object{}, listed: map[string]bool{}, consumed: map[string]bool{}, stored: map[int]map[string]bool{},
		states: map[string][]byte{}, tags: map[string]int{}, hook: func(string) error { return nil }, now: epoch,
		counted: map[string]int{},
	}
}

var shop = layout.Target{Kind: layout.Pod, Name: "shop"}

// keys returns those of all objects, in the order in which they came. What happens in the world goes by it, not by a map: a seed tells it all.
func (w *world) keys() []string { return slices.Sorted(maps.Keys(w.objects)) }

func (w *world) put(content int, rows ...record.Row) *object {
	o := &object{key: fmt.Sprintf("raw/pod/shop/x/%04d", len(w.objects)), content: content, rows: rows, arrived: w.now}
	w.objects[o.key], w.listed[o.key] = o, true
	return o
}

// compact consumes an object: its lines are stored, once for each content.
func (w *world) compact(key string) {
	o := w.objects[key]
	w.consumed[key] = true
	if w.stored[o.content] == nil {
		w.stored[o.content] = map[string]bool{}
	}
	w.stored[o.content][key] = true
}

// clean deletes a consumed object, unless a group holds it.
func (w *world) clean(t *testing.T, key string) {
	for _, body := range w.states {
		s, err := DecodeState(body)
		if err != nil {
			t.Fatal(err)
		}
		if s.Holds(key, shop, w.now.Add(-DefaultHoldMax)) {
			return
		}
	}
	delete(w.listed, key)
}

// port is the world as one evaluator sees it. It is also that evaluator's engine, which takes every query for `pod{}` and writes down
// the lines that it gives out.
type port struct {
	*world
	// lines given out in all runs, and in the one that goes on, by rule and text.
	lines, pending map[string]int
	fail           func(query string) error
}

func (p *port) Load(_ context.Context, hash string) ([]byte, string, error) {
	if err := p.hook("load"); err != nil {
		return nil, "", err
	}
	p.pending = map[string]int{}
	return p.states[hash], strconv.Itoa(p.tags[hash]), nil
}

var (
	// errUnanswered is returned by the hook of "swapped" to lose the reply of a swap that landed.
	errUnanswered = errors.New("no reply")
	// errDelayed is returned by the hook of "swap" to let the swap land later.
	errDelayed = errors.New("no reply yet")
)

func (p *port) Swap(_ context.Context, hash string, body []byte, tag string) (string, error) {
	state, err := DecodeState(body)
	if err != nil {
		return "", err
	}
	for _, r := range state.Rules { // what a rule was given before it failed does not count
		if name, _, _ := strings.Cut(r.Key, "#"); r.Health == HealthErr {
			maps.DeleteFunc(p.pending, func(l string, _ int) bool { return strings.HasPrefix(l, name+" ") })
		}
	}
	if p.tells(hash, state) { // after a run that has failed there may be lines of it
		p.pending = map[string]int{}
	}
	s := lateSwap{hash, tag, body, p.pending}
	if err := p.hook("swap"); err != nil {
		if errors.Is(err, errDelayed) {
			p.late = append(p.late, s)
		}
		return "", err
	}
	if !p.land(s) {
		return "", ErrLost
	}
	p.pending = map[string]int{}
	return strconv.Itoa(p.tags[hash]), p.hook("swapped")
}

// tells reports whether a state differs from the one that there is in what was told only: it commits no evaluation.
func (w *world) tells(hash string, next *State) bool {
	now, err := decodeState(w.states[hash], next.File, next.Group)
	return err == nil && cmp.Equal(now.Cursors, next.Cursors)
}

// land does a swap, and counts its lines, unless the state has been swapped meanwhile.
func (w *world) land(s lateSwap) bool {
	if strconv.Itoa(w.tags[s.hash]) != s.tag {
		return false
	}
	w.states[s.hash] = s.body
	w.tags[s.hash]++
	for l, n := range s.lines {
		w.counted[l] += n
	}
	return true
}

func (w *world) View(context.Context, []rulefile.Scope) (View, error) {
	if err := w.hook("list"); err != nil {
		return nil, err
	}
	v := &worldView{w: w, listed: map[string]bool{}, consumed: map[string]bool{}, stored: map[int]map[string]bool{}}
	for k := range w.listed {
		v.listed[k] = true
	}
	if err := w.hook("manifest"); err != nil {
		return nil, err
	}
	for k := range w.consumed {
		v.consumed[k] = true
	}
	for c, names := range w.stored {
		v.stored[c] = map[string]bool{}
		for n := range names {
			v.stored[c][n] = true
		}
	}
	return v, nil
}

// worldView follows the protocol to the letter, object by object.
type worldView struct {
	w                *world
	listed, consumed map[string]bool
	stored           map[int]map[string]bool
}

func (v *worldView) Arrived() iter.Seq[Arrival] {
	return func(yield func(Arrival) bool) {
		for _, k := range v.w.keys() {
			if (v.listed[k] || v.consumed[k]) && !yield(Arrival{Key: k, Target: shop}) {
				return
			}
		}
	}
}

func (v *worldView) Window() letheql.Source {
	m := &Memory{}
	done := map[int]bool{}
	for _, k := range v.w.keys() {
		o := v.w.objects[k]
		if done[o.content] || v.stored[o.content] == nil && (!v.listed[k] || v.consumed[k]) {
			continue
		}
		done[o.content] = true
		if v.stored[o.content] == nil && !v.w.listed[k] {
			return gone{m}
		}
		for _, r := range o.rows {
			m.Add(KindRow{layout.Pod, r})
		}
	}
	return m
}

// gone is a source whose object was deleted since it was listed.
type gone struct{ *Memory }

func (gone) Lines(context.Context, letheql.Select, *letheql.Stats) iter.Seq2[record.Row, error] {
	return func(yield func(record.Row, error) bool) { yield(record.Row{}, ErrGone) }
}

func (v *worldView) Late(_ context.Context, q LateSelect) iter.Seq2[KindRow, error] {
	missed := map[string]bool{}
	fresh, done := map[string]bool{}, map[int]bool{}
	for a := range v.Arrived() {
		if q.Seen(a) {
			done[v.w.objects[a.Key].content] = true
		} else {
			fresh[a.Key] = true
			missed[a.Key] = !v.listed[a.Key] && !v.w.listed[a.Key]
		}
	}
	for c, names := range v.stored {
		for n := range names {
			done[c] = done[c] || !fresh[n]
		}
	}
	return func(yield func(KindRow, error) bool) {
		for _, k := range slices.Sorted(maps.Keys(fresh)) { // in the order of arrival: the first counts
			o := v.w.objects[k]
			if missed[k] {
				q.Missed(Arrival{Key: k, Target: shop})
				continue
			}
			if done[o.content] {
				continue
			}
			done[o.content] = true
			if !v.w.listed[k] {
				yield(KindRow{}, ErrGone)
				return
			}
			for _, r := range o.rows {
				if r.Time <= q.Through && o.arrived.UnixNano()-r.Time <= int64(q.MaxAge) && !yield(KindRow{layout.Pod, r}, nil) {
					return
				}
			}
		}
	}
}

func (p *port) Lines(ctx context.Context, src letheql.Source, query string, start, end int64) iter.Seq2[record.Row, error] {
	return func(yield func(record.Row, error) bool) {
		if err := p.hook("read"); err != nil {
			yield(record.Row{}, err)
			return
		}
		if err := p.fail(query); err != nil {
			yield(record.Row{}, err)
			return
		}
		given := map[string]int{}
		for row, err := range src.Lines(ctx, letheql.Select{Kind: layout.Pod, Start: start, End: end, NeedLog: true}, &letheql.Stats{}) {
			if err == nil {
				given[query+" "+string(row.Log)]++
			}
			if !yield(row, err) {
				return
			}
		}
		for l, n := range given {
			p.lines[l] += n
			p.pending[l] += n
		}
	}
}

func (p *port) Vector(context.Context, letheql.Source, string, time.Time) (promql.Vector, error) {
	return nil, nil
}

// inbox is an Alertmanager in memory.
type inbox struct {
	w      *world
	firing map[string]time.Time // first told, by labels
	last   map[string]bool      // resolved, by labels
	order  []string
}

func newInbox(w *world) *inbox {
	return &inbox{w: w, firing: map[string]time.Time{}, last: map[string]bool{}}
}

func (b *inbox) Notify(_ context.Context, alerts []Notification) ([]bool, error) {
	if err := b.w.hook("notify"); err != nil {
		return nil, err
	}
	accepted := make([]bool, len(alerts))
	for i, a := range alerts {
		accepted[i] = true
		k := a.Labels.String()
		if _, ok := b.firing[k]; !ok && !a.Resolved {
			b.firing[k] = b.w.now
		}
		b.last[k] = a.Resolved
		b.order = append(b.order, k+map[bool]string{true: " resolved", false: " firing"}[a.Resolved])
	}
	return accepted, b.w.hook("notified")
}

func line(min float64, text string) record.Row {
	return record.Row{Time: at(min).UnixNano(), Namespace: "shop", Pod: "p", Container: text, Log: []byte(text)}
}

func logRule(name string) rulefile.Rule {
	return rulefile.Rule{
		Alert: name, Expr: name, KeepFiringFor: rulefile.DefaultKeepFiring,
		Query: rulefile.Query{Log: true, Scopes: []rulefile.Scope{{Kind: layout.Pod}}},
	}
}

type harness struct {
	*Evaluator
	*port
}

func (w *world) evaluator(t *testing.T, n Notifier, rules ...rulefile.Rule) harness {
	t.Helper()
	p := &port{world: w, lines: map[string]int{}, fail: func(string) error { return nil }}
	e, err := New([]rulefile.Group{{File: "f.yml", Name: "g", Rules: rules}}, Options{
		Store: p, Arrivals: w, Source: &Memory{}, Engine: p, Notifier: n, IngestDelay: time.Minute, Late: lateTest,
		Now: func() time.Time { return w.now }, NewID: func() string { return fmt.Sprint("id", w.ids.Add(1)) },
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return harness{e, p}
}

// lateTest is the Options.Late of tests.
const lateTest = 30 * time.Minute

func (w *world) state(t *testing.T) *State {
	t.Helper()
	s, err := DecodeState(w.states[StateHash("f.yml", "g")])
	if err != nil {
		t.Fatal(err)
	}
	return s
}
