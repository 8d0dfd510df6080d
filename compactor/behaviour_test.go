package compactor

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"lethe/internal/catalog"
	"lethe/internal/layout"
	"lethe/objstore"
	"lethe/objstore/objtest"
)

// truncated is a gzip body that ends early, behind some lines that decode.
func truncated(t *testing.T, lines []line) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(bodyOf(lines)); err != nil {
		t.Fatal(err)
	}
	if err := z.Flush(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestQuarantine(t *testing.T) {
	w := newWorld(t)
	w.upload(shop, "a", linesAt("a", epoch, 5))
	var bad []string
	for i := range 6 {
		key := layout.RawKey(shop, layout.HourOf(epoch.UnixNano()), fmt.Sprintf("b%d.jsonl.gz", i))
		w.put(key, truncated(t, linesAt(fmt.Sprint("bad", i), epoch, 3)))
		bad = append(bad, key)
	}
	w.upload(shop, "c", linesAt("c", epoch, 5))
	s := w.run(nil)
	if s.Quarantined != 6 || len(s.QuarantinedNames) != 6 || s.Lines.Written != 10 {
		t.Errorf("the summary is\n%s", s)
	}
	w.check("quarantined")
	w.settle("at last", nil)
	for i, key := range bad {
		if got, want := w.get(layout.QuarantineKey(key)), truncated(t, linesAt(fmt.Sprint("bad", i), epoch, 3)); !bytes.Equal(got, want) {
			t.Errorf("%s is not in quarantine as it was", key)
		}
	}
}

// However many objects do not decode, a commit begins again once.
func TestQuarantineOfMany(t *testing.T) {
	w := newWorld(t)
	const n = 40
	for i := range n {
		w.upload(shop, fmt.Sprint("good", i), linesAt(fmt.Sprint("good", i), epoch, 3))
		w.put(layout.RawKey(shop, layout.HourOf(epoch.UnixNano()), fmt.Sprintf("bad%02d.jsonl.gz", i)), truncated(t, linesAt(fmt.Sprint("bad", i), epoch, 3)))
	}
	s := w.run(nil)
	if s.Quarantined != n || s.Lines.Written != 3*n {
		t.Fatalf("the summary is\n%s", s)
	}
	if s.Requests.Gets > 10*2*n {
		t.Errorf("%d gets for %d objects", s.Requests.Gets, 2*n)
	}
	w.check("quarantined")
}

// An object whose bytes do not all arrive is not called unreadable.
func TestCutBodyIsNoReasonForQuarantine(t *testing.T) {
	w := newWorld(t)
	key := w.upload(shop, "a", linesAt("a", epoch, 5))
	b := objtest.NewFaults(w.mem, 0, func(c objtest.Call) objtest.Fault {
		if c.Op == objtest.GetOp && c.Key == key {
			return objtest.CutBody
		}
		return objtest.None
	})
	if _, err := w.compactor(b, nil).Run(t.Context()); !errors.Is(err, objtest.ErrInjected) {
		t.Fatalf("got %v", err)
	}
	if q := w.list(layout.QuarantinePrefix); len(q) != 0 {
		t.Errorf("%s was quarantined", q[0].Key)
	}
	w.check("after")
	w.settle("at last", nil)
}

// lying is a store that ignores conditions.
type lying struct{ objstore.Bucket }

func (l lying) Put(ctx context.Context, key string, body io.Reader, size int64, _ objstore.Condition) (objstore.Attributes, error) {
	return l.Bucket.Put(ctx, key, body, size, objstore.Condition{})
}

func TestStoreWithoutCompareAndSwap(t *testing.T) {
	w := newWorld(t)
	w.upload(shop, "a", linesAt("a", epoch, 5))
	s, err := w.compactor(lying{w.mem}, nil).Run(t.Context())
	if !errors.Is(err, ErrNoCompareAndSwap) || !strings.Contains(err.Error(), "--single-writer") || s.Failed[classConfig] != 1 {
		t.Fatalf("got %v and\n%s", err, s)
	}
	if blocks := w.list("pod/"); len(blocks) > 0 {
		t.Errorf("%s was written all the same", blocks[0].Key)
	}
	// In one process the store is tried once.
	again := objtest.NewFaults(lying{w.mem}, 0, func(objtest.Call) objtest.Fault { return objtest.None })
	loop := w.compactor(again, nil)
	var calls []int
	for range 3 {
		if _, err := loop.Run(t.Context()); !errors.Is(err, ErrNoCompareAndSwap) {
			t.Fatalf("in a loop got %v", err)
		}
		calls = append(calls, len(again.Calls()))
	}
	if first, later := calls[0], calls[2]-calls[1]; first < 10 || later > 2 {
		t.Errorf("%d calls of the first pass, %d of a later one", first, later)
	}
	// The refusal holds for the next process too; a single writer is allowed.
	if _, err := w.compactor(lying{w.mem}, nil).Run(t.Context()); !errors.Is(err, ErrNoCompareAndSwap) {
		t.Errorf("the second time got %v", err)
	}
	if _, err := w.compactor(lying{w.mem}, func(o *Options) { o.SingleWriter = true }).Run(t.Context()); err != nil {
		t.Error(err)
	}
	w.check("single writer")
}

func TestProbeOnce(t *testing.T) {
	w := newWorld(t)
	puts := func() (n int) {
		b := objtest.NewFaults(w.mem, 0, func(objtest.Call) objtest.Fault { return objtest.None })
		if _, err := w.compactor(b, nil).Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, c := range b.Calls() {
			if c.Op == objtest.PutOp && strings.HasPrefix(c.Key, layout.StateKey("probe-")[:12]) {
				n++
			}
		}
		return n
	}
	if first, second := puts(), puts(); first < 32 || second != 0 {
		t.Errorf("%d puts of the probe, then %d", first, second)
	}
}

func TestHeldForAlerts(t *testing.T) {
	w := newWorld(t)
	key := w.upload(shop, "a", linesAt("a", epoch, 5))
	held := true
	hold := func(o *Options) {
		o.Held = func(context.Context) (func(string, time.Time) bool, error) {
			return func(k string, at time.Time) bool { return held && k == key && at.Equal(epoch) }, nil
		}
	}
	for range 3 {
		w.run(hold)
		w.advance(time.Hour)
	}
	if len(w.list(layout.RawPrefix)) != 1 {
		t.Fatal("a raw object that a rule waits for was deleted")
	}
	held = false
	w.settle("seen", hold)
}

func TestDeadline(t *testing.T) {
	w := newWorld(t)
	for i := range 10 {
		w.upload(shop, fmt.Sprint("a", i), linesAt(fmt.Sprint("a", i), epoch, 3))
	}
	small := func(o *Options) { o.BatchObjects = 2 }
	slow := objtest.NewHooks(w.mem, objtest.Hooks{Before: func(context.Context, objtest.Call) error {
		w.advance(time.Second)
		return nil
	}})
	w.run(small) // the probe is behind us
	w.advance(time.Minute)
	w.upload(shop, "b", linesAt("b", epoch, 3))
	for i := range 10 {
		w.upload(shop, fmt.Sprint("c", i), linesAt(fmt.Sprint("c", i), epoch, 3))
	}
	s, err := w.compactor(slow, func(o *Options) { small(o); o.Deadline = 30 * time.Second }).Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if s.Unfinished == "" || s.Commits == 0 || s.Lines.Written == 0 || s.Backlog[layout.Pod].Objects == 0 || !s.LastUpkeep.Before(s.Started) {
		t.Errorf("the summary is\n%s", s)
	}
	w.check("unfinished")
	if s := w.run(small); s.Unfinished != "" || s.Backlog[layout.Pod].Objects != 0 {
		t.Errorf("the rest:\n%s", s)
	}
}

// The newest hours of a backlog come first.
func TestBacklogNewestFirst(t *testing.T) {
	w := newWorld(t)
	for i := range 6 {
		at := epoch.Add(-time.Duration(i) * time.Hour)
		w.upload(shop, fmt.Sprint("a", i), linesAt(fmt.Sprint("a", i), at, 2))
	}
	var hours []string
	b := objtest.NewHooks(w.mem, objtest.Hooks{Before: func(_ context.Context, c objtest.Call) error {
		if _, h, _, err := layout.ParseBlock(c.Key); err == nil && c.Op == objtest.PutOp {
			hours = append(hours, h.String())
		}
		return nil
	}})
	s, err := w.compactor(b, func(o *Options) { o.BatchObjects = 2 }).Run(t.Context())
	if err != nil || s.Commits != 3 {
		t.Fatalf("%v, %d commits", err, s.Commits)
	}
	for i := 1; i < len(hours); i++ {
		if hours[i] > hours[i-1] {
			t.Fatalf("blocks were written in the order %v", hours)
		}
	}
}

// Shards of targets whose names look alike have about as many each, whatever their number.
func TestShardsAreEven(t *testing.T) {
	for _, n := range []int{2, 3, 4, 7, 8} {
		got := make([]int, n)
		for i := range 100 * n {
			got[shardOf(layout.Target{Kind: layout.Node, Name: fmt.Sprintf("ip-10-0-%d-%d.eu-west-1.compute.internal", i/200, 2*(i%200))}, n)]++
		}
		for i, targets := range got {
			if targets < 60 || targets > 140 {
				t.Errorf("shard %d of %d has %d targets", i, n, targets)
			}
		}
	}
}

func TestShards(t *testing.T) {
	w := newWorld(t)
	for i := range 12 {
		target := layout.Target{Kind: layout.Pod, Name: fmt.Sprint("ns", i)}
		w.upload(target, "a", linesAt(fmt.Sprint("a", i), epoch, 2))
	}
	var worked []int
	for i := range 3 {
		s := w.run(func(o *Options) { o.Shard = Shard{i, 3} })
		worked = append(worked, s.Targets)
		if got, err := LoadSummary(t.Context(), w.mem, Shard{i, 3}); err != nil || got.Targets != s.Targets {
			t.Errorf("the summary of shard %d: %v", i, err)
		}
	}
	if worked[0]+worked[1]+worked[2] != 12 || min(worked[0], worked[1], worked[2]) == 0 {
		t.Errorf("the shards worked on %v targets", worked)
	}
	w.check("sharded")
	w.settle("at last", nil)
}

func TestOneBadTargetStopsNoOther(t *testing.T) {
	w := newWorld(t)
	w.upload(shop, "a", linesAt("a", epoch, 2))
	w.put(layout.ManifestKey(layout.Target{Kind: layout.Pod, Name: "broken"}), []byte(`{"version":1,`))
	w.put(layout.ManifestKey(layout.Target{Kind: layout.Pod, Name: "newer"}), []byte(`{"version":99}`))
	s, err := w.compactor(w.mem, func(o *Options) { o.SweepInterval = time.Hour }).Run(t.Context())
	if err == nil || !s.LastSuccess.IsZero() {
		t.Fatal("a pass that could not read two manifests has ended well")
	}
	if !errors.Is(err, catalog.ErrInvalid) || !errors.Is(err, catalog.ErrNewer) {
		t.Fatalf("got %v", err)
	}
	if s.Failed[classInvalid] == 0 || s.Failed[classVersion] == 0 || s.Lines.Written != 2 {
		t.Errorf("the summary is\n%s", s)
	}
}

func TestForeignObjectsAreLeftAlone(t *testing.T) {
	w := newWorld(t)
	w.upload(shop, "a", linesAt("a", epoch, 2))
	w.put("raw/pod/shop/notes.txt", []byte("mine"))
	w.put("raw/pod/shop/2026-03-01_09/picture.png", []byte("mine"))
	w.put("pod/shop/readme.md", []byte("mine"))
	if s := w.run(nil); s.Foreign != 2 || len(s.ForeignNames) != 2 {
		t.Errorf("the summary is\n%s", s)
	}
	for range 4 {
		w.advance(time.Hour)
		w.run(nil)
	}
	for _, key := range []string{"raw/pod/shop/notes.txt", "raw/pod/shop/2026-03-01_09/picture.png", "pod/shop/readme.md"} {
		w.get(key)
	}
}

func TestMetricsAndSummary(t *testing.T) {
	w := newWorld(t)
	w.upload(shop, "a", linesAt("a", epoch, 5))
	w.upload(layout.Target{Kind: layout.Node, Name: "n1"}, "b", linesAt("b", epoch.Add(time.Hour), 5))
	reg := prometheus.NewRegistry()
	m, err := NewMetrics(reg)
	if err != nil {
		t.Fatal(err)
	}
	s := w.run(func(o *Options) { o.Metrics = m })
	want := fmt.Sprintf(`# HELP lethe_compactor_lines_total Lines that were written to blocks for the first time.
# TYPE lethe_compactor_lines_total counter
lethe_compactor_lines_total 10
# HELP lethe_compactor_newest_object_timestamp_seconds When the newest raw object of a node's own log was put.
# TYPE lethe_compactor_newest_object_timestamp_seconds gauge
lethe_compactor_newest_object_timestamp_seconds{node="n1"} %g
# HELP lethe_compactor_odd_lines_total Lines whose time is far from their arrival, by target.
# TYPE lethe_compactor_odd_lines_total counter
lethe_compactor_odd_lines_total{target="node/n1",why="ahead"} 5
lethe_compactor_odd_lines_total{target="node/n1",why="late"} 0
lethe_compactor_odd_lines_total{target="node/n1",why="too_old"} 0
`, float64(epoch.Unix()))
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "lethe_compactor_lines_total",
		"lethe_compactor_newest_object_timestamp_seconds", "lethe_compactor_odd_lines_total"); err != nil {
		t.Error(err)
	}
	if problems, err := testutil.GatherAndLint(reg); err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
	text := s.String()
	for _, part := range []string{"compacted 10 lines of 2 raw objects", "node/n1: 0 late lines, 5 dated ahead", "requests: "} {
		if !strings.Contains(text, part) {
			t.Errorf("the summary does not say %q:\n%s", part, text)
		}
	}
	if _, err := NewMetrics(reg); err == nil {
		t.Error("metrics were registered twice")
	}
	loaded, err := LoadSummary(t.Context(), w.mem, Shard{})
	if err != nil || loaded.Lines.Written != 10 || !loaded.LastSuccess.Equal(epoch) {
		t.Errorf("the summary in the bucket: %+v, %v", loaded, err)
	}
}

func TestRefusedOptions(t *testing.T) {
	base := Options{Now: time.Now, NewID: func() string { return "" }}
	for name, tc := range map[string]struct {
		change func(*Options)
		err    error
	}{
		"no clock":               {func(o *Options) { o.Now = nil }, ErrOptions},
		"no ids":                 {func(o *Options) { o.NewID = nil }, ErrOptions},
		"grace under the query":  {func(o *Options) { o.QueryTimeout, o.Grace = 5*time.Minute, 10*time.Minute }, ErrGrace},
		"raw grace of 15m":       {func(o *Options) { o.RawGrace = 15 * time.Minute }, ErrGrace},
		"raw grace of a query":   {func(o *Options) { o.QueryTimeout, o.RawGrace = time.Hour, time.Hour }, ErrGrace},
		"memory":                 {func(o *Options) { o.Memory = 1 << 20 }, ErrOptions},
		"concurrency":            {func(o *Options) { o.Concurrency = -1 }, ErrOptions},
		"fan-in":                 {func(o *Options) { o.FanIn = 65 }, ErrOptions},
		"target size":            {func(o *Options) { o.TargetSize = 1000 }, ErrOptions},
		"batch":                  {func(o *Options) { o.BatchObjects = -1 }, ErrOptions},
		"shard":                  {func(o *Options) { o.Shard = Shard{3, 3} }, ErrOptions},
		"retention under 1h":     {func(o *Options) { o.Retention.Time = time.Minute }, ErrOptions},
		"negative size":          {func(o *Options) { o.Retention.Size = -1 }, ErrOptions},
		"override's time":        {func(o *Options) { o.Retention.Overrides = []Override{{Selector: "pod", Time: 1}} }, ErrOptions},
		"negative settling time": {func(o *Options) { o.Settle = -1 }, ErrOptions},
	} {
		o := base
		tc.change(&o)
		if _, err := New(nil, o); !errors.Is(err, tc.err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := New(nil, base); err != nil {
		t.Error(err)
	}
}

// A target with nothing to do costs the reading of its manifest, and of nothing else, whatever it holds.
func TestIdleTargetsCostNothing(t *testing.T) {
	w := newWorld(t)
	for i := range 5 {
		w.upload(layout.Target{Kind: layout.Pod, Name: fmt.Sprint("ns", i)}, "a", linesAt(fmt.Sprint("a", i), epoch, 5))
	}
	w.run(nil)
	w.settle("before", nil)
	w.advance(48 * time.Hour)
	w.run(nil) // seals
	w.settle("sealed", nil)
	var mu sync.Mutex // targets are looked after at once
	calls := map[string]int{}
	b := objtest.NewHooks(w.mem, objtest.Hooks{Before: func(_ context.Context, c objtest.Call) error {
		mu.Lock()
		defer mu.Unlock()
		if strings.HasPrefix(c.Key, "pod/ns") || strings.HasPrefix(c.Key, "raw/pod/ns") {
			calls[fmt.Sprint(c.Op, " ", c.Key)]++
		}
		return nil
	}})
	if _, err := w.compactor(b, func(o *Options) { o.SweepInterval, o.SweepAge = 1000*time.Hour, time.Hour }).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	for call, n := range calls {
		if !strings.HasPrefix(call, "get ") || !strings.HasSuffix(call, "/manifest.json") || n != 1 {
			t.Errorf("%s, %d times", call, n)
		}
	}
	if len(calls) != 5 {
		t.Errorf("%d calls", len(calls))
	}
}

// No goroutine outlives a pass, however it ends.
func TestNoGoroutineOutlivesAPass(t *testing.T) {
	before := goleak.IgnoreCurrent()
	defer goleak.VerifyNone(t, before)
	for n := 1; n < 50; n += 6 {
		w := newWorld(t)
		for i := range 8 {
			w.upload(layout.Target{Kind: layout.Pod, Name: fmt.Sprint("ns", i)}, "a", linesAt(fmt.Sprint("a", i), epoch, 5))
		}
		ctx, cancel := context.WithCancel(t.Context())
		b := objtest.NewHooks(w.mem, objtest.Hooks{Before: func(ctx context.Context, c objtest.Call) error {
			if c.N == n {
				cancel()
			}
			return ctx.Err()
		}})
		s, err := w.compactor(b, func(o *Options) { o.Concurrency, o.SingleWriter = 3, true }).Run(ctx)
		if !errors.Is(err, context.Canceled) || s.Failed[classStopped] == 0 {
			t.Fatalf("stopped at call %d: %v", n, err)
		}
		cancel()
		w.check("cancelled")
	}
}

// However many targets are left when a pass is stopped, it says once that it was.
func TestStoppedOnce(t *testing.T) {
	w := newWorld(t)
	for i := range 30 {
		w.upload(layout.Target{Kind: layout.Pod, Name: fmt.Sprint("ns", i)}, "a", linesAt(fmt.Sprint("a", i), epoch, 2))
	}
	w.run(func(o *Options) { o.Targets = []layout.Target{dev} }) // the probe is behind us
	ctx, cancel := context.WithCancel(t.Context())
	commits := 0
	s, err := w.compactor(w.mem, func(o *Options) {
		o.Progress = func(Progress) {
			if commits++; commits == 5 {
				cancel()
			}
		}
	}).Run(ctx)
	if !errors.Is(err, context.Canceled) || s.Failed[classStopped] == 0 || s.Commits != 5 {
		t.Fatalf("%v and\n%s", err, s)
	}
	if n := strings.Count(err.Error(), context.Canceled.Error()); n > 2 { // that of the target at hand, and that of the pass
		t.Errorf("%d times: %v", n, err)
	}
}

// A node whose objects are all deleted is remembered for a day, by passes and in metrics, and then forgotten.
func TestSilentNodes(t *testing.T) {
	w := newWorld(t)
	reg := prometheus.NewRegistry()
	m, err := NewMetrics(reg)
	if err != nil {
		t.Fatal(err)
	}
	for _, node := range []string{"n1", "n2"} {
		w.upload(layout.Target{Kind: layout.Node, Name: node}, "a", linesAt(node, epoch, 2))
	}
	pass := func() *Summary { return w.run(func(o *Options) { o.Metrics = m }) }
	pass()
	w.settle("before", nil)
	w.upload(layout.Target{Kind: layout.Node, Name: "n2"}, "b", linesAt("b", w.Now(), 2))
	back := w.Now()
	if s := pass(); !s.NewestByNode["n1"].Equal(epoch) || !s.NewestByNode["n2"].Equal(back) {
		t.Errorf("the nodes are %v", s.NewestByNode)
	}
	w.advance(24*time.Hour - time.Minute)
	w.run(nil)
	pass()
	want := fmt.Sprintf(`# HELP lethe_compactor_newest_object_timestamp_seconds When the newest raw object of a node's own log was put.
# TYPE lethe_compactor_newest_object_timestamp_seconds gauge
lethe_compactor_newest_object_timestamp_seconds{node="n2"} %g
`, float64(back.Unix()))
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "lethe_compactor_newest_object_timestamp_seconds"); err != nil {
		t.Error(err)
	}
}
