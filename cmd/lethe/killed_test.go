package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lethe/internal/catalog"
	"lethe/internal/layout"
	"lethe/objstore"
	"lethe/objstore/objtest"
	"lethe/objstore/s3store"
)

// shipping is a bucket in MinIO that an agent ships to, for tests that kill what stands around it. Lines have numbers from 0 on.
type shipping struct {
	t      *testing.T
	server objtest.Server
	name   string // of the bucket
	target layout.Target
	bucket objstore.Bucket
	lethe  string
	env    []string

	// sent is how many lines were sent, or are about to be; those below acked are in the bucket.
	sent, acked atomic.Int64
	answers     atomic.Int64
	refusals    atomic.Int64
}

func newShipping(t *testing.T, s objtest.Server) *shipping {
	t.Helper()
	name := s.NewBucket(t)
	b, err := s3store.New(t.Context(), s3store.Options{Bucket: name, Endpoint: s.Endpoint, Insecure: true, Credentials: s.Credentials(), Attempts: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.CloseIdleConnections)
	p := &shipping{t: t, server: s, name: name, target: layout.Target{Kind: layout.Pod, Name: "shop"}, bucket: b, lethe: binary(t), env: os.Environ()}
	for k, v := range s.Env() {
		p.env = append(p.env, k+"="+v)
	}
	return p
}

// run starts the real binary.
func (p *shipping) run(ctx context.Context, out *output, args ...string) *exec.Cmd {
	return p.runOn(ctx, p.server, out, args...)
}

// runOn starts it with another way to the store.
func (p *shipping) runOn(ctx context.Context, s objtest.Server, out *output, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, p.lethe, append([]string{"--bucket", s.URL(p.name)}, args...)...)
	cmd.Env = p.env
	cmd.Stdout, cmd.Stderr = out, out
	return cmd
}

// compact is how the tests compact: it forgets nothing, and looks for work again and again.
var compact = []string{"compact", "--every", "500ms", "--retention.time", "100y"}

// agent ships an object every so often until the context ends, each until the store has taken it. One in four is sent again under another name, with
// more behind it, as after a reply that was lost.
func (p *shipping) agent(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	var body bytes.Buffer
	for n := 0; ctx.Err() == nil; n++ {
		if n%4 != 3 {
			body.Reset()
		}
		from := p.sent.Load()
		to := p.sent.Add(20)
		for i := from; i < to; i++ {
			fmt.Fprintf(&body, `{"time":%q,"pod":"till-1","container":"till","log":"line %d"}`+"\n", time.Now().UTC().Format(time.RFC3339Nano), i)
		}
		key := layout.RawKey(p.target, layout.HourOf(time.Now().UnixNano()), fmt.Sprintf("o%05d.jsonl", n))
		for p.acked.Load() < to {
			if _, err := p.bucket.Put(p.t.Context(), key, bytes.NewReader(body.Bytes()), int64(body.Len()), objstore.Condition{}); err == nil {
				p.acked.Store(to)
			} else if p.t.Context().Err() != nil {
				return
			}
			<-tick.C
		}
	}
}

// read asks for all lines. An answer that succeeds has each line that was in the bucket before, and none twice.
func (p *shipping) read(ctx context.Context) error {
	must := p.acked.Load()
	var errs output
	cmd := p.run(ctx, &errs, "query", "--since", "1h", "--limit", "0", "--output", "raw", `pod{namespace="shop"}`)
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := cmd.Run(); err != nil {
		if ctx.Err() == nil { // it was not the test that ended it
			p.refusals.Add(1)
		}
		return fmt.Errorf("%w: %s", err, &errs)
	}
	p.answers.Add(1)
	p.compare(&out, must)
	return nil
}

// compare checks that an answer has each of the first must lines, and none twice.
func (p *shipping) compare(out *bytes.Buffer, must int64) {
	seen := make([]int, p.sent.Load())
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var n int
		if _, err := fmt.Sscanf(lines.Text(), "line %d", &n); err != nil || n >= len(seen) {
			p.t.Errorf("an answer has %q, which nobody has sent", lines.Text())
			return
		}
		seen[n]++
	}
	for n, times := range seen {
		if times > 1 || times == 0 && int64(n) < must {
			p.t.Errorf("line %d of %d comes %d times", n, must, times)
			return
		}
	}
}

// reader asks again and again until the context ends.
func (p *shipping) reader(ctx context.Context) {
	for ctx.Err() == nil && !p.t.Failed() {
		_ = p.read(ctx) // a refusal is counted
	}
}

// drained tells whether every raw object is consumed.
func (p *shipping) drained() (bool, error) {
	var listed []string
	for o, err := range p.bucket.List(p.t.Context(), objstore.ListOptions{Prefix: layout.RawPrefixOf(p.target)}) {
		if err != nil {
			return false, err
		}
		listed = append(listed, o.Key)
	}
	s, err := catalog.Load(p.t.Context(), p.bucket, p.target)
	if err != nil {
		return false, err
	}
	consumed := map[string]bool{}
	for _, c := range s.Manifest.Consumed {
		consumed[c.Key] = true
	}
	for _, key := range listed {
		if !consumed[key] {
			return false, nil
		}
	}
	return true, nil
}

// await waits until something is the case, and fails the test where that takes a minute.
func (p *shipping) await(what string, is func() bool) {
	p.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(time.Minute); !is(); <-tick.C {
		if time.Now().After(end) {
			p.t.Fatalf("after a minute: not the case that %s", what)
		}
	}
}

// settle waits until a compactor has worked off what waits, and checks that the bucket holds every line once, and is sound.
func (p *shipping) settle(limit time.Duration) {
	p.t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(limit); ; <-tick.C {
		done, err := p.drained()
		if done {
			break
		}
		if time.Now().After(end) {
			p.t.Fatalf("after %s not all is compacted: %v", limit, err)
		}
	}
	if err := p.read(p.t.Context()); err != nil {
		p.t.Fatal(err)
	}
	var out output
	if err := p.run(p.t.Context(), &out, "verify").Run(); err != nil {
		p.t.Fatalf("%v\n%s", err, &out)
	}
}

// A store that is killed and comes back stops no compactor for good: it goes on by itself. Answers that a reader gets meanwhile are whole.
func TestStoreIsKilled(t *testing.T) {
	store := objtest.KillableMinIO(t)
	p := newShipping(t, store.Server)
	var out output
	c := p.run(t.Context(), &out, compact...)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var wg sync.WaitGroup
	wg.Go(func() { p.agent(ctx, 30*time.Millisecond) })
	wg.Go(func() { p.reader(ctx) })
	r := rand.New(rand.NewPCG(1, 2))
	noticed := func() int64 { return p.refusals.Load() + int64(strings.Count(out.String(), "a run failed")) }
	for range 5 {
		lines, answers := p.acked.Load()+100+r.Int64N(1000), p.answers.Load()
		p.await("the agent ships, and somebody gets an answer", func() bool { return p.acked.Load() >= lines && p.answers.Load() > answers })
		before := noticed()
		store.Kill(t)
		p.await("somebody notices that the store is gone", func() bool { return noticed() > before })
		store.Start(t)
	}
	stop()
	wg.Wait()
	p.settle(30 * time.Second)
	if err := c.Process.Signal(os.Interrupt); err != nil {
		t.Fatalf("the compactor is gone: %v", err)
	}
	if err := c.Wait(); err != nil {
		t.Errorf("the compactor ended with %v\n%s", err, &out)
	}
	t.Logf("%d lines, %d answers, %d refusals, %d failed runs", p.sent.Load(), p.answers.Load(), p.refusals.Load(), strings.Count(out.String(), "a run failed"))
}

// Eight compactors by mistake, each killed at any of its calls of the store and started again.
func TestEightCompactorsAreKilled(t *testing.T) {
	p := newShipping(t, objtest.MinIO(t))
	// The first pass over a bucket tries out the store, which takes longer than any of those below lives.
	if err := p.run(t.Context(), new(output), "compact", "--retention.time", "100y").Run(); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 4*time.Minute)
	defer stop()
	var kills atomic.Int64
	var wg sync.WaitGroup
	wg.Go(func() { p.agent(ctx, 300*time.Millisecond) }) // a backlog that grows faster than it is read proves nothing
	wg.Go(func() { p.reader(ctx) })
	for i := range 8 {
		r := rand.New(rand.NewPCG(3, uint64(i)))
		wg.Go(func() {
			// They live longer and longer, for where eight of them are in each other's way a commit takes many calls.
			for life := 60; ctx.Err() == nil; life += 10 {
				if p.killOne(ctx, 1+r.Int64N(int64(life)), r.IntN(2) == 0) {
					kills.Add(1)
				}
			}
		})
	}
	commits := int64(0)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for ; ctx.Err() == nil && (kills.Load() < 32 || commits < 8 || p.answers.Load() < 3); <-tick.C {
		s, err := catalog.Load(t.Context(), p.bucket, p.target)
		if err != nil {
			t.Fatal(err)
		}
		commits = s.Manifest.Sequence
	}
	if ctx.Err() != nil {
		t.Errorf("%d kills, %d commits, %d answers: the test has tested nothing", kills.Load(), commits, p.answers.Load())
	}
	stop()
	wg.Wait()
	var out output
	last := p.run(t.Context(), &out, compact...)
	if err := last.Start(); err != nil {
		t.Fatal(err)
	}
	p.settle(30 * time.Second)
	if err := errors.Join(last.Process.Signal(os.Interrupt), last.Wait()); err != nil {
		t.Errorf("%v\n%s", err, &out)
	}
	t.Logf("%d lines, %d answers, %d refusals, %d kills, %d commits before the last", p.sent.Load(), p.answers.Load(), p.refusals.Load(), kills.Load(), commits)
}

// killOne runs a compactor and kills it at its n-th request: before the store has seen it, or when it has answered and the compactor does not know. It is
// false where the test ended before.
func (p *shipping) killOne(ctx context.Context, n int64, answered bool) bool {
	ctx, kill := context.WithCancel(ctx)
	defer kill()
	var seen atomic.Int64
	dead := make(chan struct{})
	forward := &httputil.ReverseProxy{ErrorLog: log.New(io.Discard, "", 0), Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: "http", Host: p.server.Endpoint})
		r.Out.Host = r.In.Host // it is signed
	}}
	way := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch at := seen.Add(1); {
		case at < n:
			forward.ServeHTTP(w, r)
			return
		case at == n && answered:
			forward.ServeHTTP(httptest.NewRecorder(), r)
		}
		kill()
		<-dead // it gets no answer
	}))
	defer way.Close()
	s := p.server
	s.Endpoint = way.Listener.Addr().String()
	var out output
	err := p.runOn(ctx, s, &out, compact...).Run()
	close(dead)
	if err == nil || ctx.Err() == nil {
		p.t.Errorf("a compactor ended by itself: %v\n%s", err, &out)
	}
	return seen.Load() >= n
}
