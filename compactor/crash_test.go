package compactor

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"strings"
	"testing"
	"time"

	"lethe/internal/layout"
	"lethe/objstore"
	"lethe/objstore/objtest"
)

// forgetful is a bucket whose manifests and sealed days keep no memory of bodies. Remembering digests hides half of what a wrong order
// of calls does, so the fault tests run over it as well.
type forgetful struct{ objstore.Bucket }

func (f forgetful) Put(ctx context.Context, key string, body io.Reader, size int64, c objstore.Condition) (objstore.Attributes, error) {
	if !strings.HasSuffix(key, "/manifest.json") && !strings.Contains(key, "/sealed/") {
		return f.Bucket.Put(ctx, key, body, size, c)
	}
	data, err := io.ReadAll(body)
	if err != nil {
		return objstore.Attributes{}, err
	}
	var doc map[string]json.RawMessage
	if err := json.Unmarshal(data, &doc); err != nil {
		return objstore.Attributes{}, err
	}
	for _, memory := range []string{"bodies", "memory", "names"} {
		delete(doc, memory)
	}
	if data, err = json.Marshal(doc); err != nil {
		return objstore.Attributes{}, err
	}
	return f.Bucket.Put(ctx, key, bytes.NewReader(data), int64(len(data)), c)
}

// memory is how a fault test runs: with digests remembered, and agents that send again; or with none, and none that do.
type memory struct {
	name    string
	retries bool
	wrap    func(objstore.Bucket) objstore.Bucket
}

func memories() []memory {
	return []memory{
		{"remembering", true, func(b objstore.Bucket) objstore.Bucket { return b }},
		{"forgetting", false, func(b objstore.Bucket) objstore.Bucket { return forgetful{b} }},
	}
}

// busyOptions make a pass do all that a pass can do on what busyWorld holds.
func busyOptions(o *Options) {
	o.FanIn = 2
	o.Settle, o.SealDelay = 30*time.Minute, 30*time.Minute
	o.Retention.Time = 72 * time.Hour
}

// busyWorld is a bucket in which the next pass has everything to do: retain, commit, delete, drop names, merge, seal, sweep.
func busyWorld(t *testing.T, retries bool, wrap func(objstore.Bucket) objstore.Bucket) *world {
	w := newWorld(t)
	keepAll := func(o *Options) { busyOptions(o); o.Retention.Time = 0 }
	pass := func() {
		if _, err := w.compactor(wrap(w.mem), keepAll).Run(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	yesterday := epoch.Add(-23 * time.Hour)
	first := linesAt("a1", epoch.Add(-30*time.Minute), 8)
	w.upload(shop, "old", linesAt("old", epoch.Add(-73*time.Hour), 4))
	w.upload(shop, "y1", linesAt("y1", yesterday, 4))
	w.upload(shop, "a1", first[:4])
	pass()
	w.advance(time.Minute)
	w.upload(shop, "y2", linesAt("y2", yesterday.Add(time.Minute), 4))
	w.upload(shop, "a2", linesAt("a2", epoch.Add(-2*time.Second), 4)) // in two hours
	pass()
	w.put(layout.BlockKey(shop, layout.HourOf(epoch.UnixNano()), "orphan"), []byte("what a compactor left that died"))
	w.put(layout.SealedKey(shop, "2026-02-28", "orphan"), []byte("{}"))
	w.advance(31 * time.Minute)
	w.upload(shop, "b1", linesAt("b1", w.Now().Add(-time.Minute), 4))
	w.upload(shop, "b2", linesAt("b2", w.Now().Add(-time.Minute), 4))
	// With another target that has work, commits are prepared by one listing for both.
	w.upload(layout.Target{Kind: layout.Pod, Name: "bank"}, "c", linesAt("c", w.Now().Add(-time.Minute), 2))
	if retries {
		w.upload(shop, "a1-again", first)
		w.upload(shop, "b1-again", linesAt("b1", w.Now().Add(-time.Minute), 4))
	}
	return w
}

// retained returns the lines without those that retention removes.
func (w *world) retained() map[string]string {
	out := maps.Clone(w.lines)
	maps.DeleteFunc(out, func(text, _ string) bool { return strings.HasPrefix(text, "old ") })
	return out
}

// checkEither checks that a reader sees the lines that are kept, and either all of those that retention removes or none.
func (w *world) checkEither(when string) {
	w.t.Helper()
	all := w.compare(w.t.Context(), w.mem, w.lines)
	if all == "" {
		return
	}
	if kept := w.compare(w.t.Context(), w.mem, w.retained()); kept != "" {
		w.t.Fatalf("%s: with the old lines: %s; without: %s", when, all, kept)
	}
}

// A compactor dies at each of its calls, before it, after it, or with its reply lost now or for later; or lives on after the call failed.
// Whatever happens a query sees every line once, and the passes after it leave only what is live.
func TestCrashAnywhere(t *testing.T) {
	for _, tc := range memories() {
		t.Run(tc.name, func(t *testing.T) {
			base := busyWorld(t, tc.retries, tc.wrap)
			w := base.clone()
			quiet := objtest.NewFaults(tc.wrap(w.mem), 2, func(objtest.Call) objtest.Fault { return objtest.None })
			s, err := w.compactor(quiet, busyOptions).Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if s.Commits == 0 || s.Merged.Merges == 0 || s.DaysSealed == 0 || s.Deleted.Raw == 0 || s.Deleted.Replaced == 0 ||
				s.Deleted.Hours == 0 || s.Deleted.Orphans != 2 || (s.In.Duplicates == 1) != tc.retries {
				t.Fatalf("the pass does not do all that a pass can do:\n%s", s)
			}
			crashes := 0
			for i, call := range quiet.Calls() {
				for name, decide := range faultsAt(i+1, call.Op) {
					crash(t, base.clone(), tc.wrap, fmt.Sprintf("%s call %d, %s %s", name, i+1, call.Op, call.Key), decide)
					crashes++
				}
			}
			t.Logf("%d calls, %d crashes", len(quiet.Calls()), crashes)
		})
	}
}

// faultsAt returns what can happen at a call.
func faultsAt(n int, op objtest.Op) map[string]func(objtest.Call) objtest.Fault {
	out := map[string]func(objtest.Call) objtest.Fault{
		"dies before": objtest.DieAt(n, objtest.Before),
		"dies after":  objtest.DieAt(n, objtest.None),
		"fails at":    objtest.FailAt(n, objtest.Before),
	}
	switch op {
	case objtest.PutOp, objtest.DeleteOp:
		out["dies, late"] = objtest.DieAt(n, objtest.LateReply)
		out["lost reply of"] = objtest.FailAt(n, objtest.LostReply)
		out["late reply of"] = objtest.FailAt(n, objtest.LateReply)
	case objtest.GetOp:
		out["cut body of"] = objtest.FailAt(n, objtest.CutBody)
	}
	return out
}

func crash(t *testing.T, w *world, wrap func(objstore.Bucket) objstore.Bucket, when string, decide func(objtest.Call) objtest.Fault) {
	t.Helper()
	b := objtest.NewFaults(wrap(w.mem), 2, decide)
	// The error is the fault's; what counts is what the bucket holds.
	_, _ = w.compactor(b, busyOptions).Run(t.Context())
	w.checkEither(when)
	resume := func() {
		if _, err := w.compactor(wrap(w.mem), busyOptions).Run(t.Context()); err != nil {
			t.Fatalf("%s: resumed: %v", when, err)
		}
		w.checkEither(when + ", resumed")
	}
	if strings.Contains(when, "late") {
		// The request that was lost arrives after another pass has done its work.
		resume()
		b.Release(t.Context())
		w.checkEither(when + ", arrived")
	}
	for range 4 {
		w.advance(21 * time.Minute)
		resume()
	}
	w.checkClean(when)
	if problem := w.compare(t.Context(), w.mem, w.retained()); problem != "" {
		t.Fatalf("%s, at last: %s", when, problem)
	}
}
