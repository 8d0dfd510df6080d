package scan_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"lethe/internal/catalog"
	"lethe/internal/layout"
	"lethe/internal/record"
	"lethe/internal/scan"
	"lethe/letheql"
	"lethe/objstore"
	"lethe/objstore/objtest"
)

// calls is a bucket that notes what is asked of it, and calls before each call.
type calls struct {
	mu     sync.Mutex
	seen   []string
	before func(ctx context.Context, call string)
}

func (c *calls) hooks() objtest.Hooks {
	return objtest.Hooks{Before: func(ctx context.Context, call objtest.Call) error {
		text := string(call.Op) + " " + call.Key
		c.mu.Lock()
		c.seen = append(c.seen, text)
		c.mu.Unlock()
		if c.before != nil {
			c.before(ctx, text)
		}
		return nil
	}}
}

// take returns the calls since it was called last, in order.
func (c *calls) take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := c.seen
	c.seen = nil
	slices.Sort(out)
	return out
}

// forget compacts objects, deletes them and drops their names, as if no grace was kept.
func (w *world) forget(objects ...rawObject) {
	w.compact(objects)
	for _, o := range objects {
		w.delete(o.key)
	}
	w.manifest(func(m *catalog.Manifest) {
		m.Consumed = slices.DeleteFunc(m.Consumed, func(c catalog.Tombstone) bool {
			return slices.ContainsFunc(objects, func(o rawObject) bool { return o.key == c.Key })
		})
	})
}

const (
	listRaw      = "list raw/pod/default/"
	getManifest  = "get pod/default/manifest.json"
	statManifest = "stat pod/default/manifest.json"
)

// TestAManifestThatStaysVouchesForTheCache: where no manifest was swapped since before the listing, raw rows are taken from the cache without
// asking for them; where one was, they are asked for after it was read.
func TestAManifestThatStaysVouchesForTheCache(t *testing.T) {
	for _, n := range []int{1, 20} {
		w, c := newWorld(t), &calls{}
		var stats, heads []string
		for i := range n {
			o := w.put(podDefault, []record.Row{row(i, "a")})
			stats, heads = append(stats, "get "+o.key), append(heads, "stat "+o.key)
		}
		if n > 8 {
			heads = []string{listRaw}
		}
		sc := newScanner(t, objtest.NewHooks(w.bucket, c.hooks()), scan.Options{})
		ask := func(what string, want ...string) {
			t.Helper()
			got, err := collect(t.Context(), sc, all(), nil)
			if err != nil || len(got) != n {
				t.Errorf("%s: %q, %v", what, got, err)
			}
			slices.Sort(want)
			if asked := c.take(); !slices.Equal(asked, want) {
				t.Errorf("%s: asked %q, want %q", what, asked, want)
			}
		}
		swap := func() { w.manifest(func(*catalog.Manifest) {}) }
		ask("first", append(stats, listRaw, getManifest)...)
		ask("no manifest ever", listRaw, getManifest)
		swap()
		ask("the first manifest", append(heads, listRaw, getManifest)...)
		ask("it stays", listRaw, getManifest)
		ask("it has stayed before", listRaw, statManifest)
		swap()
		ask("another one", append(heads, listRaw, statManifest, getManifest)...)
		ask("that one stays", listRaw, getManifest)
	}
}

// TestListedRawObjectsAreAskedFor: between the listing and the manifest raw objects are consumed, deleted and forgotten. Their rows are in the
// cache, and in a block now: they count once. So too where another query has read that manifest before this one does, but after it listed.
func TestListedRawObjectsAreAskedFor(t *testing.T) {
	for _, n := range []int{1, 20} {
		for _, other := range []bool{false, true} {
			for _, queries := range []int{1, 2, 3} {
				w, c := newWorld(t), &calls{}
				w.compact([]rawObject{w.put(podDefault, []record.Row{row(5000, "b")})})
				var objects []rawObject
				for i := range n {
					objects = append(objects, w.put(podDefault, []record.Row{row(i, "a")}))
				}
				sc := newScanner(t, objtest.NewHooks(w.bucket, c.hooks()), scan.Options{})
				ask := func() {
					t.Helper()
					if got, err := collect(t.Context(), sc, all(), nil); err != nil || len(got) != n+1 {
						t.Errorf("%d objects, another query: %v, after %d queries: %d rows, %v", n, other, queries, len(got), err)
					}
				}
				for range queries {
					ask()
				}
				var once sync.Once
				c.before = func(_ context.Context, call string) {
					if call == getManifest || call == statManifest {
						once.Do(func() {
							w.forget(objects...)
							c.before = nil
							if other {
								ask()
							}
						})
					}
				}
				ask()
				ask()
			}
		}
	}
}

// nested marks the queries that are run while another one is.
type nested struct{}

// TestQueriesWhileTheBucketChanges runs queries of one scanner while, before each of their calls, anything may happen to the bucket, with no
// grace at all, and listings come one key at a time. What was there when a query began is returned once, whatever is cached.
func TestQueriesWhileTheBucketChanges(t *testing.T) {
	returned := 0
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 7))
		w := &changing{world: newWorld(t), r: r}
		c := &calls{before: w.step}
		hooks := c.hooks()
		hooks.PageSize = 1
		w.sc = newScanner(t, objtest.NewHooks(w.bucket, hooks), scan.Options{Plans: 1000})
		w.put()
		for range 12 {
			returned += w.query(t.Context())
		}
	}
	if returned < 500 {
		t.Errorf("only %d rows were returned", returned)
	}
}

// changing is a world in which things happen.
type changing struct {
	*world
	sc       *scan.Scanner
	r        *rand.Rand
	mu       sync.Mutex
	waiting  []rawObject
	consumed []rawObject
	deleted  []string
}

func (w *changing) put() {
	var rows []record.Row
	for range 1 + w.r.IntN(2) {
		rows = append(rows, row(w.r.IntN(7200), fmt.Sprint("line ", len(w.lines)+len(rows))))
	}
	w.waiting = append(w.waiting, w.world.put(podDefault, rows))
}

// step does something, or nothing.
func (w *changing) step(ctx context.Context, _ string) {
	if ctx.Value(nested{}) != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.r.IntN(3) > 0 {
		switch n := len(w.waiting); w.r.IntN(6) {
		case 0:
			if len(w.lines) < 60 {
				w.put()
			}
		case 1, 2:
			if n > 0 {
				some := 1 + w.r.IntN(n)
				w.compact(w.waiting[:some])
				w.consumed = append(w.consumed, w.waiting[:some]...)
				w.waiting = slices.Clone(w.waiting[some:])
			}
		case 3:
			for _, o := range w.consumed {
				w.delete(o.key)
				w.deleted = append(w.deleted, o.key)
			}
			w.consumed = nil
		case 4:
			w.manifest(func(m *catalog.Manifest) {
				m.Consumed = slices.DeleteFunc(m.Consumed, func(t catalog.Tombstone) bool { return slices.Contains(w.deleted, t.Key) })
			})
			w.deleted = nil
		case 5:
			// The query whose call this is may end before.
			w.read(context.WithValue(context.WithoutCancel(ctx), nested{}, true), len(w.lines), func() int { return len(w.lines) })
		}
	}
}

// query runs a query and checks its rows.
func (w *changing) query(ctx context.Context) int {
	w.mu.Lock()
	before := len(w.lines)
	w.mu.Unlock()
	return w.read(ctx, before, func() int {
		w.mu.Lock()
		defer w.mu.Unlock()
		return len(w.lines)
	})
}

// read checks that a query returns the first must lines, and of those up to may each at most once.
func (w *changing) read(ctx context.Context, must int, may func() int) int {
	got, err := collect(ctx, w.sc, all(), nil)
	if errors.Is(err, letheql.ErrChanged) && len(got) > 0 {
		return 0 // a block went after rows had gone out, and the query says so
	}
	if err != nil {
		w.t.Error(err)
		return 0
	}
	times := make([]int, may())
	for _, line := range got {
		var n int
		i := strings.Index(line, "line ")
		if _, err := fmt.Sscanf(line[i:], "line %d", &n); err != nil || n >= len(times) {
			w.t.Fatalf("%q is no line of %d", line, len(times))
		}
		times[n]++
	}
	for n, count := range times {
		if count > 1 || (count == 0 && n < must) {
			w.t.Errorf("line %d of %d is returned %d times", n, must, count)
		}
	}
	return len(got)
}

// TestSealedDaysAreReadOnce: they never change.
func TestSealedDaysAreReadOnce(t *testing.T) {
	w, c := newWorld(t), &calls{}
	w.compact([]rawObject{w.put(podDefault, []record.Row{row(1, "a")})})
	store := &catalog.Store{Bucket: w.bucket, NewID: func() string { return "s1" }}
	w.manifest(func(m *catalog.Manifest) {
		sealed, err := store.Seal(t.Context(), podDefault, layout.HourOf(epoch.UnixNano()).Day(), m.Blocks, nil)
		if err != nil {
			t.Fatal(err)
		}
		m.Sealed, m.Blocks = []catalog.Sealed{sealed}, nil
	})
	sc := newScanner(t, objtest.NewHooks(w.bucket, c.hooks()), scan.Options{})
	for n := range 3 {
		if got, err := collect(t.Context(), sc, all(), nil); err != nil || len(got) != 1 {
			t.Errorf("%q, %v", got, err)
		}
		again := slices.ContainsFunc(c.take(), func(call string) bool { return strings.Contains(call, "/sealed/") })
		if again != (n == 0) {
			t.Errorf("query %d: the sealed day was asked for: %v", n, again)
		}
	}
}

// fixed is a bucket whose listing of raw objects and whose manifest stay as they were read once: a view of a run of alert rules.
type fixed struct {
	objstore.Reader
	listed map[string][]objstore.Object
	bodies map[string][]byte
	attrs  map[string]objstore.Attributes
}

func fix(t *testing.T, b objstore.Reader, between func()) *fixed {
	t.Helper()
	f := &fixed{b, map[string][]objstore.Object{}, map[string][]byte{}, map[string]objstore.Attributes{}}
	prefix, key := layout.RawPrefixOf(podDefault), layout.ManifestKey(podDefault)
	for o, err := range b.List(t.Context(), objstore.ListOptions{Prefix: prefix}) {
		if err != nil {
			t.Fatal(err)
		}
		f.listed[prefix] = append(f.listed[prefix], o)
	}
	between()
	body, attrs, err := b.Get(t.Context(), key, objstore.Range{})
	if err != nil {
		t.Fatal(err)
	}
	if f.bodies[key], err = io.ReadAll(body); err != nil {
		t.Fatal(err)
	}
	f.attrs[key] = attrs
	return f
}

func (f *fixed) List(ctx context.Context, o objstore.ListOptions) iter.Seq2[objstore.Object, error] {
	all, ok := f.listed[o.Prefix]
	if !ok {
		return f.Reader.List(ctx, o)
	}
	return func(yield func(objstore.Object, error) bool) {
		for _, o := range all {
			if !yield(o, nil) {
				return
			}
		}
	}
}

func (f *fixed) Get(ctx context.Context, key string, r objstore.Range) (io.ReadCloser, objstore.Attributes, error) {
	if body, ok := f.bodies[key]; ok {
		return io.NopCloser(bytes.NewReader(body)), f.attrs[key], nil
	}
	return f.Reader.Get(ctx, key, r)
}

// TestViewsProveNothing: what was read over the bucket, or over an earlier view, says nothing of a view whose objects were deleted between its
// listing and its manifest. Two queries over it, as of two rules, both find out that it does not hold.
func TestViewsProveNothing(t *testing.T) {
	for _, n := range []int{1, 20} {
		w := newWorld(t)
		w.compact([]rawObject{w.put(podDefault, []record.Row{row(5000, "b")})})
		var objects []rawObject
		for i := range n {
			objects = append(objects, w.put(podDefault, []record.Row{row(i, "a")}))
		}
		sc := newScanner(t, w.bucket, scan.Options{})
		ask := func(s *scan.Scanner, what string) {
			t.Helper()
			if got, err := collect(t.Context(), s, all(), nil); err != nil || len(got) != n+1 {
				t.Errorf("%d objects, %s: %d rows, %v", n, what, len(got), err)
			}
		}
		ask(sc, "bucket")
		ask(sc, "bucket again")
		quiet := sc.Over(fix(t, w.bucket, func() {}))
		ask(quiet, "view")
		ask(quiet, "view again")
		moved := sc.Over(fix(t, w.bucket, func() { w.forget(objects...) }))
		for range 2 {
			if got, err := collect(t.Context(), moved, all(), nil); !errors.Is(err, objstore.ErrNotExist) {
				t.Errorf("%d objects, a view that does not hold: %d rows, %v", n, len(got), err)
			}
		}
	}
}

// decoded is a view that has read the manifest itself. Its bytes are nowhere.
type decoded struct {
	*fixed
	snap catalog.Snapshot
}

func (d decoded) Manifest(layout.Target) (catalog.Snapshot, error) { return d.snap, nil }

// TestViewsOfTheirOwnManifests: a view that has decoded a manifest is asked for that, in every query over it, and proves as little as others.
func TestViewsOfTheirOwnManifests(t *testing.T) {
	w := newWorld(t)
	first := w.put(podDefault, []record.Row{row(1, "a")})
	w.compact([]rawObject{w.put(podDefault, []record.Row{row(5000, "b")})})
	sc := newScanner(t, w.bucket, scan.Options{})
	view := decoded{fixed: fix(t, w.bucket, func() {})}
	var err error
	if view.snap, err = catalog.Load(t.Context(), w.bucket, podDefault); err != nil {
		t.Fatal(err)
	}
	view.bodies[layout.ManifestKey(podDefault)] = []byte("not a manifest")
	w.put(podDefault, []record.Row{row(2, "after the view")})
	over, made := sc.Over(view), newScanner(t, view, scan.Options{})
	for _, s := range []*scan.Scanner{over, over, made} {
		if got, err := collect(t.Context(), s, all(), nil); err != nil || len(got) != 2 {
			t.Errorf("%d rows, %v", len(got), err)
		}
	}
	w.forget(first)
	if got, err := collect(t.Context(), sc.Over(view), all(), nil); !errors.Is(err, objstore.ErrNotExist) {
		t.Errorf("a view that does not hold: %d rows, %v", len(got), err)
	}
}
