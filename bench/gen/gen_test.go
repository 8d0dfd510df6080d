package gen_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"lethe/bench/gen"
	"lethe/internal/layout"
	"lethe/internal/record"
	"lethe/internal/render"
)

func newGenerator(t testing.TB, o gen.Options) *gen.Generator {
	t.Helper()
	g, err := gen.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestLinesAreExactlyAsManyInOrderAndInTheSpan(t *testing.T) {
	for _, o := range []gen.Options{
		{Lines: 20_000, Seed: 1},
		{Lines: 1},
		{Lines: 50_000, Duration: time.Second, Namespaces: 1, Pods: 3, Nodes: 1},
		{Lines: 5000, Duration: 5000, Seed: 9},
	} {
		g := newGenerator(t, o)
		o = g.Options()
		var n, last int64
		for row := range g.Rows() {
			if row.Time < last || row.Time < o.Start.UnixNano() || row.Time >= o.Start.Add(o.Duration).UnixNano() {
				t.Fatalf("line %d is at %d, after %d", n, row.Time, last)
			}
			if row.Namespace == "" || row.Pod == "" || row.Container == "" || row.Node == "" || row.Stream == "" || bytes.ContainsAny(row.Log, "\r\n") {
				t.Fatalf("line %d is %+v", n, row)
			}
			last = row.Time
			n++
		}
		if n != o.Lines {
			t.Errorf("%d lines, want %d", n, o.Lines)
		}
	}
}

func sum(g *gen.Generator) uint64 {
	h := fnv.New64a()
	for row := range g.Rows() {
		_, _ = h.Write(render.AppendText(nil, row, render.NewClock(time.UTC))) // a hash never fails
	}
	return h.Sum64()
}

func TestTheSameOptionsGiveTheSameLines(t *testing.T) {
	g := newGenerator(t, gen.Options{Lines: 5000, Seed: 7})
	first := sum(g)
	if sum(g) != first || sum(newGenerator(t, gen.Options{Lines: 5000, Seed: 7})) != first {
		t.Error("other lines of the same options")
	}
	if sum(newGenerator(t, gen.Options{Lines: 5000, Seed: 8})) == first {
		t.Error("the same lines of another seed")
	}
}

// What the benchmarks look for must be there, as often as they say.
func TestTheMix(t *testing.T) {
	const lines = 80_000
	g := newGenerator(t, gen.Options{Lines: lines, Seed: 1})
	want := map[string][2]float64{ // share of all lines, from and to
		"trace_id":             {0.05, 0.5},
		"authentication fail":  {0.002, 0.05},
		"Connection reset":     {0.0003, 0.01},
		"Exception":            {0.0005, 0.1},
		"\tat com.acme.orders": {0.005, 0.3},
		"STATEMENT:":           {0.00005, 0.02},
		"försök":               {0.00005, 0.01},
		"FailedScheduling":     {0.00001, 0.02},
	}
	counts, pods := map[string]int{}, map[string]int{}
	for row := range g.Rows() {
		for word := range want {
			if strings.Contains(string(row.Log), word) {
				counts[word]++
			}
		}
		pods[row.Pod]++
	}
	for word, share := range want {
		if got := float64(counts[word]) / lines; got < share[0] || got > share[1] {
			t.Errorf("%q is in %.5f of the lines, want %v", word, got, share)
		}
	}
	most := 0
	for _, n := range pods {
		most = max(most, n)
	}
	if share := float64(most) / lines; share < 0.1 || share > 0.5 || len(pods) < 100 {
		t.Errorf("the busiest of %d pods writes %.3f of the lines", len(pods), share)
	}
}

func decompress(t *testing.T, key string, b []byte) []byte {
	t.Helper()
	var r io.Reader = bytes.NewReader(b)
	switch {
	case strings.HasSuffix(key, ".gz"):
		z, err := gzip.NewReader(r)
		if err != nil {
			t.Fatal(err)
		}
		r = z
	case strings.HasSuffix(key, ".zst"):
		z, err := zstd.NewReader(r)
		if err != nil {
			t.Fatal(err)
		}
		defer z.Close()
		r = z
	}
	out, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// The objects, read with encoding/json, are the lines again: as a set, for each agent sends its own.
func TestObjectsAreTheLines(t *testing.T) {
	for name, o := range map[string]gen.ObjectOptions{
		"gzip":  {},
		"zstd":  {Compression: gen.Zstd, Every: 10 * time.Minute},
		"plain": {Compression: gen.Plain, MaxBytes: 20_000},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGenerator(t, gen.Options{Lines: 20_000, Seed: 3, Duration: 30 * time.Minute})
			want := map[string]int{}
			for row := range g.Rows() {
				want[line(row)]++
			}
			keys := map[string]bool{}
			for obj, err := range g.Objects(o) {
				if err != nil {
					t.Fatal(err)
				}
				raw, ok := layout.ParseRaw(obj.Key)
				if !ok || keys[obj.Key] {
					t.Fatalf("the key %q", obj.Key)
				}
				keys[obj.Key] = true
				text := decompress(t, obj.Key, obj.Body)
				if int64(len(text)) != obj.Bytes || bytes.Count(text, []byte("\n")) != obj.Rows {
					t.Fatalf("%s: %d bytes, %d said", obj.Key, len(text), obj.Bytes)
				}
				for l := range bytes.Lines(text) {
					want[line(parse(t, raw, l))]--
				}
			}
			for l, n := range want {
				if n != 0 {
					t.Fatalf("%d times too few: %s", n, l)
				}
			}
		})
	}
}

func line(r *record.Row) string {
	return fmt.Sprintf("%d %s %s %s %s %s %q", r.Time, r.Namespace, r.Pod, r.Container, r.Stream, r.Node, r.Log)
}

func parse(t *testing.T, raw layout.Raw, l []byte) *record.Row {
	t.Helper()
	var rec map[string]string
	if err := json.Unmarshal(l, &rec); err != nil {
		t.Fatalf("%s: %v", l, err)
	}
	at, err := time.Parse(time.RFC3339Nano, rec["time"])
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range l {
		if b >= 0x80 {
			t.Fatalf("not ASCII: %s", l)
		}
	}
	if rec["namespace"] != raw.Target.Name || len(rec["container_id"]) != 64 || rec["date"] == "" {
		t.Fatalf("%s in %v", l, raw)
	}
	return &record.Row{
		Time: at.UnixNano(), Namespace: rec["namespace"], Pod: rec["pod"], Container: rec["container"], Stream: rec["stream"], Node: rec["node"], Log: []byte(rec["log"]),
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for _, o := range []gen.Options{
		{}, {Lines: -1}, {Lines: 1, Namespaces: -1}, {Lines: 1, Pods: 1 << 20}, {Lines: 1, Nodes: -4}, {Lines: 1000, Duration: 999}, {Lines: 1, Duration: -1},
	} {
		if _, err := gen.New(o); !errors.Is(err, gen.ErrOptions) {
			t.Errorf("%+v: got the error %v", o, err)
		}
	}
	for _, o := range []gen.ObjectOptions{{Compression: 7}, {Every: -1}, {MaxBytes: -1}} {
		for _, err := range newGenerator(t, gen.Options{Lines: 1}).Objects(o) {
			if !errors.Is(err, gen.ErrOptions) {
				t.Errorf("%+v: got the error %v", o, err)
			}
		}
	}
}

func BenchmarkRows(b *testing.B) {
	g := newGenerator(b, gen.Options{Lines: int64(b.N), Duration: time.Duration(max(b.N, 1<<30))})
	var bytes int64
	b.ReportAllocs()
	for row := range g.Rows() {
		bytes += int64(len(row.Log))
	}
	b.SetBytes(bytes / int64(b.N))
}

func BenchmarkObjects(b *testing.B) {
	g := newGenerator(b, gen.Options{Lines: int64(b.N), Duration: time.Duration(max(b.N, 1<<30)) * 100})
	var bytes int64
	b.ReportAllocs()
	for o, err := range g.Objects(gen.ObjectOptions{}) {
		if err != nil {
			b.Fatal(err)
		}
		bytes += o.Bytes
	}
	b.SetBytes(bytes / int64(b.N))
}
