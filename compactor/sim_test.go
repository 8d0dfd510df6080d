package compactor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lethe/internal/catalog"
	"lethe/internal/layout"
	"lethe/objstore"
	"lethe/objstore/objtest"
)

// sim is a random history in the fake time of synctest: agents that upload, retry and come late, compactors that run at once, die and lose
// replies, and readers. Its only model is world.lines, what was uploaded.
type sim struct {
	*world
	wrap func(objstore.Bucket) objstore.Bucket

	// inner serializes what changes the store, with the check after it, so that a check sees one moment.
	inner    sync.Mutex
	etags    map[string]bool
	replaced map[string]bool // keys that were replaced once
	last     *catalog.Manifest
	checks   int
	problem  string
}

// dice are thrown by the goroutines of one process.
type dice struct {
	mu sync.Mutex
	r  *rand.Rand
}

// IntN returns a number from 0 to n-1.
func (d *dice) IntN(n int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.r.IntN(n)
}

// checked is the store with the invariants asserted after every call that changes it.
type checked struct {
	objstore.Bucket
	s *sim
}

func (c checked) Put(ctx context.Context, key string, body io.Reader, size int64, cond objstore.Condition) (objstore.Attributes, error) {
	c.s.inner.Lock()
	defer c.s.inner.Unlock()
	a, err := c.Bucket.Put(ctx, key, body, size, cond)
	if err == nil && key == layout.ManifestKey(shop) {
		if c.s.etags[a.ETag] {
			c.s.fail("an ETag of a manifest has come twice")
		}
		c.s.etags[a.ETag] = true
		c.s.invariants(ctx)
	}
	return a, err
}

func (c checked) Delete(ctx context.Context, keys ...string) error {
	c.s.inner.Lock()
	defer c.s.inner.Unlock()
	err := c.Bucket.Delete(ctx, keys...)
	c.s.invariants(ctx)
	return err
}

func (s *sim) fail(format string, args ...any) {
	if s.problem == "" {
		s.problem = fmt.Sprintf(format, args...)
	}
}

// invariants of protocol.md, at this moment.
func (s *sim) invariants(ctx context.Context) {
	s.checks++
	s.mu.Lock()
	want := maps.Clone(s.lines)
	s.mu.Unlock()
	if problem := s.compare(ctx, s.mem, want); problem != "" {
		s.fail("after a call at %s: %s", s.Now().Format(time.TimeOnly), problem)
	}
	snap, err := catalog.Load(ctx, s.mem, shop)
	if err != nil {
		s.fail("%v", err)
		return
	}
	m := snap.Manifest
	for _, b := range m.Blocks {
		if s.replaced[b.Key] {
			s.fail("%s was replaced and is live again", b.Key)
		}
	}
	names := map[string]bool{}
	for _, c := range m.Consumed {
		names[c.Key] = true
	}
	for _, r := range m.Replaced {
		s.replaced[r.Key] = true
	}
	if s.last != nil {
		for _, c := range s.last.Consumed {
			if _, err := s.mem.Stat(ctx, c.Key); err == nil && !names[c.Key] {
				s.fail("the name of %s was dropped before its object was gone", c.Key)
			}
		}
	}
	s.last = m
}

// agent uploads every minute or so: new lines, late ones, some that span hours, and retries under another name, equal or longer.
func (s *sim) agent(ctx context.Context, r *dice, bucket objstore.Bucket, name string, uploads int, retries bool) {
	var held []line
	for i := range uploads {
		time.Sleep(time.Duration(r.IntN(90)) * time.Second)
		at := s.Now().Add(-time.Duration(r.IntN(120)) * time.Second)
		if r.IntN(6) == 0 {
			at = at.Add(-time.Duration(r.IntN(30)) * time.Hour)
		}
		lines := linesAt(fmt.Sprintf("%s-%d", name, i), at, 1+r.IntN(6))
		if len(held) > 0 {
			lines = append(held, lines...) // the retry of an upload that had come through, with more
		}
		if retries && r.IntN(4) == 0 {
			held = lines
		} else {
			held = nil
		}
		key := layout.RawKey(shop, layout.HourOf(lines[0].at.UnixNano()), fmt.Sprintf("%s-%04d.jsonl", name, i))
		s.inner.Lock()
		s.mu.Lock()
		for _, l := range lines {
			s.lines[l.text] = note(shop, l.at.UnixNano())
		}
		s.mu.Unlock()
		s.put(key, bodyOf(lines))
		s.inner.Unlock()
	}
}

// process runs passes, each as a process of its own that may be killed at any call, or lose a reply for a while.
func (s *sim) process(ctx context.Context, r *dice, passes int) {
	for range passes {
		if ctx.Err() != nil {
			return
		}
		time.Sleep(time.Duration(r.IntN(60)) * time.Second)
		slow := objtest.NewHooks(s.wrap(checked{s.mem, s}), objtest.Hooks{PageSize: 3, Before: func(context.Context, objtest.Call) error {
			time.Sleep(time.Duration(r.IntN(2000)) * time.Millisecond)
			return nil
		}})
		decide := func(objtest.Call) objtest.Fault { return objtest.None }
		fault := []objtest.Fault{objtest.Before, objtest.None, objtest.LostReply, objtest.LateReply}[r.IntN(4)]
		switch r.IntN(4) {
		case 0:
			decide = objtest.DieAt(1+r.IntN(40), fault)
		case 1:
			decide = objtest.FailAt(1+r.IntN(40), fault)
		}
		b := objtest.NewFaults(slow, 3, decide)
		// The error is the fault's.
		_, _ = s.compactor(b, func(o *Options) {
			o.FanIn, o.BatchObjects = 2+r.IntN(3), 1+r.IntN(6)
			o.Settle, o.SealDelay, o.CloseDelay = 20*time.Minute, 20*time.Minute, time.Minute
			if r.IntN(2) == 0 {
				o.SweepAge = time.Minute
			}
		}).Run(ctx)
		time.Sleep(time.Duration(r.IntN(600)) * time.Second)
		b.Release(ctx)
	}
}

// reader queries: what was there when it began must be in the answer, once; what came meanwhile may be.
func (s *sim) reader(ctx context.Context, r *dice, queries int) {
	slow := objtest.NewHooks(s.mem, objtest.Hooks{PageSize: 3, Before: func(context.Context, objtest.Call) error {
		time.Sleep(time.Duration(r.IntN(3000)) * time.Millisecond)
		return nil
	}})
	for range queries {
		time.Sleep(time.Duration(r.IntN(120)) * time.Second)
		s.mu.Lock()
		must := maps.Clone(s.lines)
		s.mu.Unlock()
		rows, err := readAll(ctx, slow)
		if err != nil {
			s.fail("a reader: %v", err)
			return
		}
		got := map[string]int{}
		for _, row := range rows {
			if got[row.text]++; got[row.text] > 1 {
				s.fail("a reader got %q twice", row.text)
			}
		}
		for text := range must {
			if got[text] == 0 {
				s.fail("a reader missed %q", text)
			}
		}
	}
}

func simulate(t *testing.T, seed uint64, compactors int, retries bool, wrap func(objstore.Bucket) objstore.Bucket) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := &sim{world: w, wrap: wrap, etags: map[string]bool{}, replaced: map[string]bool{}}
		w.clock = time.Now // the fake clock of synctest
		rnd := func(n int) *dice { return &dice{r: rand.New(rand.NewPCG(seed, uint64(n)))} }
		var wg sync.WaitGroup
		for i := range 2 {
			wg.Go(func() { s.agent(t.Context(), rnd(i), s.mem, fmt.Sprintf("agent%d", i), 12, retries) })
			wg.Go(func() { s.reader(t.Context(), rnd(100+i), 4) })
		}
		for i := range compactors {
			wg.Go(func() { s.process(t.Context(), rnd(200+i), 5) })
		}
		wg.Wait()
		if s.problem != "" {
			t.Fatalf("seed %d: %s", seed, s.problem)
		}
		if s.checks < 10 {
			t.Fatalf("seed %d: only %d checks were made", seed, s.checks)
		}
		w.check("at the end of the history")
		for range 12 {
			time.Sleep(25 * time.Minute)
			if _, err := w.compactor(wrap(w.mem), nil).Run(t.Context()); err != nil && !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
		}
		w.checkClean(fmt.Sprintf("seed %d", seed))
		w.check("at last")
	})
}

// Random histories, remembering digests and not.
func TestHistories(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint("remembering ", seed), func(t *testing.T) {
			simulate(t, seed, 3, true, func(b objstore.Bucket) objstore.Bucket { return b })
		})
		t.Run(fmt.Sprint("forgetting ", seed), func(t *testing.T) {
			simulate(t, seed, 3, false, func(b objstore.Bucket) objstore.Bucket { return forgetful{b} })
		})
	}
}

// Eight compactors by mistake.
func TestEightAtOnce(t *testing.T) {
	simulate(t, 1, 8, true, func(b objstore.Bucket) objstore.Bucket { return b })
	simulate(t, 2, 8, false, func(b objstore.Bucket) objstore.Bucket { return forgetful{b} })
}
