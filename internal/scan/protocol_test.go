package scan_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"lethe/internal/block"
	"lethe/internal/catalog"
	"lethe/internal/layout"
	"lethe/internal/record"
	"lethe/internal/scan"
	"lethe/letheql"
	"lethe/objstore"
	"lethe/objstore/objtest"
)

var podDefault = layout.Target{Kind: layout.Pod, Name: "default"}

// row returns a pod's line at a second after the epoch.
func row(second int, log string) record.Row {
	return record.Row{
		Time: epoch.Add(time.Duration(second) * time.Second).UnixNano(), Namespace: "default", Pod: "pod-0", Container: "c0", Stream: "stdout", Node: "node-0", Log: []byte(log),
	}
}

func all() letheql.Select {
	return letheql.Select{Kind: layout.Pod, Start: 0, End: 1 << 62, NeedLog: true, Matchers: []*labels.Matcher{labels.MustNewMatcher(labels.MatchEqual, "namespace", "default")}}
}

// manifest changes the manifest of the default namespace.
func (w *world) manifest(change func(m *catalog.Manifest)) {
	w.t.Helper()
	snap, err := catalog.Load(context.Background(), w.bucket, podDefault)
	if err != nil {
		w.t.Fatal(err)
	}
	next := snap.Manifest.Clone()
	change(next)
	store := &catalog.Store{Bucket: w.bucket, NewID: func() string { w.ids++; return "m" + strings.Repeat("x", w.ids) }}
	if _, err := store.Swap(context.Background(), snap, next); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) delete(keys ...string) {
	if err := w.bucket.Delete(context.Background(), keys...); err != nil {
		w.t.Fatal(err)
	}
}

// merge writes all blocks of an hour anew, as a merge does, and deletes the old ones at once.
func (w *world) merge(h layout.Hour) {
	var rows []*record.Row
	for i := range w.lines {
		if r := &w.lines[i].Row; layout.HourOf(r.Time) == h {
			rows = append(rows, r)
		}
	}
	slices.SortStableFunc(rows, func(a, b *record.Row) int { return record.CompareStored(layout.Pod, a, b) })
	w.ids++
	merged := w.writeBlock(podDefault, h, rows, w.now)
	var old []string
	w.manifest(func(m *catalog.Manifest) {
		m.Blocks = slices.DeleteFunc(m.Blocks, func(b catalog.Block) bool {
			if b.Hour != h {
				return false
			}
			old = append(old, b.Key)
			m.Replaced = append(m.Replaced, catalog.Tombstone{Key: b.Key})
			return true
		})
		m.Blocks = append(m.Blocks, merged)
	})
	w.delete(old...)
}

func isBlock(key string) bool { return strings.HasSuffix(key, ".parquet") }

// hook calls before for each get of a block.
func hook(b objstore.Bucket, before func(ctx context.Context, key string)) objstore.Bucket {
	return objtest.NewHooks(b, objtest.Hooks{Before: func(ctx context.Context, c objtest.Call) error {
		if c.Op == objtest.GetOp && isBlock(c.Key) {
			before(ctx, c.Key)
		}
		return nil
	}})
}

func TestPlansAgainWhenABlockIsGone(t *testing.T) {
	w := newWorld(t)
	w.compact([]rawObject{w.put(podDefault, []record.Row{row(1, "a"), row(2, "b")})})
	w.compact([]rawObject{w.put(podDefault, []record.Row{row(1, "c"), row(4000, "d")})})
	var once sync.Once
	b := hook(w.bucket, func(context.Context, string) { once.Do(func() { w.merge(layout.HourOf(epoch.UnixNano())) }) })
	got, err := collect(t.Context(), newScanner(t, b, scan.Options{}), all(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if d := diff(got, texts(all(), w.naive(all()))); d != "" {
		t.Error(d)
	}
}

func TestPlansAreBounded(t *testing.T) {
	w := newWorld(t)
	w.compact([]rawObject{w.put(podDefault, []record.Row{row(1, "a")})})
	b := hook(w.bucket, func(context.Context, string) { w.merge(layout.HourOf(epoch.UnixNano())) }) // however often it is tried
	var stats letheql.Stats
	_, err := collect(t.Context(), newScanner(t, b, scan.Options{Plans: 3}), all(), &stats)
	if !errors.Is(err, letheql.ErrChanged) || stats.Lists != 3 {
		t.Errorf("got %v after %d listings", err, stats.Lists)
	}
}

// TestNoPlanAfterOutput: once rows have gone out, an object that is gone is an error, for running again would double them.
func TestNoPlanAfterOutput(t *testing.T) {
	w := newWorld(t)
	w.compact([]rawObject{w.put(podDefault, []record.Row{row(1, "a"), row(4000, "b")})})
	second := layout.HourOf(epoch.UnixNano()) + 1
	went := make(chan struct{})
	b := hook(w.bucket, func(ctx context.Context, key string) {
		if _, h, _, _ := layout.ParseBlock(key); h != second {
			return
		}
		select {
		case <-went:
			w.merge(second)
		case <-ctx.Done():
		}
	})
	s := all()
	s.Limit = 10
	rows := 0
	var failed error
	for _, err := range newScanner(t, b, scan.Options{}).Lines(t.Context(), s, nil) {
		if failed = err; err == nil {
			rows++
			close(went)
		}
	}
	if rows != 1 || !errors.Is(failed, letheql.ErrChanged) {
		t.Errorf("%d rows, then %v", rows, failed)
	}
}

func TestCancel(t *testing.T) {
	w := newWorld(t)
	w.compact([]rawObject{w.put(podDefault, []record.Row{row(1, "a")})})
	waiting := make(chan struct{})
	b := hook(w.bucket, func(ctx context.Context, _ string) {
		close(waiting)
		<-ctx.Done()
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := collect(ctx, newScanner(t, b, scan.Options{}), all(), nil)
		done <- err
	}()
	<-waiting
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// TestNamesThatAreNoTargets: the store sees no key that a label value makes up.
func TestNamesThatAreNoTargets(t *testing.T) {
	w := newWorld(t)
	w.put(podDefault, []record.Row{row(1, "a")})
	for _, name := range []string{"../../x", "a/b", "", ".", "..", "default/", strings.Repeat("x", 2000), "\xff", ".lethe"} {
		calls := 0
		b := objtest.NewHooks(w.bucket, objtest.Hooks{Before: func(context.Context, objtest.Call) error { calls++; return nil }})
		s := all()
		s.Matchers = []*labels.Matcher{labels.MustNewMatcher(labels.MatchEqual, "namespace", name)}
		got, err := collect(t.Context(), newScanner(t, b, scan.Options{}), s, nil)
		if err != nil || len(got) != 0 || calls != 0 {
			t.Errorf("%q: %d rows, %v, %d calls", name, len(got), err, calls)
		}
	}
}

func TestWatermark(t *testing.T) {
	w := newWorld(t)
	w.put(podDefault, []record.Row{row(-1, "before"), row(0, "at")})
	w.manifest(func(m *catalog.Manifest) { m.Watermark = epoch.UnixNano() })
	got, err := collect(t.Context(), newScanner(t, w.bucket, scan.Options{}), all(), nil)
	if err != nil || len(got) != 1 || !strings.Contains(got[0], `"at"`) {
		t.Errorf("got %q and %v", got, err)
	}
}

// TestRetryOfASealedDay: an agent's retry of an object that was consumed long ago, longer than that, brings only what is new; the memory
// is with the sealed day of the first record, which the key need not name.
func TestRetryOfASealedDay(t *testing.T) {
	for _, hour := range []layout.Hour{layout.HourOf(epoch.UnixNano()), layout.HourOf(epoch.UnixNano()) + 100} {
		w := newWorld(t)
		first := w.put(podDefault, []record.Row{row(1, "a"), row(2, "b")})
		body := w.read(first.key)
		w.compact([]rawObject{first})
		bodies := identify(t, w, podDefault)
		store := &catalog.Store{Bucket: w.bucket, NewID: func() string { return "s1" }}
		w.manifest(func(m *catalog.Manifest) {
			day := layout.HourOf(epoch.UnixNano()).Day()
			sealed, err := store.Seal(t.Context(), podDefault, day, m.Blocks, bodies)
			if err != nil {
				t.Fatal(err)
			}
			m.Sealed, m.Blocks, m.Consumed = []catalog.Sealed{sealed}, nil, nil
		})
		w.delete(first.key)
		w.store(layout.RawKey(podDefault, hour, "retry.jsonl"), append(body, `{"time":"2026-03-01T10:30:00Z","pod":"pod-0","container":"c0","log":"new"}`+"\n"...))
		for _, from := range []time.Time{epoch.Add(-time.Hour), epoch.Add(80 * time.Minute)} {
			s := all()
			s.Start = from.UnixNano()
			got, err := collect(t.Context(), newScanner(t, w.bucket, scan.Options{}), s, nil)
			want := 3
			if from.After(epoch) {
				want = 1
			}
			if err != nil || len(got) != want {
				t.Errorf("from %s: %q and %v", from, got, err)
			}
		}
	}
}

func (w *world) read(key string) []byte {
	rc, _, err := w.bucket.Get(context.Background(), key, objstore.Range{})
	if err != nil {
		w.t.Fatal(err)
	}
	data, err := io.ReadAll(rc)
	if err = errors.Join(err, rc.Close()); err != nil {
		w.t.Fatal(err)
	}
	return data
}

// change replaces an object.
func (w *world) change(key string, f func([]byte) []byte) { w.store(key, f(w.read(key))) }

func TestUnreadableObjects(t *testing.T) {
	w := newWorld(t)
	w.put(podDefault, []record.Row{row(1, "good")})
	w.compact([]rawObject{w.put(podDefault, []record.Row{row(2, "in a block")})})
	bad := w.put(podDefault, []record.Row{row(3, "bad")})
	w.change(bad.key, func([]byte) []byte { return []byte("\x1f\x8b\x08 this is no gzip") })
	var damaged string
	w.manifest(func(m *catalog.Manifest) { damaged = m.Blocks[0].Key })
	w.change(damaged, func(b []byte) []byte {
		b[len(b)-9] ^= 0xff
		return b
	})
	for _, partial := range []bool{false, true} {
		var stats letheql.Stats
		got, err := collect(t.Context(), newScanner(t, w.bucket, scan.Options{Partial: partial}), all(), &stats)
		if !partial {
			if err == nil || (!strings.Contains(err.Error(), bad.key) && !strings.Contains(err.Error(), damaged)) {
				t.Errorf("the error names no object: %v", err)
			}
			continue
		}
		if err != nil || len(got) != 1 || !slices.Equal(stats.Skipped, []string{damaged, bad.key}) {
			t.Errorf("got %q, %v, skipped %q", got, err, stats.Skipped)
		}
	}
}

// TestDamagedIndex: a block whose line index is damaged is searched as a whole, and counted.
func TestDamagedIndex(t *testing.T) {
	w := newWorld(t)
	r := rand.New(rand.NewPCG(3, 3))
	var objects []rawObject
	for range 20 {
		objects = append(objects, w.put(podDefault, randomRows(r, podDefault)))
	}
	w.compact(objects)
	blocks := int64(0)
	w.manifest(func(m *catalog.Manifest) {
		for _, b := range m.Blocks {
			w.change(b.Key, func(data []byte) []byte {
				i := bytes.Index(data, []byte("LTLI"))
				data[i+20] ^= 0xff
				return data
			})
			blocks++
		}
	})
	for range 40 {
		s := randomSelect(r)
		s.Kind, s.Matchers = layout.Pod, nil
		s.Matchers = append(s.Matchers, labels.MustNewMatcher(labels.MatchEqual, "pod", "pod-1"), labels.MustNewMatcher(labels.MatchEqual, "stream", "stderr"))
		var stats letheql.Stats
		got, err := collect(t.Context(), newScanner(t, w.bucket, scan.Options{TailCache: -1}), s, &stats)
		if err != nil {
			t.Fatal(err)
		}
		if d := diff(got, texts(s, w.naive(s))); d != "" {
			t.Error(d)
		}
		if s.Limit == 0 && stats.IndexErrors != stats.Blocks {
			t.Errorf("%d of %d damaged indexes are counted", stats.IndexErrors, stats.Blocks)
		}
	}
}

// TestHugeLimitCostsNoMoreThanNone: no sum or product with the limit overflows, after which each row would have all of them sorted.
func TestHugeLimitCostsNoMoreThanNone(t *testing.T) {
	w := newWorld(t)
	var rows []record.Row
	for i := range 600 {
		rows = append(rows, row(i, strings.Repeat("x", 1000)))
	}
	w.put(podDefault, rows)
	allocated := func(limit int) uint64 {
		sel := all()
		sel.Limit = limit
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		got, err := collect(t.Context(), newScanner(t, w.bucket, scan.Options{}), sel, nil)
		runtime.ReadMemStats(&after)
		if err != nil || len(got) != len(rows) {
			t.Errorf("limit %d: %d rows, %v", limit, len(got), err)
		}
		return after.TotalAlloc - before.TotalAlloc
	}
	none := allocated(0)
	for _, limit := range []int{math.MaxInt, math.MaxInt / 2, 5e18} {
		if n := allocated(limit); n > 2*none {
			t.Errorf("limit %d: %d bytes are allocated, %d without one", limit, n, none)
		}
	}
}

func TestLimits(t *testing.T) {
	w := newWorld(t)
	var rows []record.Row
	for i := range 3000 {
		rows = append(rows, row(i, strings.Repeat("x", 1000)))
	}
	o := w.put(podDefault, rows)
	sc := newScanner(t, w.bucket, scan.Options{Memory: 1 << 20})
	if got, err := collect(t.Context(), sc, all(), nil); err != nil || len(got) != 3000 {
		t.Errorf("3 MB of raw lines in 1 MiB: %d rows, %v", len(got), err)
	}
	few := all()
	few.Limit = 10
	if got, err := collect(t.Context(), newScanner(t, w.bucket, scan.Options{Memory: 16 << 20}), few, nil); err != nil || len(got) != 10 {
		t.Errorf("10 of them: %d rows, %v", len(got), err)
	}
	w.compact([]rawObject{o})
	if got, err := collect(t.Context(), sc, all(), nil); err != nil || len(got) != 3000 {
		t.Errorf("3 MB of a block in 1 MiB: %d rows, %v", len(got), err)
	}
	tight := newScanner(t, w.bucket, scan.Options{MaxBytes: 500})
	if _, err := collect(t.Context(), tight, all(), nil); !errors.Is(err, letheql.ErrLimit) {
		t.Errorf("more bytes than the query may fetch: %v", err)
	}
	late := w.put(podDefault, rows[:1000])
	arrived, err := w.bucket.Stat(t.Context(), late.key)
	if err != nil {
		t.Fatal(err)
	}
	now := func() time.Time { return arrived.LastModified.Add(90 * time.Minute) }
	_, err = collect(t.Context(), newScanner(t, w.bucket, scan.Options{MaxBytes: 2000, Now: now}), all(), nil)
	for _, part := range []string{
		"query.max_bytes is 2.0 KiB, and it needs up to ", " of 1 target; a shorter range or a matcher on pod would cut that",
		" of it are backlog: the compactor is 1 object and 90 minutes behind",
	} {
		if !errors.Is(err, letheql.ErrLimit) || !strings.Contains(err.Error(), part) {
			t.Errorf("%v: want %q", err, part)
		}
	}
}

// TestReadsNoMoreThanItMust: the newest lines of many hours come from the last hour, and a rare word from the pages that have it.
func TestReadsNoMoreThanItMust(t *testing.T) {
	w := newWorld(t)
	w.block = block.Options{PageBytes: 64 << 10, MinPageBytes: 16 << 10}
	for hour := range 24 {
		var rows []record.Row
		for i := range 3000 {
			log := strings.Repeat(words[i%len(words)]+" ", 40)
			if hour == 3 && i == 77 {
				log = "a needle in the hay"
			}
			rows = append(rows, row(hour*3600+i, log+strings.Repeat("y", i%50)))
		}
		w.compact([]rawObject{w.put(podDefault, rows)})
	}
	gets := map[layout.Hour]int{}
	var mu sync.Mutex
	b := hook(w.bucket, func(_ context.Context, key string) {
		_, h, _, _ := layout.ParseBlock(key)
		mu.Lock()
		defer mu.Unlock()
		gets[h]++
	})
	newest := all()
	newest.Direction, newest.Limit = letheql.Backward, 100
	var stats letheql.Stats
	got, err := collect(t.Context(), newScanner(t, b, scan.Options{}), newest, &stats)
	if err != nil {
		t.Fatal(err)
	}
	if d := diff(got, texts(newest, w.naive(newest))); d != "" {
		t.Error(d)
	}
	if len(gets) != 1 || stats.BytesScanned > 1<<20 {
		t.Errorf("blocks of the hours %v were read, %d bytes searched", gets, stats.BytesScanned)
	}
	needle := all()
	needle.Filters = []letheql.LineFilter{{Op: letheql.Contains, Text: "needle in the"}}
	stats = letheql.Stats{}
	sc := newScanner(t, b, scan.Options{})
	got, err = collect(t.Context(), sc, needle, &stats)
	if err != nil || len(got) != 1 {
		t.Fatalf("%q, %v", got, err)
	}
	if read := stats.Pages - stats.PagesPruned; read != 1 {
		t.Errorf("%d of %d pages were read for one line", read, stats.Pages)
	}
	clear(gets)
	stats = letheql.Stats{}
	if _, err = collect(t.Context(), sc, needle, &stats); err != nil || len(gets) != 0 || stats.CacheHits == 0 {
		t.Errorf("again: %v, blocks of the hours %v were read, %d hits", err, gets, stats.CacheHits)
	}
}

func TestExplain(t *testing.T) {
	w := newWorld(t)
	w.random(rand.New(rand.NewPCG(5, 5)), 40)
	s := all()
	s.Start, s.End = epoch.Add(-time.Hour).UnixNano(), epoch.Add(4*time.Hour).UnixNano()
	sc := newScanner(t, w.bucket, scan.Options{})
	p, err := sc.Explain(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	var stats letheql.Stats
	if _, err := collect(t.Context(), sc, s, &stats); err != nil {
		t.Fatal(err)
	}
	if len(p.Targets) != 1 || int64(p.Targets[0].Blocks) != stats.Blocks || int64(p.Targets[0].Raw) != stats.RawObjects || stats.Blocks == 0 || stats.RawObjects == 0 {
		t.Errorf("the plan is %+v, the query took %+v", p, stats)
	}
	if stats.BytesFetched > p.MaxBytes || stats.Gets > p.Gets || stats.Lists != p.Lists {
		t.Errorf("the query took more than the plan: %+v, %+v", p, stats)
	}
}

func TestOptions(t *testing.T) {
	for name, o := range map[string]scan.Options{
		"Concurrency": {Concurrency: -1}, "Decoders": {Decoders: 300}, "GetBytes": {GetBytes: 1}, "Memory": {Memory: 1}, "MaxBytes": {MaxBytes: -1},
		"MaxQueries": {MaxQueries: -1}, "Plans": {Plans: -1}, "Fanout.Pieces": {Fanout: scan.Fanout{Pieces: 65}}, "Fanout.Bytes": {Fanout: scan.Fanout{Bytes: -1}},
	} {
		if _, err := scan.New(nil, o); !errors.Is(err, scan.ErrOptions) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestGate: a query over the number of those that may run waits for its turn, and for no longer than its context lasts.
func TestGate(t *testing.T) {
	w := newWorld(t)
	w.put(podDefault, []record.Row{row(1, "a")})
	sc := newScanner(t, w.bucket, scan.Options{MaxQueries: 1})
	for _, err := range sc.Lines(t.Context(), all(), nil) {
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := collect(ctx, sc, all(), nil); !errors.Is(err, context.Canceled) {
			t.Errorf("a second query at once: %v", err)
		}
	}
	if got, err := collect(t.Context(), sc, all(), nil); err != nil || len(got) != 1 {
		t.Errorf("after that: %q, %v", got, err)
	}
}
