package alertstore_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"strings"
	"sync"
	"testing/iotest"
	"time"

	"lethe/alerting"
	"lethe/internal/alertstore"
	"lethe/internal/layout"
	"lethe/internal/record"
	"lethe/internal/scan"
	"lethe/letheql"
	"lethe/objstore"
	"lethe/objstore/objtest"
)

// ledger is LetheQL's engine; it writes down which lines a run has given to which rule.
type ledger struct {
	alerting.Engine
	mu    sync.Mutex
	lines map[string]int
}

func (l *ledger) Lines(ctx context.Context, src letheql.Source, query string, start, end int64) iter.Seq2[record.Row, error] {
	return func(yield func(record.Row, error) bool) {
		for row, err := range l.Engine.Lines(ctx, src, query, start, end) {
			if err == nil {
				l.mu.Lock()
				l.lines[query+"\n"+string(row.Log)]++
				l.mu.Unlock()
			}
			if !yield(row, err) {
				return
			}
		}
	}
}

// commit counts the lines of a run whose state was put, but for those of rules that have failed.
func (w *world) commit(l *ledger, body []byte) {
	s, err := alerting.DecodeState(body)
	if err != nil {
		w.t.Fatal(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, r := range s.Rules {
		if r.Health == alerting.HealthOK && i < len(w.groups[0].Rules) {
			for k, n := range l.lines {
				if strings.HasPrefix(k, w.groups[0].Rules[i].Expr+"\n") {
					w.counted[k] += n
				}
			}
		}
	}
	clear(l.lines)
}

// bucket is the bucket as an evaluator sees it: the world moves on between its calls, calls fail, and it may die.
type bucket struct {
	objstore.Bucket
	w *world
	l *ledger
}

func (b bucket) Get(ctx context.Context, key string, r objstore.Range) (rc io.ReadCloser, a objstore.Attributes, err error) {
	rc, a, err = b.Bucket.Get(ctx, key, r)
	if strings.HasPrefix(key, layout.AlertPrefix) { // a run begins, or starts over
		b.l.mu.Lock()
		clear(b.l.lines)
		b.l.mu.Unlock()
	}
	if err == nil && b.w.cut && strings.HasPrefix(key, layout.RawPrefix) && r == (objstore.Range{}) {
		rc = cutBody{rc, io.MultiReader(io.LimitReader(rc, a.Size/2), iotest.ErrReader(errCut))}
	}
	return rc, a, err
}

// errCut is how some transports say that a connection has ended.
var errCut = fmt.Errorf("the connection has ended: %w", io.EOF)

type cutBody struct {
	io.Closer
	io.Reader
}

func (b bucket) Put(ctx context.Context, key string, body io.Reader, size int64, c objstore.Condition) (objstore.Attributes, error) {
	var copied bytes.Buffer
	if _, err := copied.ReadFrom(body); err != nil {
		return objstore.Attributes{}, err
	}
	a, err := b.Bucket.Put(ctx, key, bytes.NewReader(copied.Bytes()), size, c)
	if err == nil {
		b.w.commit(b.l, copied.Bytes())
		if b.w.acting.TryLock() {
			defer b.w.acting.Unlock()
			if !b.w.calm && b.w.rnd.IntN(10) == 0 {
				return objstore.Attributes{}, objtest.ErrInjected
			}
		}
	}
	return a, err
}

func (w *world) evaluate() {
	at := w.now().Truncate(time.Minute)
	if w.rnd.IntN(5) == 0 {
		at = at.Add(-time.Duration(w.rnd.IntN(3)) * time.Minute)
	}
	if sum, err := w.run(at); w.calm && (err != nil || sum.RulesFailed > 0) {
		w.t.Errorf("a run without faults: %+v, %v, rules %+v", sum, err, w.state().Rules)
	}
}

// run evaluates, by a new evaluator.
func (w *world) run(at time.Time) (alerting.Summary, error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	l := &ledger{lines: map[string]int{}}
	var err error
	if l.Engine, err = alerting.NewEngine(letheql.Options{}, w.now); err != nil {
		w.t.Fatal(err)
	}
	hooks := objtest.NewHooks(w.mem, objtest.Hooks{PageSize: 3, Before: func(_ context.Context, c objtest.Call) error { return w.meanwhile(c, cancel) }})
	b := bucket{hooks, w, l}
	src, err := scan.New(b, scan.Options{Plans: 1, Concurrency: 1})
	if err != nil {
		w.t.Fatal(err)
	}
	source := func(r objstore.Reader) (letheql.Source, error) { return src.Over(r), nil }
	e, err := alerting.New(w.groups, alerting.Options{
		Store: alertstore.NewStates(b), Arrivals: alertstore.NewArrivals(b, source, slog.New(slog.DiscardHandler)), Source: src, Engine: l,
		IngestDelay: time.Minute, Late: late, Now: w.now, NewID: w.id, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return e.Run(ctx, at)
}

// meanwhile is called before every call of an evaluator.
func (w *world) meanwhile(c objtest.Call, cancel context.CancelFunc) error {
	if !w.acting.TryLock() {
		return nil // the world is changing just now, for another call
	}
	defer w.acting.Unlock()
	if w.calm {
		return nil
	}
	switch n := w.rnd.IntN(120); {
	case strings.HasSuffix(c.Key, "manifest.json") && n < 40:
		// What comes after the listing, and is consumed and named before the manifest is read.
		w.upload()
		w.compact()
	case n < 20:
		w.upload()
	case n < 25:
		w.upload()
		w.compact()
	case n == 25:
		w.evaluate() // from its beginning to its end
	case n == 26:
		cancel()
		return context.Canceled
	case n == 27:
		return objtest.ErrInjected
	}
	return nil
}
