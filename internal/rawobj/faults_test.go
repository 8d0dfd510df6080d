package rawobj

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"lethe/internal/catalog"
	"lethe/internal/record"
	"lethe/objstore"
	"lethe/objstore/objtest"
)

// noise returns lines that do not compress.
func noise(n int) string {
	r := rand.New(rand.NewPCG(3, 3))
	var b strings.Builder
	for b.Len() < n {
		fmt.Fprintf(&b, `{"time":"2026-03-01T09:00:00Z","log":"%016x%016x%016x%016x"}`+"\n", r.Uint64(), r.Uint64(), r.Uint64(), r.Uint64())
	}
	return b.String()
}

// Objects that nothing else begins like are got once when they fit the budget, and a large one once more for its head.
func TestRequests(t *testing.T) {
	b := newBench(t)
	for i := range 20 {
		b.put(fmt.Sprintf("%02d.jsonl.gz", i), zip(t, lines(i*100, i*100+50)))
	}
	small := b.list()
	big := noise(4 << 20)
	b.put("big.jsonl", []byte(big))
	cases := []struct {
		name    string
		objects []objstore.Object
		opts    Options
		gets    int64
	}{
		{"small ones", small, Options{Identify: true}, 20},
		{"a large one too", b.list(), Options{Identify: true}, 22},
		{"no budget", b.list(), Options{Budget: -1}, 42},
	}
	for _, c := range cases {
		counting := objstore.NewCounting(b.bucket)
		got, _ := readSet(t, resolve(t, counting, c.objects, nil, c.opts))
		n := 0
		for _, logs := range got {
			n += len(logs)
		}
		if want := 20*50 + strings.Count(big, "\n"); c.name != "small ones" && n != want {
			t.Errorf("%s: %d lines, want %d", c.name, n, want)
		}
		if counts := counting.Counts(); counts.Gets != c.gets || counts.Requests() != c.gets {
			t.Errorf("%s: %+v, want %d gets", c.name, counts, c.gets)
		}
	}
	// The head of a large object, and no more, is got to compare.
	counting := objstore.NewCounting(b.bucket)
	resolve(t, counting, b.list()[20:], nil, Options{})
	if read := counting.Counts().BytesRead; read != headBytes {
		t.Errorf("%d bytes were read of a large object, want %d", read, headBytes)
	}
}

// First lines that are longer than the head, and that only differ far behind it.
func TestLongFirstLines(t *testing.T) {
	long := func(tail string) string {
		r := rand.New(rand.NewPCG(9, 9))
		log := make([]byte, 700<<10)
		for i := range log {
			log[i] = "0123456789abcdef"[r.IntN(16)]
		}
		return `{"time":"2026-03-01T09:00:00Z","log":"` + string(log) + `"}` + "\n" + tail
	}
	b := newBench(t)
	b.put("a.jsonl", []byte(long("")))
	b.put("b.jsonl.gz", zip(t, long(lines(1, 3))))
	b.put("c.jsonl.zst", zst(t, long(lines(1, 5))))
	b.put("d.jsonl", []byte(long(lines(7, 9))))
	got, _ := readSet(t, resolve(t, b.bucket, b.list(), nil, Options{Budget: -1}))
	if n := len(got["a.jsonl"]); n != 1 || len(got["a.jsonl"][0]) != 700<<10 {
		t.Errorf("%d lines, the first of %d bytes", n, len(got["a.jsonl"][0]))
	}
	delete(got, "a.jsonl")
	want := map[string][]string{"b.jsonl.gz": names(1, 3), "c.jsonl.zst": names(3, 5), "d.jsonl": names(7, 9)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lines differ (-want +got):\n%s", diff)
	}
}

// Whatever call fails, and however, the error comes through as it is, and nothing stays open.
func TestStoreFails(t *testing.T) {
	b := newBench(t)
	for i := range 3 {
		b.put(fmt.Sprintf("%d.jsonl.gz", i), zip(t, lines(0, 10*(i+1))))
	}
	b.put("big.jsonl", []byte(noise(2<<20)))
	all := func(bucket objstore.Reader) (n int, err error) {
		set, err := Resolve(t.Context(), bucket, b.list(), nil, Options{Target: target, Budget: -1, Concurrency: 1})
		if err != nil {
			return 0, err
		}
		for i := range set.Len() {
			logs, _, err := read(t.Context(), set, i)
			if n += len(logs); err != nil {
				return n, err
			}
		}
		return n, nil
	}
	watch := objtest.NewFaults(b.bucket, 0, func(objtest.Call) objtest.Fault { return objtest.None })
	want, err := all(watch)
	if err != nil {
		t.Fatal(err)
	}
	calls := len(watch.Calls())
	if calls < 8 {
		t.Fatalf("%d calls", calls)
	}
	for n := 1; n <= calls; n++ {
		for _, fault := range []objtest.Fault{objtest.Before, objtest.LostReply, objtest.CutBody} {
			got, err := all(objtest.NewFaults(b.bucket, 0, objtest.FailAt(n, fault)))
			// A head may be cut behind what was needed of it.
			if err == nil && got == want && fault == objtest.CutBody {
				continue
			}
			if !errors.Is(err, objtest.ErrInjected) || errors.Is(err, record.ErrUnreadable) {
				t.Errorf("call %d, %s: %d lines, %v", n, fault, got, err)
			}
		}
	}
}

// An object that is gone, or is another one by now, ends the plan.
func TestGone(t *testing.T) {
	b := newBench(t)
	key := b.put("a.jsonl", []byte(lines(0, 10)))
	b.put("b.jsonl", []byte(lines(10, 20)))
	listed := b.list()
	set := resolve(t, b.bucket, listed, nil, Options{Budget: -1})
	b.put("a.jsonl", []byte(lines(30, 40))) // of the same length
	if _, _, err := read(t.Context(), set, 0); !errors.Is(err, objstore.ErrNotExist) {
		t.Errorf("replaced after Resolve: %v, want ErrNotExist", err)
	}
	b.put("a.jsonl", []byte(lines(0, 3)))
	if _, err := Resolve(t.Context(), b.bucket, listed, nil, Options{Target: target}); !errors.Is(err, objstore.ErrNotExist) || !strings.Contains(err.Error(), key) {
		t.Errorf("replaced before Resolve: %v, want ErrNotExist with the key", err)
	}
	if err := b.bucket.Delete(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	if _, _, err := read(t.Context(), set, 0); !errors.Is(err, objstore.ErrNotExist) {
		t.Errorf("deleted after Resolve: %v, want ErrNotExist", err)
	}
	if _, err := Resolve(t.Context(), b.bucket, listed, nil, Options{Target: target}); !errors.Is(err, objstore.ErrNotExist) {
		t.Errorf("deleted before Resolve: %v, want ErrNotExist", err)
	}
}

// Objects that do not decode say so when they are opened or read; the others are read as ever.
func TestUnreadable(t *testing.T) {
	whole := zip(t, lines(0, 4000))
	b := newBench(t)
	b.put("header.jsonl.gz", whole[:12])
	b.put("cut.jsonl.gz", whole[:len(whole)-20])
	b.put("whole.jsonl.gz", whole)
	b.put("cut-alone.jsonl.gz", zip(t, lines(5000, 9000))[:9000])
	b.put("good.jsonl", []byte(lines(9000, 9003)))
	set := resolve(t, b.bucket, b.list(), nil, Options{})
	want := map[string]bool{"header": true, "cut": true, "whole": false, "cut-alone": true, "good": false}
	for i := range set.Len() {
		logs, _, err := read(t.Context(), set, i)
		name, _, _ := strings.Cut(strings.TrimPrefix(set.Object(i).Key, "raw/pod/shop/2026-03-01_09/"), ".")
		if errors.Is(err, record.ErrUnreadable) != want[name] || want[name] && !strings.Contains(err.Error(), set.Object(i).Key) {
			t.Errorf("%s: %v", name, err)
		}
		if name == "whole" && len(logs) != 4000 {
			t.Errorf("%d lines of the whole one, for a cut one begins like it", len(logs))
		}
		if known := set.Unreadable(i) != nil; known != (name == "header" || name == "cut") {
			t.Errorf("%s: unreadable before it is read: %v", name, set.Unreadable(i))
		}
	}
}

// unstable gives other bytes each time.
type unstable struct {
	objstore.Reader
	bodies [][]byte
}

func (u *unstable) Get(ctx context.Context, key string, r objstore.Range) (io.ReadCloser, objstore.Attributes, error) {
	_, attrs, err := u.Reader.Get(ctx, key, r)
	body := u.bodies[0]
	u.bodies = u.bodies[1:]
	return io.NopCloser(bytes.NewReader(body)), attrs, err
}

func TestVerify(t *testing.T) {
	b := newBench(t)
	good, bad := zip(t, lines(0, 50)), zip(t, lines(0, 50))
	bad[len(bad)/2] ^= 0x55
	worse := bytes.Clone(bad)
	worse[len(bad)/2+1] ^= 0x55
	b.put("bad.jsonl.gz", bad)
	b.put("good.jsonl.gz", good)
	objs := b.list()
	check := func(name string, bucket objstore.Reader, obj objstore.Object, want error) {
		t.Helper()
		if err := Verify(t.Context(), bucket, target, obj, 0); !errors.Is(err, want) || err != nil && !strings.HasPrefix(err.Error(), obj.Key) ||
			errors.Is(err, record.ErrUnreadable) != errors.Is(want, record.ErrUnreadable) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
	check("bad", b.bucket, objs[0], record.ErrUnreadable)
	check("good", b.bucket, objs[1], nil)
	check("good at the second time", &unstable{b.bucket, [][]byte{bad, good}}, objs[0], nil)
	check("bad in two ways", &unstable{b.bucket, [][]byte{bad, worse}}, objs[0], errUnstable)
	check("a part of it", &unstable{b.bucket, [][]byte{bad[:40], bad}}, objs[0], io.ErrUnexpectedEOF)
	for _, fault := range []objtest.Fault{objtest.Before, objtest.CutBody} {
		check(fault.String(), objtest.NewFaults(b.bucket, 0, objtest.FailAt(1, fault)), objs[0], objtest.ErrInjected)
		check(fault.String()+" at the second time", objtest.NewFaults(b.bucket, 0, objtest.FailAt(2, fault)), objs[0], objtest.ErrInjected)
	}
	objs[0].Size++
	check("another size", b.bucket, objs[0], objstore.ErrNotExist)
	if err := b.bucket.Delete(t.Context(), objs[1].Key); err != nil {
		t.Fatal(err)
	}
	check("gone", b.bucket, objs[1], objstore.ErrNotExist)
	// A body over the limit is unreadable under it.
	b.put("long.jsonl", []byte(lines(0, 50)))
	if err := Verify(t.Context(), b.bucket, target, b.list()[1], 100); !errors.Is(err, record.ErrUnreadable) {
		t.Errorf("over the limit: %v", err)
	}
}

func TestCancel(t *testing.T) {
	b := newBench(t)
	for i := range 50 {
		b.put(fmt.Sprintf("%d.jsonl", i), []byte(lines(i, i+1)))
	}
	ctx, cancel := context.WithCancel(t.Context())
	stop := objtest.NewHooks(b.bucket, objtest.Hooks{Before: func(ctx context.Context, c objtest.Call) error {
		if c.N == 20 {
			cancel()
		}
		return ctx.Err()
	}})
	if _, err := Resolve(ctx, stop, b.list(), nil, Options{Target: target}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want Canceled", err)
	}
}

func TestOptions(t *testing.T) {
	for name, o := range map[string]Options{
		"no target": {}, "concurrency": {Target: target, Concurrency: 257}, "negative concurrency": {Target: target, Concurrency: -1},
		"negative size": {Target: target, MaxDecoded: -1},
	} {
		if _, err := Resolve(t.Context(), newBench(t).bucket, nil, nil, o); !errors.Is(err, ErrOptions) {
			t.Errorf("%s: %v, want ErrOptions", name, err)
		}
	}
}

func TestRemember(t *testing.T) {
	body := func(first string, n int64, digest string, names ...string) catalog.Body {
		return catalog.Body{First: first, Length: n, Digest: digest, Time: 5, Names: names}
	}
	memory := []catalog.Body{body("f", 1, "d", "a"), body("f", 2, "e", "b")}
	got := Remember(memory, []catalog.Body{body("f", 1, "d", "c", "a"), body("g", 1, "d", "x"), body("g", 1, "d", "y")})
	want := []catalog.Body{body("f", 1, "d", "a", "c"), body("f", 2, "e", "b"), body("g", 1, "d", "x", "y")}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]catalog.Body{body("f", 1, "d", "a"), body("f", 2, "e", "b")}, memory); diff != "" {
		t.Errorf("the argument changed:\n%s", diff)
	}
}

// The time to remember an object by is that of its first record, of its arrival where that has none.
func TestBodyTime(t *testing.T) {
	b := newBench(t)
	b.put("a.jsonl", []byte(lines(65, 70)))
	b.put("b.jsonl", []byte("broken\n"))
	_, bodies := readSet(t, resolve(t, b.bucket, b.list(), nil, Options{Identify: true}))
	if at := time.Unix(0, bodies[0].Time).UTC(); !at.Equal(epoch.Add(65*time.Second + 65)) {
		t.Errorf("the first record is of %s", at)
	}
	if at := time.Unix(0, bodies[1].Time); !at.Equal(epoch.Add(2 * time.Second)) {
		t.Errorf("the broken one arrived at %s", at)
	}
	if bodies[0].Names[0] != "a.jsonl" || bodies[0].Length != int64(len(lines(65, 70))) {
		t.Errorf("%+v", bodies[0])
	}
	// What was kept is let go of when it was read.
	set := resolve(t, b.bucket, b.list(), nil, Options{})
	if set.opts.Held.Load() == 0 {
		t.Error("nothing was kept")
	}
	readSet(t, set)
	if set.opts.Held.Load() != 0 {
		t.Errorf("%d bytes are still held", set.opts.Held.Load())
	}
}

// The time of a first record that ends behind the head of its object, or that is longer than what is decoded at once, is its own.
func TestTimeBehindALongLine(t *testing.T) {
	at := time.Date(2026, 2, 27, 9, 0, 0, 5, time.UTC)
	for _, size := range []int{300 << 10, 700 << 10, 3 << 20} {
		r := rand.New(rand.NewPCG(9, uint64(size)))
		log := make([]byte, size)
		for i := range log {
			log[i] = "0123456789abcdef"[r.IntN(16)]
		}
		body := fmt.Sprintf(`{"log":%q,"time":%q}`+"\n", log, at.Format(time.RFC3339Nano)) + lines(0, 9)
		b := newBench(t)
		b.put("a.jsonl", []byte(body))
		b.put("b.jsonl.gz", zip(t, body))
		b.put("c.jsonl.zst", zst(t, body))
		b.put("d.jsonl", []byte(strings.TrimSuffix(body, "\n"+lines(0, 9))))
		for _, budget := range []int64{-1, 64 << 20} {
			set := resolve(t, b.bucket, b.list(), nil, Options{Budget: budget})
			for i := range set.Len() {
				if got, ok := set.First(i); !ok || got != at.UnixNano() {
					t.Errorf("%d bytes, %s, budget %d: the first record is of %s", size, set.Object(i).Key, budget, time.Unix(0, got).UTC())
				}
			}
		}
	}
}

// wide compresses with a window that is not decoded beside others.
func wide(t *testing.T, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b, zstd.WithWindowSize(record.MaxWindow))
	if err != nil {
		t.Fatal(err)
	}
	if _, err = io.WriteString(w, text); err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := record.DecodeTo(io.Discard, bytes.NewReader(b.Bytes()), record.MaxDecoded, shortWindow); !errors.Is(err, record.ErrWindow) {
		t.Fatalf("the window is not large: %v", err)
	}
	return b.Bytes()
}

// Large windows of zstd are decoded one at a time, and compared like others: of small objects, and of those of which only the head is got first.
func TestLargeWindows(t *testing.T) {
	for _, size := range []int{200 << 10, 3 << 20} {
		b := newBench(t)
		text := noise(size)
		lines := strings.Count(text, "\n")
		b.put("a.jsonl.zst", wide(t, text))
		b.put("b.jsonl.zst", wide(t, text+noise(100)))
		b.put("c.jsonl", []byte(text))
		got, _ := readSet(t, resolve(t, b.bucket, b.list(), nil, Options{Identify: true}))
		if n := len(got["a.jsonl.zst"]); n != lines {
			t.Errorf("%d bytes: %d lines, want %d", size, n, lines)
		}
		if n := len(got["b.jsonl.zst"]); n != 1 || len(got["c.jsonl"]) != 0 {
			t.Errorf("%d bytes: the retries contribute %d and %d lines, want 1 and none", size, n, len(got["c.jsonl"]))
		}
	}
}

// However many objects ask for the largest window, one is held while they are compared.
func TestLargeWindowsTakeTurns(t *testing.T) {
	b := newBench(t)
	for i := range 16 {
		b.put(fmt.Sprintf("%d.jsonl.zst", i), wide(t, lines(i, i+1)+noise(200<<10)))
	}
	objects := b.list()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	resolve(t, b.bucket, objects, nil, Options{})
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 2*record.MaxWindow {
		t.Errorf("%d bytes were allocated for windows of %d", took, record.MaxWindow)
	}
}
