package catalog_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lethe/internal/catalog"
	"lethe/internal/layout"
	"lethe/objstore"
	"lethe/objstore/memstore"
	"lethe/objstore/objtest"
)

var (
	target = layout.Target{Kind: layout.Pod, Name: "default"}
	epoch  = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
)

// clock is a store's clock that the test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// counter returns ids that are never the same.
func counter(prefix string) func() string {
	var mu sync.Mutex
	n := 0
	return func() string {
		mu.Lock()
		defer mu.Unlock()
		n++
		return fmt.Sprintf("%s%04d", prefix, n)
	}
}

func block(h layout.Hour, id string) catalog.Block {
	at := h.Start().UnixNano()
	return catalog.Block{
		Key: layout.BlockKey(target, h, id), Size: 100, Tail: 10, Rows: 3, Text: 30,
		Min: at + 1, Max: at + 2, Hour: h, Arrived: at + 5,
	}
}

func load(t *testing.T, b objstore.Reader) catalog.Snapshot {
	t.Helper()
	s, err := catalog.Load(t.Context(), b, target)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func putBytes(t *testing.T, b objstore.Bucket, key, body string) {
	t.Helper()
	if _, err := b.Put(t.Context(), key, strings.NewReader(body), int64(len(body)), objstore.Condition{}); err != nil {
		t.Fatal(err)
	}
}

func TestSwapAndLoad(t *testing.T) {
	c := &clock{now: epoch}
	b := memstore.New(c.Now)
	s := &catalog.Store{Bucket: b, NewID: counter("c")}
	first := load(t, b)
	if first.Exists || first.Manifest == nil {
		t.Fatalf("an empty bucket has the manifest %+v", first)
	}
	h := layout.HourOf(epoch.UnixNano())
	next := first.Manifest.Clone()
	next.Blocks = append(next.Blocks, block(h, "b1"))
	raw := layout.RawKey(target, h, "r1.jsonl.gz")
	next.Consumed = append(next.Consumed, catalog.Tombstone{Key: raw})
	if _, err := s.Swap(t.Context(), first, next); err != nil {
		t.Fatal(err)
	}
	second := load(t, b)
	if second.Manifest.Sequence != 1 || second.Manifest.Commit == "" || second.Manifest.Consumed[0].Since != 0 {
		t.Errorf("the first manifest is %+v", second.Manifest)
	}

	c.Add(time.Hour)
	second = load(t, b)
	if e := second.Manifest.Consumed[0]; second.Expired(e, time.Hour+1) || !second.Expired(e, time.Hour) {
		t.Error("the grace of a consumed object counts from the put of the manifest that first held it, by the store's clock")
	}
	if _, err := s.Swap(t.Context(), second, second.Manifest.Clone()); err != nil {
		t.Fatal(err)
	}
	third := load(t, b)
	if got, want := third.Manifest.Consumed[0].Since, epoch.UnixNano(); got != want {
		t.Errorf("since is %d after the second swap, want %d", got, want)
	}
	if _, err := s.Swap(t.Context(), second, second.Manifest.Clone()); !errors.Is(err, catalog.ErrLost) {
		t.Errorf("a swap from an old state gave %v", err)
	}
	if diff := cmp.Diff(third.Manifest, load(t, b).Manifest); diff != "" {
		t.Errorf("a lost swap has changed the manifest: %s", diff)
	}
}

// A manifest's bytes never repeat, although the store's ETag is a hash of the content.
func TestETagsNeverRepeat(t *testing.T) {
	b := memstore.New((&clock{now: epoch}).Now)
	s := &catalog.Store{Bucket: b, NewID: counter("c")}
	seen := map[string]bool{}
	from := load(t, b)
	for range 20 {
		next, err := s.Swap(t.Context(), from, from.Manifest.Clone())
		if err != nil {
			t.Fatal(err)
		}
		if seen[next.ETag] {
			t.Fatalf("the ETag %s has come twice", next.ETag)
		}
		seen[next.ETag], from = true, next
	}
}

func TestSwapOutcomes(t *testing.T) {
	for _, tc := range []struct {
		fault   objtest.Fault
		err     error
		landed  bool
		landsAt bool // after Release
	}{
		{objtest.Before, catalog.ErrUnknown, false, false},
		{objtest.LostReply, nil, true, true},
		{objtest.LateReply, catalog.ErrUnknown, false, true},
	} {
		t.Run(tc.fault.String(), func(t *testing.T) {
			inner := memstore.New((&clock{now: epoch}).Now)
			b := objtest.NewFaults(inner, 0, objtest.FailAt(1, tc.fault))
			s := &catalog.Store{Bucket: b, NewID: counter("c")}
			from := load(t, inner)
			next, err := s.Swap(t.Context(), from, from.Manifest.Clone())
			if !errors.Is(err, tc.err) {
				t.Fatalf("the swap gave %v, want %v", err, tc.err)
			}
			if err == nil && next.ETag != load(t, inner).ETag {
				t.Error("the state after a lost reply is not what the store has")
			}
			if got := load(t, inner).Exists; got != tc.landed {
				t.Errorf("landed: %v, want %v", got, tc.landed)
			}
			b.Release(t.Context())
			if got := load(t, inner).Exists; got != tc.landsAt {
				t.Errorf("landed at last: %v, want %v", got, tc.landsAt)
			}
		})
	}
}

// The late swap and the one of a fresh start exclude each other, whichever comes first.
func TestLateSwapLoses(t *testing.T) {
	inner := memstore.New((&clock{now: epoch}).Now)
	b := objtest.NewFaults(inner, 0, objtest.FailAt(1, objtest.LateReply))
	s := &catalog.Store{Bucket: b, NewID: counter("c")}
	from := load(t, inner)
	if _, err := s.Swap(t.Context(), from, from.Manifest.Clone()); !errors.Is(err, catalog.ErrUnknown) {
		t.Fatal(err)
	}
	again, err := s.Swap(t.Context(), load(t, inner), from.Manifest.Clone())
	if err != nil {
		t.Fatal(err)
	}
	if answers := b.Release(t.Context()); len(answers) != 1 || !errors.Is(answers[0], objstore.ErrPrecondition) {
		t.Errorf("the late swap was answered %v", answers)
	}
	if load(t, inner).ETag != again.ETag {
		t.Error("the late swap has won over a later one")
	}
}

// A win that somebody has swapped on top of already is a win: the manifest names my block.
func TestWinUnderAnotherSwap(t *testing.T) {
	inner := memstore.New((&clock{now: epoch}).Now)
	h := layout.HourOf(epoch.UnixNano())
	other := &catalog.Store{Bucket: inner, NewID: counter("other")}
	meddle := objtest.NewHooks(inner, objtest.Hooks{After: func(ctx context.Context, c objtest.Call, _ error) error {
		if c.Op != objtest.PutOp {
			return nil
		}
		now, err := catalog.Load(ctx, inner, target)
		if err == nil {
			_, err = other.Swap(ctx, now, now.Manifest.Clone())
		}
		return errors.Join(err, objtest.ErrInjected)
	}})
	s := &catalog.Store{Bucket: meddle, NewID: counter("c")}
	from := load(t, inner)
	next := from.Manifest.Clone()
	next.Blocks = append(next.Blocks, block(h, "b1"))
	got, err := s.Swap(t.Context(), from, next)
	if err != nil || got.Manifest.Sequence != 2 || len(got.Manifest.Blocks) != 1 {
		t.Errorf("got %+v and %v", got.Manifest, err)
	}
}

func TestSwapOfOneAmongMany(t *testing.T) {
	b := memstore.New((&clock{now: epoch}).Now)
	from := load(t, b)
	var wg sync.WaitGroup
	results := make(chan error, 16)
	ids := counter("c")
	for range cap(results) {
		wg.Go(func() {
			s := &catalog.Store{Bucket: b, NewID: ids}
			_, err := s.Swap(t.Context(), from, from.Manifest.Clone())
			results <- err
		})
	}
	wg.Wait()
	close(results)
	won := 0
	for err := range results {
		switch {
		case err == nil:
			won++
		case !errors.Is(err, catalog.ErrLost):
			t.Error(err)
		}
	}
	if won != 1 {
		t.Errorf("%d of the swaps have won", won)
	}
}

func TestSealedDay(t *testing.T) {
	b := memstore.New((&clock{now: epoch}).Now)
	s := &catalog.Store{Bucket: b, NewID: counter("c")}
	h := layout.HourOf(epoch.UnixNano())
	blocks := []catalog.Block{block(h, "b1"), block(h+1, "b2")}
	bodies := []catalog.Body{{
		First: strings.Repeat("0a", 16), Digest: strings.Repeat("0b", 16), Length: 7, Time: epoch.UnixNano(), Names: []string{"r1.jsonl"},
	}}
	sealed, err := s.Seal(t.Context(), target, h.Day(), blocks, bodies)
	if err != nil {
		t.Fatal(err)
	}
	got, err := catalog.LoadSealed(t.Context(), b, target, sealed)
	if err != nil {
		t.Fatal(err)
	}
	if got.Version != 2 || got.Target != "pod/default" || got.Day != "2026-03-01" {
		t.Errorf("got version %d, %s of %s", got.Version, got.Day, got.Target)
	}
	if diff := cmp.Diff(blocks, got.Blocks); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(bodies, got.Bodies()); diff != "" {
		t.Error(diff)
	}
	if _, err := s.Seal(t.Context(), target, "2026-03-02", blocks, nil); !errors.Is(err, catalog.ErrInvalid) {
		t.Errorf("blocks of another day were sealed: %v", err)
	}
	wrong := sealed
	wrong.Rows++
	if _, err := catalog.LoadSealed(t.Context(), b, target, wrong); !errors.Is(err, catalog.ErrInvalid) {
		t.Errorf("a sealed day that does not add up was read: %v", err)
	}
	if err := b.Delete(t.Context(), sealed.Key); err != nil {
		t.Fatal(err)
	}
	if _, err := catalog.LoadSealed(t.Context(), b, target, sealed); !errors.Is(err, objstore.ErrNotExist) {
		t.Errorf("a missing sealed day gave %v", err)
	}
}

func TestRefusedManifests(t *testing.T) {
	h := layout.HourOf(epoch.UnixNano())
	valid := func() *catalog.Manifest {
		return &catalog.Manifest{Version: 1, Sequence: 1, Commit: "c", Blocks: []catalog.Block{block(h, "b1")}}
	}
	if err := valid().Validate(target); err != nil {
		t.Fatal(err)
	}
	other := layout.Target{Kind: layout.Pod, Name: "other"}
	for name, breakIt := range map[string]func(*catalog.Manifest){
		"a block of another target": func(m *catalog.Manifest) { m.Blocks[0].Key = layout.BlockKey(other, h, "b1") },
		"a block without an id":     func(m *catalog.Manifest) { m.Blocks[0].Key = layout.BlockKey(target, h, "") },
		"a block of another hour":   func(m *catalog.Manifest) { m.Blocks[0].Hour++ },
		"rows outside of the hour":  func(m *catalog.Manifest) { m.Blocks[0].Max += layout.HourNanos },
		"no rows":                   func(m *catalog.Manifest) { m.Blocks[0].Rows = 0 },
		"a tail over the object":    func(m *catalog.Manifest) { m.Blocks[0].Tail = 101 },
		"a block twice":             func(m *catalog.Manifest) { m.Blocks = append(m.Blocks, m.Blocks[0]) },
		"a live block replaced":     func(m *catalog.Manifest) { m.Replaced = []catalog.Tombstone{{Key: m.Blocks[0].Key}} },
		"a manifest replaced":       func(m *catalog.Manifest) { m.Replaced = []catalog.Tombstone{{Key: layout.ManifestKey(target)}} },
		"a raw object replaced": func(m *catalog.Manifest) {
			m.Replaced = []catalog.Tombstone{{Key: layout.RawKey(target, h, "r.jsonl")}}
		},
		"a block consumed":        func(m *catalog.Manifest) { m.Consumed = []catalog.Tombstone{{Key: layout.BlockKey(target, h, "b2")}} },
		"consumed of another":     func(m *catalog.Manifest) { m.Consumed = []catalog.Tombstone{{Key: layout.RawKey(other, h, "r.jsonl")}} },
		"no commit":               func(m *catalog.Manifest) { m.Commit = "" },
		"no sequence":             func(m *catalog.Manifest) { m.Sequence = 0 },
		"half a watermark":        func(m *catalog.Manifest) { m.Watermark = 5 },
		"a body without a digest": func(m *catalog.Manifest) { m.Bodies = []catalog.Body{{Length: 3}} },
		"sealed of another day": func(m *catalog.Manifest) {
			m.Sealed = []catalog.Sealed{{Key: layout.SealedKey(target, "2026-03-01", "s"), Day: "2026-03-02", Size: 1, Blocks: 1, Rows: 1}}
		},
		"a day sealed twice": func(m *catalog.Manifest) {
			day := func(id string) catalog.Sealed {
				return catalog.Sealed{Key: layout.SealedKey(target, "2026-03-01", id), Day: "2026-03-01", Size: 1, Blocks: 1, Rows: 1}
			}
			m.Sealed = []catalog.Sealed{day("a"), day("b")}
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := valid()
			breakIt(m)
			if err := m.Validate(target); !errors.Is(err, catalog.ErrInvalid) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestLoadRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		body string
		err  error
	}{
		"a newer format": {`{"version":2,"sequence":1,"commit":"c"}`, catalog.ErrNewer},
		"no format":      {`{"sequence":1,"commit":"c"}`, catalog.ErrInvalid},
		"half":           {`{"version":1,"sequ`, catalog.ErrInvalid},
		"no JSON":        {`manifest`, catalog.ErrInvalid},
		"another type":   {`{"version":1,"sequence":"one","commit":"c"}`, catalog.ErrInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			b := memstore.New((&clock{now: epoch}).Now)
			putBytes(t, b, layout.ManifestKey(target), tc.body)
			_, err := catalog.Load(t.Context(), b, target)
			if !errors.Is(err, tc.err) || !strings.Contains(err.Error(), "pod/default/manifest.json") {
				t.Errorf("got %v, want %v and the key", err, tc.err)
			}
		})
	}
}

func TestSingleWriterNeedsNoCondition(t *testing.T) {
	inner := memstore.New((&clock{now: epoch}).Now)
	var conditions []objstore.Condition
	b := objtest.NewHooks(inner, objtest.Hooks{Before: func(_ context.Context, c objtest.Call) error {
		conditions = append(conditions, c.Condition)
		return nil
	}})
	s := &catalog.Store{Bucket: b, NewID: counter("c"), SingleWriter: true}
	from := load(t, inner)
	for range 2 {
		next, err := s.Swap(t.Context(), from, from.Manifest.Clone())
		if err != nil {
			t.Fatal(err)
		}
		from = next
	}
	if diff := cmp.Diff([]objstore.Condition{{}, {}}, conditions); diff != "" {
		t.Error(diff)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte(`{"version":1,"sequence":1,"commit":"c","blocks":[{"key":"pod/default/2026-03-01_09/b.parquet"}]}`))
	f.Add([]byte(`{"version":1,"sequence":9223372036854775807,"commit":"c","watermark":-3600000000000}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		b := memstore.New((&clock{now: epoch}).Now)
		if _, err := b.Put(t.Context(), layout.ManifestKey(target), bytes.NewReader(body), int64(len(body)), objstore.Condition{}); err != nil {
			t.Fatal(err)
		}
		s, err := catalog.Load(t.Context(), b, target)
		if err != nil {
			return
		}
		// What was taken can be swapped on.
		store := &catalog.Store{Bucket: b, NewID: counter("c")}
		if _, err := store.Swap(t.Context(), s, s.Manifest.Clone()); err != nil && s.Manifest.Sequence < 1<<62 {
			t.Errorf("read, but not written again: %v", err)
		}
	})
}

// An object that a manifest names and that is not there is missing as long as that is the manifest; after a swap it may have been replaced.
func TestMissing(t *testing.T) {
	b := memstore.New((&clock{now: epoch}).Now)
	s := &catalog.Store{Bucket: b, NewID: counter("c")}
	before, err := s.Swap(t.Context(), load(t, b), &catalog.Manifest{})
	if err != nil {
		t.Fatal(err)
	}
	gone := fmt.Errorf("reading b1: %w", objstore.ErrNotExist)
	err = before.Missing(t.Context(), b, gone)
	if !errors.Is(err, catalog.ErrMissing) || !errors.Is(err, catalog.ErrInvalid) || errors.Is(err, objstore.ErrNotExist) || !strings.Contains(err.Error(), "b1") {
		t.Errorf("missing: %v", err)
	}
	if _, err := s.Swap(t.Context(), before, before.Manifest.Clone()); err != nil {
		t.Fatal(err)
	}
	if err := before.Missing(t.Context(), b, gone); !errors.Is(err, objstore.ErrNotExist) || errors.Is(err, catalog.ErrMissing) {
		t.Errorf("replaced: %v", err)
	}
	denied := errors.New("denied")
	if err := before.Missing(t.Context(), b, denied); !errors.Is(err, denied) {
		t.Errorf("another error: %v", err)
	}
	refusing := objtest.NewHooks(b, objtest.Hooks{Before: func(context.Context, objtest.Call) error { return denied }})
	if err := before.Missing(t.Context(), refusing, gone); !errors.Is(err, denied) || errors.Is(err, catalog.ErrMissing) {
		t.Errorf("nobody answers: %v", err)
	}
}
