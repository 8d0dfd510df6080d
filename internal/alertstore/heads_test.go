package alertstore_test

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"lethe/alerting"
	"lethe/alerting/rulefile"
	"lethe/internal/alertstore"
	"lethe/internal/layout"
	"lethe/internal/scan"
	"lethe/letheql"
	"lethe/objstore"
)

// While the compactor is away, what waits for it is not got again for the late lines of each evaluation and group; a retry of it is known for one
// all the same, and what is no longer there when it has to be compared ends the run.
func TestBacklogIsReadOnce(t *testing.T) {
	w := newWorld(t, 1)
	shop := layout.Target{Kind: layout.Pod, Name: "shop"}
	counting := objstore.NewCounting(w.mem)
	src, err := scan.New(counting, scan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	a := alertstore.NewArrivals(counting, func(r objstore.Reader) (letheql.Source, error) { return src.Over(r), nil },
		slog.New(slog.NewTextHandler(io.Discard, nil)))
	seen := map[string]bool{}
	// late returns how many late lines there are, and how many objects were got for them.
	late := func(meanwhile func()) (lines int, gets int64, err error) {
		t.Helper()
		v, err := a.View(t.Context(), []rulefile.Scope{{Kind: layout.Pod}})
		if err != nil {
			t.Fatal(err)
		}
		meanwhile()
		before := counting.Counts().Gets
		q := alerting.LateSelect{Seen: func(a alerting.Arrival) bool { return seen[a.Key] }, Through: w.now().UnixNano(), MaxAge: time.Hour}
		for _, err := range v.Late(t.Context(), q) {
			if err != nil {
				return lines, 0, err
			}
			lines++
		}
		for a := range v.Arrived() {
			seen[a.Key] = true
		}
		return lines, counting.Counts().Gets - before, nil
	}
	nothing := func() {}
	expect := func(what string, wantLines int, wantGets int64) {
		t.Helper()
		if lines, gets, err := late(nothing); err != nil || lines != wantLines || gets != wantGets {
			t.Errorf("%s: %d lines by %d gets, %v; want %d by %d", what, lines, gets, err, wantLines, wantGets)
		}
	}
	const backlog = 50
	for i := range backlog {
		w.put(upload{target: shop, body: w.line(w.now(), fmt.Sprint(" of the backlog ", i))})
	}
	expect("the backlog", backlog, backlog)
	for range 3 {
		w.put(upload{target: shop, body: w.line(w.now(), "")})
		expect("one more", 1, 1)
	}
	// The retry, and the object that it is one of, are compared.
	first := w.bodies[0]
	w.put(upload{target: shop, body: first.body + w.line(w.now(), "")})
	lines, gets, err := late(nothing)
	if err != nil || lines != 1 || gets > 4 {
		t.Errorf("a retry with a line more: %d lines by %d gets, %v", lines, gets, err)
	}
	second := w.bodies[1]
	w.put(upload{target: shop, body: second.body})
	_, _, err = late(func() {
		if err := w.mem.Delete(t.Context(), second.key); err != nil {
			t.Fatal(err)
		}
	})
	if !errors.Is(err, alerting.ErrGone) || !strings.Contains(err.Error(), second.key) {
		t.Errorf("a retry of what is gone: %v", err)
	}
	// What was replaced in the moment in which it was put looks the same in a listing, but for its tag. It is found out once.
	if _, _, err := late(nothing); err != nil {
		t.Fatal(err)
	}
	third := w.bodies[2]
	again := strings.Replace(third.body, "line", "LINE", 1)
	w.overwrite(third.key, again)
	w.put(upload{target: shop, body: third.body})
	if _, _, err := late(nothing); !errors.Is(err, alerting.ErrGone) || !strings.Contains(err.Error(), third.key) {
		t.Errorf("a retry of what is another one: %v", err)
	}
	if _, _, err := late(nothing); err != nil {
		t.Errorf("once more: %v", err)
	}
}

// overwrite puts another body of the same length under a key, at the very time at which it was put.
func (w *world) overwrite(key, body string) {
	w.t.Helper()
	now := w.clock.Load()
	defer w.clock.Store(now)
	attrs, err := w.mem.Stat(w.t.Context(), key)
	if err != nil {
		w.t.Fatal(err)
	}
	w.clock.Store(attrs.LastModified.UnixNano())
	if _, err := w.mem.Put(w.t.Context(), key, strings.NewReader(body), int64(len(body)), objstore.Condition{}); err != nil {
		w.t.Fatal(err)
	}
}
