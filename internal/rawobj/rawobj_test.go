package rawobj

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"go.uber.org/goleak"

	"lethe/internal/catalog"
	"lethe/internal/layout"
	"lethe/internal/record"
	"lethe/objstore"
	"lethe/objstore/memstore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	target = layout.Target{Kind: layout.Pod, Name: "shop"}
	epoch  = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
)

// bench is a bucket whose clock moves on by a second a put.
type bench struct {
	t      testing.TB
	bucket *memstore.Bucket
	now    time.Time
}

func newBench(t testing.TB) *bench {
	b := &bench{t: t, now: epoch}
	b.bucket = memstore.New(func() time.Time { return b.now })
	return b
}

func (b *bench) put(name string, data []byte) string {
	b.t.Helper()
	b.now = b.now.Add(time.Second)
	key := layout.RawKey(target, layout.HourOf(epoch.UnixNano()), name)
	if _, err := b.bucket.Put(b.t.Context(), key, bytes.NewReader(data), int64(len(data)), objstore.Condition{}); err != nil {
		b.t.Fatal(err)
	}
	return key
}

func (b *bench) list() (objects []objstore.Object) {
	b.t.Helper()
	for obj, err := range b.bucket.List(b.t.Context(), objstore.ListOptions{Prefix: layout.RawPrefixOf(target)}) {
		if err != nil {
			b.t.Fatal(err)
		}
		objects = append(objects, obj)
	}
	return objects
}

func lines(from, to int) string {
	var b strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprintf(&b, `{"time":"2026-03-01T09:%02d:%02d.%09dZ","pod":"p","log":"line %d"}`+"\n", i/60%60, i%60, i, i)
	}
	return b.String()
}

func zip(t testing.TB, s string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := io.WriteString(w, s)
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zst(t testing.TB, s string) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b)
	if err == nil {
		_, err = io.WriteString(w, s)
		err = errors.Join(err, w.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// read returns the lines of one object, and what to remember of it.
func read(ctx context.Context, s *Set, i int) (logs []string, body catalog.Body, err error) {
	rows, err := s.Open(ctx, i)
	if err != nil {
		return nil, body, err
	}
	for {
		var row record.Row
		if err = rows.Next(&row); err != nil {
			break
		}
		logs = append(logs, string(row.Log))
	}
	if record.AtEnd(err) {
		err = nil
	}
	body, _ = rows.Body()
	return logs, body, errors.Join(err, rows.Close())
}

// readSet returns the lines of all objects by the last segment of their keys.
func readSet(t testing.TB, s *Set) (logs map[string][]string, bodies []catalog.Body) {
	t.Helper()
	logs = map[string][]string{}
	for i := range s.Len() {
		got, body, err := read(t.Context(), s, i)
		if err != nil {
			t.Fatal(err)
		}
		key := s.Object(i).Key
		logs[key[strings.LastIndexByte(key, '/')+1:]] = got
		bodies = append(bodies, body)
	}
	return logs, bodies
}

func resolve(t testing.TB, b objstore.Reader, objects []objstore.Object, memory []catalog.Body, o Options) *Set {
	t.Helper()
	o.Target = target
	s, err := Resolve(t.Context(), b, objects, memory, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func names(from, to int) (out []string) {
	for i := from; i < to; i++ {
		out = append(out, fmt.Sprintf("line %d", i))
	}
	return out
}

func TestRetries(t *testing.T) {
	b := newBench(t)
	b.put("superset.jsonl.gz", zip(t, lines(0, 50)))
	b.put("first.jsonl", []byte(lines(0, 10)))
	b.put("again.jsonl.gz", zip(t, lines(0, 10)))
	b.put("more.jsonl.zst", zst(t, lines(0, 30)))
	b.put("fork.jsonl", []byte(lines(0, 10)+lines(100, 130)))
	b.put("differs.jsonl", []byte(lines(0, 1)+lines(100, 109)))
	b.put("other.jsonl", []byte(lines(50, 60)))
	b.put("no-feed.jsonl", []byte(strings.TrimSuffix(lines(200, 203), "\n")))
	b.put("fed.jsonl", []byte(lines(200, 205)))
	b.put("empty.jsonl", nil)
	want := map[string][]string{
		"first.jsonl": names(0, 10), "again.jsonl.gz": nil, "more.jsonl.zst": names(10, 30), "superset.jsonl.gz": names(30, 50),
		"fork.jsonl": names(100, 130), "differs.jsonl": append(names(0, 1), names(100, 109)...), "other.jsonl": names(50, 60),
		"no-feed.jsonl": names(200, 203), "fed.jsonl": names(203, 205), "empty.jsonl": nil,
	}
	for _, o := range []Options{{}, {Identify: true}, {Budget: -1}, {Budget: 300, Concurrency: 1}} {
		set := resolve(t, b.bucket, b.list(), nil, o)
		got, bodies := readSet(t, set)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%+v: lines differ (-want +got):\n%s", o, diff)
		}
		if !o.Identify {
			continue
		}
		// What is remembered of them leaves nothing of them.
		memory := Remember(nil, bodies)
		if len(memory) != len(want)-1 {
			t.Errorf("%d bodies are remembered, want %d: one of them is there twice", len(memory), len(want)-1)
		}
		again, _ := readSet(t, resolve(t, b.bucket, b.list(), memory, Options{}))
		for name, logs := range again {
			if len(logs) > 0 {
				t.Errorf("%s yields %q although it is remembered", name, logs)
			}
		}
	}
}

// A short original that comes after its longer retry is told by the retry, while that is still there.
func TestShortAfterConsumed(t *testing.T) {
	b := newBench(t)
	b.put("long.jsonl.gz", zip(t, lines(0, 50)))
	_, bodies := readSet(t, resolve(t, b.bucket, b.list(), nil, Options{Identify: true}))
	consumed := b.list()
	key := b.put("short.jsonl.gz", zip(t, lines(0, 10)))
	fresh := slices.DeleteFunc(b.list(), func(o objstore.Object) bool { return o.Key != key })
	got, _ := readSet(t, resolve(t, b.bucket, fresh, bodies, Options{Consumed: consumed}))
	if len(got["short.jsonl.gz"]) > 0 {
		t.Errorf("counted again: %q", got)
	}
	if err := b.bucket.Delete(t.Context(), consumed[0].Key); err != nil {
		t.Fatal(err)
	}
	got, _ = readSet(t, resolve(t, b.bucket, fresh, bodies, Options{Consumed: consumed}))
	if diff := cmp.Diff(names(0, 10), got["short.jsonl.gz"]); diff != "" {
		t.Errorf("without the retry (-want +got):\n%s", diff)
	}
}

// Random bodies, their beginnings and copies, over several rounds of consuming: as a naive comparison of strings says.
func TestAgainstStrings(t *testing.T) {
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 7))
		b := newBench(t)
		var memory []catalog.Body
		var consumed []string // decoded bodies
		done := map[string]bool{}
		for round := range 3 {
			fresh := map[string]string{}
			for n := range 1 + r.IntN(8) {
				name := fmt.Sprintf("r%d-%d.jsonl", round, n)
				fresh[name] = randomBody(r)
				b.put(name, pack(t, r, fresh[name]))
			}
			objects := slices.DeleteFunc(b.list(), func(o objstore.Object) bool { return done[o.Key] })
			o := Options{Identify: r.IntN(4) > 0, Budget: int64(r.IntN(3000)) - 1, Concurrency: 1 + r.IntN(4)}
			set := resolve(t, b.bucket, objects, memory, o)
			got, bodies := readSet(t, set)
			if diff := cmp.Diff(naive(set, fresh, consumed), got); diff != "" {
				t.Fatalf("seed %d round %d: lines differ (-want +got):\n%s", seed, round, diff)
			}
			for i := range set.Len() {
				done[set.Object(i).Key] = true
			}
			if o.Identify {
				memory = Remember(memory, bodies)
				for _, body := range fresh {
					consumed = append(consumed, body)
				}
			}
		}
	}
}

// randomBody is the beginning of one of few streams, all of which begin with the same line.
func randomBody(r *rand.Rand) string {
	stream, n := r.IntN(3), r.IntN(12)
	text := lines(0, min(n, 1))
	if n > 1 {
		text += lines(stream*100+1, stream*100+n)
	}
	if r.IntN(5) == 0 {
		text = strings.TrimSuffix(text, "\n")
	}
	return text
}

func pack(t testing.TB, r *rand.Rand, s string) []byte {
	switch r.IntN(3) {
	case 0:
		return zip(t, s)
	case 1:
		return zst(t, s)
	}
	return []byte(s)
}

// naive decides by comparing strings what each object of the set yields.
func naive(set *Set, fresh map[string]string, consumed []string) map[string][]string {
	want := map[string][]string{}
	var before []string
	for i := range set.Len() {
		name := set.Object(i).Key[strings.LastIndexByte(set.Object(i).Key, '/')+1:]
		body, skip := fresh[name], 0
		for _, o := range slices.Concat(consumed, before) {
			if strings.HasPrefix(body, o) {
				skip = max(skip, len(o))
			}
		}
		for _, o := range fresh {
			if len(o) < len(body) && strings.HasPrefix(body, o) {
				skip = max(skip, len(o))
			}
		}
		before = append(before, body)
		want[name] = nil
		for line := range strings.SplitSeq(strings.TrimPrefix(body[skip:], "\n"), "\n") {
			if _, log, ok := strings.Cut(line, `"log":"`); ok {
				want[name] = append(want[name], strings.TrimSuffix(log, `"}`))
			}
		}
	}
	return want
}
