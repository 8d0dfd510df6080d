package compactor

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"lethe/internal/layout"
	"lethe/objstore"
	"lethe/objstore/objtest"
)

// meddle is what others do while a compactor is stopped at one of its calls.
type meddle struct {
	name string
	do   func(t *testing.T, w *world, b objstore.Bucket)
}

// onePass is another compactor that does the same work meanwhile.
func onePass(t *testing.T, w *world, b objstore.Bucket) {
	t.Helper()
	if _, err := w.compactor(b, busyOptions).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
}

var meddling = []meddle{
	{"an upload and a pass without a sweep", func(t *testing.T, w *world, b objstore.Bucket) {
		w.upload(shop, "meanwhile", linesAt("meanwhile", w.Now(), 3))
		c := w.compactor(b, func(o *Options) { busyOptions(o); o.SweepAge = 100 * time.Hour })
		if _, err := c.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
	}},
	{"an hour of passes", func(t *testing.T, w *world, b objstore.Bucket) {
		// Long enough that what is consumed and replaced is deleted, and its names are forgotten.
		w.upload(shop, "meanwhile", linesAt("meanwhile", w.Now(), 3))
		for range 4 {
			onePass(t, w, b)
			w.advance(21 * time.Minute)
		}
	}},
	{"a sweep", func(t *testing.T, w *world, b objstore.Bucket) {
		c := w.compactor(b, busyOptions)
		if err := c.newPass(t.Context()).sweep(t.Context(), shop); err != nil {
			t.Fatal(err)
		}
	}},
}

// A compactor is stopped before each of its calls, and goes on after others have done all that they can do. Whatever it knows by then is old.
func TestStoppedAnywhere(t *testing.T) {
	for _, tc := range memories() {
		t.Run(tc.name, func(t *testing.T) {
			base := busyWorld(t, tc.retries, tc.wrap)
			w := base.clone()
			quiet := objtest.NewFaults(tc.wrap(w.mem), 2, func(objtest.Call) objtest.Fault { return objtest.None })
			if _, err := w.compactor(quiet, busyOptions).Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			for i, call := range quiet.Calls() {
				for _, m := range meddling {
					when := fmt.Sprintf("%s before call %d, %s %s", m.name, i+1, call.Op, call.Key)
					stopped(t, base.clone(), tc.wrap, when, i+1, m)
				}
			}
		})
	}
}

func stopped(t *testing.T, w *world, wrap func(objstore.Bucket) objstore.Bucket, when string, n int, m meddle) {
	t.Helper()
	b := objtest.NewHooks(wrap(w.mem), objtest.Hooks{PageSize: 2, Before: func(_ context.Context, c objtest.Call) error {
		if c.N == n {
			m.do(t, w, wrap(w.mem))
			w.checkEither(when + ", meddled")
		}
		return nil
	}})
	if _, err := w.compactor(b, busyOptions).Run(t.Context()); err != nil {
		t.Fatalf("%s: %v", when, err)
	}
	w.checkEither(when)
	for range 4 {
		w.advance(21 * time.Minute)
		onePass(t, w, wrap(w.mem))
	}
	w.checkClean(when)
	if problem := w.compare(t.Context(), w.mem, w.retained()); problem != "" {
		t.Fatalf("%s, at last: %s", when, problem)
	}
}

// A reader is stopped before each of its calls in the same way: its answer is complete and without doubles, or it plans again.
func TestReaderStoppedAnywhere(t *testing.T) {
	for _, tc := range memories() {
		t.Run(tc.name, func(t *testing.T) {
			base := busyWorld(t, tc.retries, tc.wrap)
			for i := 1; ; i++ {
				reached := false
				for _, m := range meddling {
					reached = readerStopped(t, base.clone(), tc, m, i) || reached
				}
				if !reached {
					return
				}
			}
		})
	}
}

// readerStopped meddles before the i-th call of a reader; it is false where there is none.
func readerStopped(t *testing.T, w *world, tc memory, m meddle, i int) bool {
	t.Helper()
	var calls atomic.Int64 // a reader gets several objects at once
	b := objtest.NewHooks(w.mem, objtest.Hooks{PageSize: 2, Before: func(_ context.Context, c objtest.Call) error {
		if calls.Add(1); c.N == i {
			m.do(t, w, tc.wrap(w.mem))
		}
		return nil
	}})
	must := w.retained()
	rows, err := readAll(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for _, r := range rows {
		got[r.text]++
	}
	checkOnce(t, fmt.Sprintf("%s before call %d of a reader", m.name, i), got, must)
	return calls.Load() >= int64(i)
}

// checkOnce checks that nothing came twice, and that all came that must.
func checkOnce(t *testing.T, when string, got map[string]int, must map[string]string) {
	t.Helper()
	for text, n := range got {
		if n > 1 {
			t.Fatalf("%s: %q comes %d times", when, text, n)
		}
	}
	for text := range must {
		if got[text] == 0 {
			t.Fatalf("%s: %q is missing", when, text)
		}
	}
}

// b0 is put; a sweeper lists it and reads the manifest; its compactor swaps it in; the sweeper must not delete it any more.
func TestSweepIsFenced(t *testing.T) {
	for _, tc := range memories() {
		t.Run(tc.name, func(t *testing.T) { sweepIsFenced(t, tc.wrap) })
	}
}

func sweepIsFenced(t *testing.T, wrap func(objstore.Bucket) objstore.Bucket) {
	w := newWorld(t)
	w.mem = wrap(w.mem)
	w.upload(shop, "a", linesAt("a", epoch, 3))
	w.run(nil)
	w.upload(shop, "b", linesAt("b", epoch, 3))

	isSwap := func(c objtest.Call) bool { return c.Op == objtest.PutOp && c.Key == layout.ManifestKey(shop) }
	atSwap, goOn, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	first := true
	slow := objtest.NewHooks(w.mem, objtest.Hooks{Before: func(_ context.Context, c objtest.Call) error {
		if isSwap(c) && first {
			first = false
			close(atSwap)
			<-goOn
		}
		return nil
	}})
	writer := w.compactor(slow, nil)
	go func() {
		_, err := writer.Run(t.Context())
		ended <- err
	}()
	<-atSwap
	swapping := false
	sweeper := objtest.NewHooks(w.mem, objtest.Hooks{Before: func(_ context.Context, c objtest.Call) error {
		if isSwap(c) {
			swapping = true
			close(goOn)
			return <-ended
		}
		return nil
	}})
	if err := w.compactor(sweeper, nil).newPass(t.Context()).sweep(t.Context(), shop); err != nil {
		t.Fatal(err)
	}
	if !swapping {
		t.Fatal("the sweeper saw no orphan, so the test has tested nothing")
	}
	w.check("after the sweep")
	w.settle("at last", nil)
}

// A request that was lost lands when the world has moved on: an old swap fails, for no ETag comes twice; an old put of a raw object lands while its
// name is still remembered.
func TestOldRequests(t *testing.T) {
	for _, tc := range memories() {
		t.Run(tc.name, func(t *testing.T) { oldRequests(t, tc.wrap) })
	}
}

func oldRequests(t *testing.T, wrap func(objstore.Bucket) objstore.Bucket) {
	w := newWorld(t)
	w.mem = wrap(w.mem)
	key := w.upload(shop, "a", linesAt("a", epoch, 3))
	body := w.get(key)
	isSwap := func(c objtest.Call) objtest.Fault {
		if c.Op == objtest.PutOp && strings.HasSuffix(c.Key, "manifest.json") {
			return objtest.LateReply
		}
		return objtest.None
	}
	b := objtest.NewFaults(w.mem, 0, isSwap)
	if _, err := w.compactor(b, nil).Run(t.Context()); err == nil {
		t.Fatal("a pass whose swaps all fail has ended well")
	}
	w.run(nil)
	b.Release(t.Context())
	w.check("an old swap has arrived")
	w.advance(14 * time.Minute)
	w.run(nil)
	w.put(key, body)
	w.check("an old put has arrived")
	w.settle("at last", nil)
}

// A commit whose input another compactor has consumed and deleted starts over, and the summary says so.
func TestStartedOver(t *testing.T) {
	w := newWorld(t)
	key := w.upload(shop, "a", linesAt("a", epoch, 3))
	w.advance(time.Minute)
	meddled := false
	b := objtest.NewHooks(w.mem, objtest.Hooks{Before: func(_ context.Context, c objtest.Call) error {
		if c.Op == objtest.GetOp && c.Key == key && !meddled {
			meddled = true
			for range 3 {
				w.run(nil)
				w.advance(21 * time.Minute)
			}
		}
		return nil
	}})
	s, err := w.compactor(b, nil).Run(t.Context())
	if err != nil || !meddled || s.StartedOver != 1 || s.SwapsLost != 0 {
		t.Errorf("%v, and the summary is\n%s", err, s)
	}
	w.check("started over")
}
