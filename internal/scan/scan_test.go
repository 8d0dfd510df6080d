package scan_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"lethe/internal/layout"
	"lethe/internal/record"
	"lethe/internal/scan"
	"lethe/letheql"
	"lethe/objstore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newScanner(t testing.TB, b objstore.Reader, o scan.Options) *scan.Scanner {
	t.Helper()
	s, err := scan.New(b, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// text writes a row as the select wants it, so that rows can be compared.
func text(s letheql.Select, r *record.Row) string {
	c := *r
	if !s.NeedStream {
		c.Stream = ""
	}
	if !s.NeedNode && c.Namespace != "" {
		c.Node = ""
	}
	log := "-"
	if s.NeedLog {
		log = string(c.Log)
	}
	return fmt.Sprintf("%d %s/%s/%s %s %s %s %q", c.Time, c.Namespace, c.Pod, c.Container, c.Stream, c.Node, c.Process, log)
}

func texts(s letheql.Select, lines []line) []string {
	out := make([]string, len(lines))
	for i := range lines {
		out[i] = text(s, &lines[i].Row)
	}
	return out
}

func collect(ctx context.Context, sc *scan.Scanner, s letheql.Select, stats *letheql.Stats) ([]string, error) {
	var out []string
	for r, err := range sc.Lines(ctx, s, stats) {
		if err != nil {
			return out, err
		}
		out = append(out, text(s, &r))
	}
	return out, nil
}

func diff(got, want []string) string {
	for i := range max(len(got), len(want)) {
		g, w := "nothing", "nothing"
		if i < len(got) {
			g = got[i]
		}
		if i < len(want) {
			w = want[i]
		}
		if g != w {
			return fmt.Sprintf("%d rows, want %d; row %d is\n%s, want\n%s", len(got), len(want), i, g, w)
		}
	}
	return ""
}

// TestEqualsNaive compares Lines and Visit with the naive evaluation over random buckets, with little memory and with much.
func TestEqualsNaive(t *testing.T) {
	rows := 0
	for seed := range uint64(8) {
		r := rand.New(rand.NewPCG(seed, 1))
		w := newWorld(t)
		w.random(r, 5+r.IntN(60))
		for _, o := range []scan.Options{{}, {Memory: 1 << 20, GetBytes: 64 << 10, GapBytes: -1, Concurrency: 2, PageCache: -1, TailCache: -1}} {
			sc := newScanner(t, w.bucket, o)
			for range 25 {
				s := randomSelect(r)
				want := texts(s, w.naive(s))
				rows += len(want)
				var stats letheql.Stats
				got, err := collect(t.Context(), sc, s, &stats)
				if err != nil {
					t.Fatal(err)
				}
				if d := diff(got, want); d != "" {
					t.Fatalf("seed %d, %+v: %s", seed, s, d)
				}
				if stats.LinesReturned != int64(len(want)) {
					t.Errorf("%d lines are counted, %d were returned", stats.LinesReturned, len(want))
				}
				s.Limit = 0
				visitEquals(t, sc, s, texts(s, w.naive(s)))
			}
		}
	}
	if rows < 5_000 {
		t.Errorf("only %d rows were compared", rows)
	}
}

// TestFewRawObjectsAreReadAtOnce: each takes a table of lines in memory, so those of all targets and queries together are bounded.
func TestFewRawObjectsAreReadAtOnce(t *testing.T) {
	w := newWorld(t)
	const targets = 8
	for i := range targets {
		w.put(layout.Target{Kind: layout.Pod, Name: fmt.Sprint("ns", i)}, []record.Row{row(i, "x")})
	}
	sc := newScanner(t, w.bucket, scan.Options{Decoders: 1, RawCache: -1})
	sel := all()
	sel.Matchers = nil
	const most = 2
	var inside, seen atomic.Int64
	crowded := make(chan struct{})
	tell := sync.OnceFunc(func() { close(crowded) })
	visit := func(*letheql.Batch) error {
		seen.Add(1)
		defer inside.Add(-1)
		if inside.Add(1) > most {
			tell()
		}
		select {
		case <-crowded:
			return errors.New("too many are read at once")
		case <-time.After(20 * time.Millisecond): // the others have come by now, if they may
			return nil
		}
	}
	g, ctx := errgroup.WithContext(t.Context())
	for range 2 {
		g.Go(func() error { return sc.Visit(ctx, sel, nil, visit) })
	}
	if err := g.Wait(); err != nil || seen.Load() != 2*targets {
		t.Errorf("%d objects: %v", seen.Load(), err)
	}
}

// TestMoreThanMemory compares with the naive evaluation where neither the raw objects nor the pages in flight fit into memory.
func TestMoreThanMemory(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 1))
	w := newWorld(t)
	w.pad = 8000
	w.random(r, 60)
	for range 20 {
		w.put(podDefault, w.padded(r, randomRows(r, podDefault)))
	}
	sc := newScanner(t, w.bucket, scan.Options{Memory: 1 << 20, GetBytes: 64 << 10, PageCache: -1, RawCache: -1})
	for range 8 {
		s := randomSelect(r)
		s.Kind, s.Matchers = layout.Pod, nil
		var stats letheql.Stats
		got, err := collect(t.Context(), sc, s, &stats)
		if err != nil {
			t.Fatal(err)
		}
		if d := diff(got, texts(s, w.naive(s))); d != "" {
			t.Fatalf("%+v: %s", s, d)
		}
		if stats.RawBytes < 1<<20 {
			t.Fatalf("only %d bytes are raw", stats.RawBytes)
		}
	}
}

// TestManyLinesInAShortTime: raw lines that stand together, in an object that reaches far, are read in as many windows as they need. Those of one moment
// must fit into memory, and no more than that.
func TestManyLinesInAShortTime(t *testing.T) {
	const memory = 1 << 20
	w := newWorld(t)
	crowd := func(at, n int, apart time.Duration) {
		rows := []record.Row{row(0, "first"), row(7200, "last")}
		for i := range n {
			r := row(at, fmt.Sprintf("%d %s", i, strings.Repeat("x", 10_000)))
			r.Time += int64(i) * int64(apart)
			rows = append(rows, r)
		}
		w.put(podDefault, rows)
	}
	crowd(1800, 110, time.Microsecond)
	crowd(3600, 80, 0)
	sc := newScanner(t, w.bucket, scan.Options{Memory: memory})
	s := all()
	got, err := collect(t.Context(), sc, s, nil)
	if err != nil {
		t.Fatal(err)
	}
	if d := diff(got, texts(s, w.naive(s))); d != "" {
		t.Error(d)
	}
	w = newWorld(t)
	crowd(5400, 120, 0)
	sc = newScanner(t, w.bucket, scan.Options{Memory: memory})
	if _, err := collect(t.Context(), sc, all(), nil); !errors.Is(err, letheql.ErrLimit) || !strings.Contains(err.Error(), "lines of one moment") {
		t.Errorf("1.2 MB of one moment in 1 MiB: %v", err)
	}
}

// TestWidePagesKeepToMemory: where each page reaches over all windows, it is read for each of them, and windows are as many as memory asks for, whether
// lines are filtered or not.
func TestWidePagesKeepToMemory(t *testing.T) {
	const memory, lines, pods = 1 << 20, 6000, 100
	w := newWorld(t)
	w.block.PageBytes = 64 << 10
	rows := make([]record.Row, lines)
	text := strings.Repeat("x", 2000)
	for i := range rows {
		rows[i] = row(0, text)
		rows[i].Time += int64(i) * int64(time.Hour) / lines
		rows[i].Pod = fmt.Sprint("pod-", i%pods)
	}
	w.compact([]rawObject{w.put(podDefault, rows)})
	sc := newScanner(t, w.bucket, scan.Options{Memory: memory})
	for _, filters := range [][]letheql.LineFilter{nil, {{Op: letheql.Contains, Text: "x"}}} {
		s := all()
		s.Filters = filters
		var stats letheql.Stats
		if _, err := collect(t.Context(), sc, s, &stats); err != nil {
			t.Fatal(err)
		}
		// Some pages are kept whole, so the mean of how often one is read is less than the number of windows.
		const least, most = lines * 2000 / memory * 3 / 4, lines * 2000 / memory * 5 / 2
		if each := stats.PagesRead / stats.Pages; each < least || each > most {
			t.Errorf("%v: %d pages are read %d times each, want %d to %d", filters, stats.Pages, each, least, most)
		}
	}
}

// TestLinesOfOneSecondKeepToMemory: most lines of an hour fall into one second, in pages that reach over the hour. What is held is what memory allows, and
// pages are not read over and over.
func TestLinesOfOneSecondKeepToMemory(t *testing.T) {
	const memory, lines, pods, length = 1 << 20, 12_000, 1201, 800
	w := newWorld(t)
	w.block.PageBytes = 64 << 10
	rows := make([]record.Row, lines)
	text := strings.Repeat("x", length)
	for i := range rows {
		rows[i] = row(0, text)
		rows[i].Pod = fmt.Sprint("pod-", i%pods)
		if rows[i].Time += int64(i) * int64(time.Hour) / lines; i%10 > 0 {
			rows[i].Time = row(1800, "").Time + int64(i)*int64(time.Second)/lines
		}
	}
	w.compact([]rawObject{w.put(podDefault, rows)})
	sc := newScanner(t, w.bucket, scan.Options{Memory: memory, PageCache: -1})
	backward := all()
	backward.Direction, backward.Filters = letheql.Backward, []letheql.LineFilter{{Op: letheql.Contains, Text: "x"}}
	for _, s := range []letheql.Select{all(), backward} {
		var stats letheql.Stats
		var times []int64
		before, most := heap(), int64(0)
		for r, err := range sc.Lines(t.Context(), s, &stats) {
			if err != nil {
				t.Fatal(err)
			}
			if times = append(times, r.Time); len(times)%2000 == 0 {
				most = max(most, heap()-before)
			}
		}
		if s.Direction == letheql.Backward {
			slices.Reverse(times)
		}
		if len(times) != lines || !slices.IsSorted(times) {
			t.Errorf("%d lines, in order: %t", len(times), slices.IsSorted(times))
		}
		if t.Logf("%v: %d MiB, each page %d times", s.Filters, most>>20, stats.PagesRead/stats.Pages); most > 12*memory {
			t.Errorf("%v: %d MiB were held of %d", s.Filters, most>>20, lines*length>>20)
		}
		if each := stats.PagesRead / stats.Pages; each > 8*lines*length/memory {
			t.Errorf("%v: each page is read %d times", s.Filters, each)
		}
	}
}

// heap returns how many bytes are held.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func visitEquals(t *testing.T, sc *scan.Scanner, s letheql.Select, want []string) {
	t.Helper()
	s.NeedSize = true
	var mu sync.Mutex
	var got []string
	err := sc.Visit(t.Context(), s, nil, func(b *letheql.Batch) error {
		mu.Lock()
		defer mu.Unlock()
		for i, at := range b.Times {
			row := record.Row{
				Time: at, Namespace: b.Namespace, Pod: b.Pod, Container: b.Container, Stream: b.Stream, Node: b.Node, Process: b.Process, Log: b.Logs[i],
			}
			if int(b.Sizes[i]) != len(b.Logs[i]) {
				t.Errorf("a line of %d bytes has the size %d", len(b.Logs[i]), b.Sizes[i])
			}
			got = append(got, text(s, &row))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(got)
	slices.Sort(want)
	if d := diff(got, want); d != "" {
		t.Fatalf("%+v: %s", s, d)
	}
}

// TestSeriesAreThoseOfTheLines: every series of a line is named, and none that has no line at any time.
func TestSeriesAreThoseOfTheLines(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 1))
	w := newWorld(t)
	w.random(r, 50)
	sc := newScanner(t, w.bucket, scan.Options{})
	for range 100 {
		s := randomSelect(r)
		s.Filters, s.Limit = nil, 0
		got, err := sc.Series(t.Context(), s, nil)
		if err != nil {
			t.Fatal(err)
		}
		var have []string
		for _, l := range got {
			have = append(have, l.String())
		}
		must := w.series(s)
		wide := s
		wide.Start, wide.End = 0, 1<<62
		may := w.series(wide)
		for _, m := range must {
			if !slices.Contains(have, m) {
				t.Fatalf("%+v: %s is missing in %v", s, m, have)
			}
		}
		for _, h := range have {
			if !slices.Contains(may, h) {
				t.Fatalf("%+v: %s has no line", s, h)
			}
		}
	}
}

func (w *world) series(s letheql.Select) []string {
	known := map[string]bool{}
	for _, l := range w.naive(s) {
		r := l.Row
		var parts []string
		for _, name := range record.LabelsOf(s.Kind) {
			if (name == "stream" && !s.NeedStream) || (name == "node" && !s.NeedNode && r.Namespace != "") {
				continue
			}
			if v := r.Label(name); v != "" {
				parts = append(parts, fmt.Sprintf("%s=%q", name, v))
			}
		}
		slices.SortFunc(parts, func(a, b string) int { return cmp.Compare(a, b) })
		known["{"+strings.Join(parts, ", ")+"}"] = true
	}
	var out []string
	for k := range known {
		out = append(out, k)
	}
	return out
}
