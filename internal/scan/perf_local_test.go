package scan_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"os"
	"runtime/pprof"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"lethe/bench/gen"
	"lethe/internal/block"
	"lethe/internal/catalog"
	"lethe/internal/layout"
	"lethe/internal/scan"
	"lethe/letheql"
	"lethe/objstore"
	"lethe/objstore/bucketurl"
)

func perfBucket(t *testing.T) objstore.Bucket {
	u := os.Getenv("PERF_BUCKET")
	if u == "" {
		t.SkipNow()
	}
	b, err := bucketurl.Open(context.Background(), u, bucketurl.Options{Clock: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestPerfBuild(t *testing.T) {
	b := perfBucket(t)
	ctx := context.Background()
	g, err := gen.New(gen.Options{Lines: 2_400_000, Namespaces: 1, Pods: 30})
	if err != nil {
		t.Fatal(err)
	}
	put := func(key string, body []byte) {
		if _, err := b.Put(ctx, key, bytes.NewReader(body), int64(len(body)), objstore.Condition{}); err != nil {
			t.Fatal(err)
		}
	}
	target := podDefault
	snap, err := catalog.Load(ctx, b, target)
	if err != nil || snap.Exists {
		t.Fatal(err, snap.Exists)
	}
	next := snap.Manifest.Clone()
	var cur layout.Hour = -1
	var sorter *block.Sorter
	var text int64
	flush := func() {
		if sorter == nil {
			return
		}
		var body bytes.Buffer
		w, err := block.NewWriter(&body, target, block.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for r := range sorter.Rows() {
			if err := w.Write(r); err != nil {
				t.Fatal(err)
			}
		}
		m, err := w.Close()
		if err != nil {
			t.Fatal(err)
		}
		key := layout.BlockKey(target, cur, fmt.Sprint("b", cur))
		put(key, body.Bytes())
		next.Blocks = append(next.Blocks, catalog.Block{Key: key, Size: m.Size, Tail: m.Tail, Rows: m.Rows, Text: m.Text, Min: m.Min, Max: m.Max, Hour: cur, Arrived: int64(cur), Level: 1})
		fmt.Println(key, m.Size, m.Tail, m.Rows, m.Text)
	}
	var raw bytes.Buffer
	n, objs := 0, 0
	for r := range g.Rows() {
		if n++; n > 2_380_000 {
			// the last rows are the backlog
			fmt.Fprintf(&raw, `{"time":%q,"pod":%q,"container":%q,"stream":%q,"node":%q,"log":%q}`+"\n", time.Unix(0, r.Time).UTC().Format(time.RFC3339Nano), r.Pod, r.Container, r.Stream, r.Node, strings.ToValidUTF8(string(r.Log), "?"))
			if n%2000 == 0 {
				objs++
				put(layout.RawKey(target, layout.HourOf(r.Time), fmt.Sprintf("o%d.jsonl.gz", objs)), gz(raw.Bytes()))
				raw.Reset()
			}
			continue
		}
		if h := layout.HourOf(r.Time); h != cur {
			flush()
			cur = h
			sorter, err = block.NewSorter(target, 1<<30)
			if err != nil {
				t.Fatal(err)
			}
		}
		text += int64(len(r.Log)) + 60
		if err := sorter.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	flush()
	store := &catalog.Store{Bucket: b, NewID: func() string { return "x1" }}
	if _, err := store.Swap(ctx, snap, next); err != nil {
		t.Fatal(err)
	}
	fmt.Println("text", text)
}

func gz(b []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(b)
	_ = w.Close()
	return out.Bytes()
}

func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func TestPerf(t *testing.T) {
	b := perfBucket(t)
	sc, err := scan.New(b, scan.Options{PageCache: -1, TailCache: 256 << 20, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	base := letheql.Select{Kind: layout.Pod, Start: 0, End: 1 << 62, NeedLog: true, Matchers: []*labels.Matcher{labels.MustNewMatcher(labels.MatchEqual, "namespace", "default")}}
	uuid, hex8 := "", ""
	for r, err := range sc.Lines(t.Context(), base, nil) {
		if err != nil {
			t.Fatal(err)
		}
		if i := bytes.Index(r.Log, []byte(`trace_id":"`)); i > 0 && r.Time > time.Date(2026, 3, 1, 1, 30, 0, 0, time.UTC).UnixNano() {
			uuid = string(r.Log[i+11 : i+11+32])
			hex8 = uuid[:8]
			fmt.Println(string(r.Log))
			break
		}
	}
	fmt.Println(uuid, hex8)
	q := func(name string, n int, s letheql.Select, visit bool) {
		if f := os.Getenv("PERF_ONLY"); f != "" && !strings.Contains(name, f) {
			return
		}
		var times, cpus []time.Duration
		var st letheql.Stats
		rows, bytes := 0, 0
		if p := os.Getenv("PERF_PROFILE"); p != "" {
			f, _ := os.Create(p)
			_ = pprof.StartCPUProfile(f)
			defer pprof.StopCPUProfile()
		}
		for range n {
			st = letheql.Stats{}
			rows, bytes = 0, 0
			c0, t0 := cpu(), time.Now()
			if visit {
				res := make(chan int, 100000)
				err := sc.Visit(t.Context(), s, &st, func(b *letheql.Batch) error { res <- len(b.Times); return nil })
				if err != nil {
					t.Fatal(err)
				}
				close(res)
				for x := range res {
					rows += x
				}
			} else {
				for r, err := range sc.Lines(t.Context(), s, &st) {
					if err != nil {
						t.Fatal(err)
					}
					rows++
					bytes += len(r.Log) + 60
				}
			}
			times = append(times, time.Since(t0))
			cpus = append(cpus, cpu()-c0)
		}
		slices.Sort(times)
		slices.Sort(cpus)
		fmt.Printf("%-28s min %8.1fms med %8.1fms cpu %8.1fms rows %8d MB %6.1f pages %d/%d gets %d fetched %.2fMB scanned %.1fMB plan %.1fms\n", name, float64(times[0].Microseconds())/1000, float64(times[len(times)/2].Microseconds())/1000, float64(cpus[len(cpus)/2].Microseconds())/1000, rows, float64(bytes)/1e6,
			st.Pages-st.PagesPruned, st.Pages, st.Gets, float64(st.BytesFetched)/1e6, float64(st.BytesScanned)/1e6, float64(st.PlanNanos)/1e6)
	}
	f := func(op letheql.FilterOp, texts ...string) letheql.Select {
		s := base
		for _, x := range texts {
			s.Filters = append(s.Filters, letheql.LineFilter{Op: op, Text: x})
		}
		return s
	}
	lim := func(s letheql.Select, d letheql.Direction) letheql.Select { s.Limit, s.Direction = 1001, d; return s }
	const n = 9
	q("needle uuid", n, lim(f(letheql.Contains, uuid), letheql.Backward), false)
	q("needle hex8", n, lim(f(letheql.Contains, hex8), letheql.Backward), false)
	q("inside a word", n, lim(f(letheql.Contains, uuid[3:13]), letheql.Backward), false)
	q("nowhere", n, lim(f(letheql.Contains, "zebra crossing quux"), letheql.Backward), false)
	cnt := f(letheql.Contains, "connection reset")
	cnt.NeedLog = false
	q("phrase count", n, cnt, true)
	q("frequent limit backward", n, lim(f(letheql.Contains, "GET"), letheql.Backward), false)
	q("frequent limit forward", n, lim(f(letheql.Contains, "GET"), letheql.Forward), false)
	q("newest 1000", n, lim(base, letheql.Backward), false)
	re := f(letheql.Matches, `user=\w+.*rhost=[0-9.]+`)
	q("regex literals", n, lim(re, letheql.Backward), false)
	re2 := f(letheql.Matches, `GET /[a-z]+/.* 50[0-9]`)
	re2.NeedLog = false
	q("regex frequent literals", 3, re2, true)
	neg := f(letheql.NotContains, "INFO")
	neg.Filters = append(neg.Filters, letheql.LineFilter{Op: letheql.Matches, Text: "(?i)exception"})
	neg.NeedLog = false
	q("not INFO and (?i)exception", 5, neg, true)
	noLit := f(letheql.Matches, `[0-9]{3}ms|\d+\.\d+s`)
	noLit.NeedLog = false
	q("no literal", 3, noLit, true)
	c := base
	c.NeedLog = false
	q("count by pod", n, c, true)
	q("everything", 3, base, false)
}
