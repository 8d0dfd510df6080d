package flat

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"lethe/internal/catalog"
	"lethe/internal/layout"
	"lethe/internal/rawobj"
	"lethe/internal/record"
	"lethe/objstore"
	"lethe/objstore/memstore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var now = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

func newBucket() *memstore.Bucket {
	var calls atomic.Int64
	return memstore.New(func() time.Time { return now.Add(time.Duration(calls.Add(1)) * time.Millisecond) })
}

// stored returns the lines that the bucket holds, as the original writes them, by target. Objects of memory count as consumed.
func stored(t testing.TB, b objstore.Reader, memory map[layout.Target][]catalog.Body) (map[string][]string, map[layout.Target][]catalog.Body) {
	t.Helper()
	objects := map[layout.Target][]objstore.Object{}
	for obj, err := range b.List(t.Context(), objstore.ListOptions{Prefix: layout.RawPrefix}) {
		if err != nil {
			t.Fatal(err)
		}
		raw, ok := layout.ParseRaw(obj.Key)
		if !ok {
			t.Fatalf("%s is no key of a raw object", obj.Key)
		}
		objects[raw.Target] = append(objects[raw.Target], obj)
	}
	logs, bodies := map[string][]string{}, map[layout.Target][]catalog.Body{}
	for target, objs := range objects {
		set, err := rawobj.Resolve(t.Context(), b, objs, memory[target], rawobj.Options{Target: target, Identify: true})
		if err != nil {
			t.Fatal(err)
		}
		for i := range set.Len() {
			lines, body := readRows(t, set, i)
			if len(lines) > 0 {
				logs[target.String()] = append(logs[target.String()], lines...)
			}
			bodies[target] = rawobj.Remember(bodies[target], []catalog.Body{body})
		}
	}
	return logs, bodies
}

func readRows(t testing.TB, set *rawobj.Set, i int) (lines []string, body catalog.Body) {
	t.Helper()
	rows, err := set.Open(t.Context(), i)
	if err != nil {
		t.Fatal(err)
	}
	for {
		var r record.Row
		err := rows.Next(&r)
		if record.AtEnd(err) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		at := time.Unix(0, r.Time).UTC().Format("2006-01-02T15:04:05.999999999Z07:00")
		if r.Namespace == "" {
			lines = append(lines, fmt.Sprintf("%s[%s|%s] %s", at, r.Node, r.Process, r.Log))
		} else {
			lines = append(lines, fmt.Sprintf("%s[%s|%s|%s] %s", at, r.Namespace, r.Pod, r.Container, r.Log))
		}
	}
	if s := rows.Stats(); s.Broken > 0 {
		t.Errorf("%d broken lines, the first: %+v", s.Broken, s.FirstBroken)
	}
	body, ok := rows.Body()
	if err := rows.Close(); err != nil || !ok {
		t.Fatal(err, ok)
	}
	return lines, body
}

func run(t testing.TB, fsys fs.FS, b objstore.Bucket, o Options) Summary {
	t.Helper()
	if o.Now.IsZero() {
		o.Now = now
	}
	s, err := Import(t.Context(), fsys, b, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The files that the recorded answers of the original were made from: each line as it stands there.
func TestOriginal(t *testing.T) {
	want := map[string][]string{}
	n := 0
	err := fs.WalkDir(os.DirFS("testdata/original"), ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path.Join("testdata/original", p))
		for line := range strings.Lines(string(data)) {
			// The original writes six digits always, the rows above drop zeros.
			at, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "Z[")
			want[path.Dir(p)] = append(want[path.Dir(p)], strings.TrimRight(at, "0")+"Z["+rest)
			n++
		}
		return err
	})
	for _, lines := range want {
		slices.Sort(lines)
	}
	if err != nil || n != 320 {
		t.Fatalf("%d lines in the files, want 320: %v", n, err)
	}
	b := newBucket()
	s := run(t, os.DirFS("testdata/original"), b, Options{Retention: 14*time.Hour + 5*time.Minute})
	got, _ := stored(t, b, nil)
	for _, lines := range got {
		slices.Sort(lines) // several files at a time
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lines differ (-want +got):\n%s", diff)
	}
	old := 0
	for _, lines := range want {
		for _, line := range lines {
			if line < "2026-03-01T09:55" {
				old++
			}
		}
	}
	if s.Files != 6 || s.Lines != 320 || s.Objects != 6 || s.Existing != 0 || s.Headless != 0 || s.Old != int64(old) || old == 0 || len(s.Skipped) != 0 {
		t.Errorf("summary %+v, want %d old lines", s, old)
	}
	s = run(t, os.DirFS("testdata/original"), b, Options{})
	if s.Objects != 0 || s.Existing != 6 || s.Lines != 320 || s.Old != 0 {
		t.Errorf("the second import: %+v", s)
	}
}

func TestLines(t *testing.T) {
	const hour = "2026-03-01T09:00:00Z"
	long := strings.Repeat("x", record.MaxLineBytes)
	cases := []struct {
		name, path, text string
		want             []string
		headless, cut    int64
	}{
		{name: "whole seconds", path: "pod/d/2026-03-01_09.log", text: "2026-03-01T09:50:00Z[d|p|c] m\n", want: []string{"2026-03-01T09:50:00Z[d|p|c] m"}},
		{name: "an offset", path: "pod/d/2026-03-01_09.log", text: "2026-03-01T18:50:00.5+09:00[d|p|c] m\n", want: []string{"2026-03-01T09:50:00.5Z[d|p|c] m"}},
		{name: "a line that ends at the bracket", path: "pod/d/2026-03-01_09.log", text: "2026-03-01T09:50:00Z[d|p|c]\n2026-03-01T09:50:00Z[d|p|c] \n",
			want: []string{"2026-03-01T09:50:00Z[d|p|c] ", "2026-03-01T09:50:00Z[d|p|c] "}},
		{name: "brackets and bars in the message", path: "pod/d/2026-03-01_09.log", text: "2026-03-01T09:50:00Z[d|p|c] [a|b] c] d\n", want: []string{"2026-03-01T09:50:00Z[d|p|c] [a|b] c] d"}},
		{name: "the folder wins", path: "pod/d/2026-03-01_09.log", text: "2026-03-01T09:50:00Z[other|p|c] m\n", want: []string{"2026-03-01T09:50:00Z[d|p|c] m"}},
		{name: "node", path: "node/n/2026-03-01_09.log", text: "2026-03-01T09:50:00Z[n|kubelet] m\n", want: []string{"2026-03-01T09:50:00Z[n|kubelet] m"}},
		{name: "a bar in a process", path: "node/n/2026-03-01_09.log", text: "2026-03-01T09:50:00Z[n|a|b] m\n", want: []string{"2026-03-01T09:50:00Z[n|a|b] m"}},
		{name: "a stack trace", path: "pod/d/2026-03-01_09.log", text: "2026-03-01T09:50:00Z[d|p|c] panic\n\tat a\n\n[x] y\n2026-03-01T09:50:01Z[d|q|c] m\n", headless: 3,
			want: []string{"2026-03-01T09:50:00Z[d|p|c] panic", "2026-03-01T09:50:00Z[d|p|c] \tat a", "2026-03-01T09:50:00Z[d|p|c] ", "2026-03-01T09:50:00Z[d|p|c] [x] y", "2026-03-01T09:50:01Z[d|q|c] m"}},
		{name: "no header at all", path: "pod/d/2026-03-01_09.log", text: "2026\n[\n2026-03-01T09:50:00Z\n2026-03-01T09:50:00Z[d|p] m\n2026-13-01T09:50:00Z[d|p|c] m\n2026-03-01T09:50:00Z[d|p|c]m\n", headless: 6,
			want: []string{hour + "[d||] 2026", hour + "[d||] [", hour + "[d||] 2026-03-01T09:50:00Z", hour + "[d||] 2026-03-01T09:50:00Z[d|p] m", hour + "[d||] 2026-13-01T09:50:00Z[d|p|c] m", hour + "[d||] 2026-03-01T09:50:00Z[d|p|c]m"}},
		{name: "CRLF", path: "pod/d/2026-03-01_09.log", text: "2026-03-01T09:50:00Z[d|p|c] m\r\n2026-03-01T09:50:00Z[d|p|c]\r\n", want: []string{"2026-03-01T09:50:00Z[d|p|c] m", "2026-03-01T09:50:00Z[d|p|c] "}},
		{name: "a return in a line", path: "pod/d/2026-03-01_09.log", text: "2026-03-01T09:50:00Z[d|p|c] m\n2026-03-01T09:50:00Z[d|p|c] n\r\n", want: []string{"2026-03-01T09:50:00Z[d|p|c] m", "2026-03-01T09:50:00Z[d|p|c] n\r"}},
		{name: "no last line feed", path: "pod/d/2026-03-01_09.log", text: "2026-03-01T09:50:00Z[d|p|c] m", want: []string{"2026-03-01T09:50:00Z[d|p|c] m"}},
		{name: "any bytes", path: "pod/d/2026-03-01_09.log", text: "2026-03-01T09:50:00Z[d|p|c] \"\\\xff\x00\x1b[31m한\n", want: []string{"2026-03-01T09:50:00Z[d|p|c] \"\\\xff\x00\x1b[31m한"}},
		{name: "the longest", path: "pod/d/2026-03-01_09.log", text: "2026-03-01T09:50:00Z[d|p|c] " + long + "\n", want: []string{"2026-03-01T09:50:00Z[d|p|c] " + long}},
		{name: "too long", path: "pod/d/2026-03-01_09.log", text: "2026-03-01T09:50:00Z[d|p|c] " + long + strings.Repeat("y", 9<<20) + "\n2026-03-01T09:50:01Z[d|p|c] m\n", cut: 1,
			want: []string{"2026-03-01T09:50:00Z[d|p|c] " + long[64:] + fmt.Sprintf(record.CutMark, 9<<20+64), "2026-03-01T09:50:01Z[d|p|c] m"}},
		{name: "empty", path: "pod/d/2026-03-01_09.log", text: ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b := newBucket()
			s := run(t, fstest.MapFS{c.path: {Data: []byte(c.text)}}, b, Options{})
			got, _ := stored(t, b, nil)
			if diff := cmp.Diff(c.want, got[path.Dir(c.path)]); diff != "" {
				t.Errorf("lines differ (-want +got):\n%.2000s", diff)
			}
			if s.Headless != c.headless || s.Cut != c.cut || s.Lines != int64(len(c.want)) || s.Bytes != int64(len(c.text)) {
				t.Errorf("summary %+v", s)
			}
		})
	}
}

func TestPaths(t *testing.T) {
	data := &fstest.MapFile{Data: []byte("2026-03-01T09:50:00Z[d|p|c] m\n")}
	fsys := fstest.MapFS{
		"pod/d/2026-03-01_09.log": data, "pod/d/2026-03-01_9x.log": data, "pod/d/2026-03-01_09.log.bak": data, "README": data,
		"event/d/2026-03-01_09.log": data, "pod/d/sub/2026-03-01_09.log": data, "pod/.lethe/2026-03-01_09.log": data, "pod/d\\e/2026-03-01_09.log": data,
		"pod/d/2026-03-01_10.log": {Mode: fs.ModeSymlink, Data: []byte("/etc/passwd")},
	}
	b := newBucket()
	s := run(t, fsys, b, Options{})
	if s.Files != 1 || s.Lines != 1 || len(s.Skipped) != len(fsys)-1 {
		t.Errorf("%+v", s)
	}
	for _, skipped := range s.Skipped {
		if skipped.Reason == "" {
			t.Errorf("%s is skipped without a reason", skipped.Path)
		}
	}
	if _, err := Import(t.Context(), fstest.MapFS{"README": data}, b, Options{Now: now}); !errors.Is(err, ErrNoFiles) {
		t.Errorf("%v, want ErrNoFiles", err)
	}
}

// Files that grow between imports, with compactions between them: each line once.
func TestGrowing(t *testing.T) {
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 3))
		text := randomFile(r)
		b, at := newBucket(), 0
		var memory map[layout.Target][]catalog.Body
		var got []string
		o := Options{ChunkBytes: int64(1 + r.IntN(3000)), Now: now}
		for step := 0; at < len(text); step++ {
			at = min(len(text), at+r.IntN(len(text)))
			o.Now = time.Date(2026, 3, 1, 9+step%2, 30, 0, 0, time.UTC) // the hour is not over
			if at == len(text) {
				o.Now = now
			}
			s := run(t, fstest.MapFS{"pod/d/2026-03-01_09.log": {Data: []byte(text[:at])}}, b, o)
			if cut := at > 0 && text[at-1] != '\n' && at < len(text); cut != (len(s.Unfinished) == 1) {
				t.Fatalf("seed %d: unfinished %q, want %v", seed, s.Unfinished, cut)
			}
			lines, bodies := stored(t, b, memory)
			if r.IntN(2) == 0 || at == len(text) { // consume what is there
				got = append(got, lines["pod/d"]...)
				memory = merge(memory, bodies)
				emptyBucket(t, b)
			}
		}
		want, _ := stored(t, imported(t, text), nil)
		slices.Sort(got)
		slices.Sort(want["pod/d"])
		if diff := cmp.Diff(want["pod/d"], got); diff != "" {
			t.Fatalf("seed %d: lines differ (-want +got):\n%s", seed, diff)
		}
	}
}

func imported(t testing.TB, text string) objstore.Bucket {
	b := newBucket()
	s := run(t, fstest.MapFS{"pod/d/2026-03-01_09.log": {Data: []byte(text)}}, b, Options{})
	if n := int64(strings.Count(strings.TrimSuffix(text, "\n"), "\n") + 1); s.Lines != n {
		t.Fatalf("%d lines, want %d", s.Lines, n)
	}
	return b
}

func merge(a, b map[layout.Target][]catalog.Body) map[layout.Target][]catalog.Body {
	out := map[layout.Target][]catalog.Body{}
	for t, bodies := range b {
		out[t] = rawobj.Remember(a[t], bodies)
	}
	return out
}

func emptyBucket(t testing.TB, b objstore.Bucket) {
	t.Helper()
	for obj, err := range b.List(t.Context(), objstore.ListOptions{}) {
		if err == nil {
			err = b.Delete(t.Context(), obj.Key)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func randomFile(r *rand.Rand) string {
	var b strings.Builder
	for i := range 1 + r.IntN(80) {
		if r.IntN(4) > 0 {
			fmt.Fprintf(&b, "2026-03-01T09:%02d:00Z[d|p%d|c] ", i/2%60, r.IntN(3))
		}
		fmt.Fprintf(&b, "line %d\n", r.IntN(20))
	}
	if r.IntN(3) == 0 {
		return strings.TrimSuffix(b.String(), "\n")
	}
	return b.String()
}

func TestOptions(t *testing.T) {
	fsys := fstest.MapFS{"pod/d/2026-03-01_09.log": {}}
	for name, o := range map[string]Options{
		"no now": {}, "negative retention": {Now: now, Retention: -1}, "negative chunk": {Now: now, ChunkBytes: -1},
		"huge chunk": {Now: now, ChunkBytes: 1<<30 + 1}, "negative concurrency": {Now: now, Concurrency: -1}, "much concurrency": {Now: now, Concurrency: 65},
	} {
		if _, err := Import(t.Context(), fsys, newBucket(), o); !errors.Is(err, ErrOptions) {
			t.Errorf("%s: %v, want ErrOptions", name, err)
		}
	}
}

func TestProgressAndCancel(t *testing.T) {
	fsys := fstest.MapFS{}
	line := []byte("2026-03-01T09:50:00Z[d|p|c] " + strings.Repeat("x", 990) + "\n")
	for i := range 5 {
		fsys[fmt.Sprintf("pod/d/2026-03-01_%02d.log", i)] = &fstest.MapFile{Data: bytes.Repeat(line, 6000)}
	}
	var seen []Progress
	run(t, fsys, newBucket(), Options{Progress: func(p Progress) { seen = append(seen, p) }})
	want := Progress{Files: 5, FilesTotal: 5, Bytes: int64(30000 * len(line)), BytesTotal: int64(30000 * len(line)), Lines: 30000}
	if diff := cmp.Diff(want, seen[len(seen)-1]); diff != "" || len(seen) < 10 {
		t.Errorf("%d reports, the last differs (-want +got):\n%s", len(seen), diff)
	}
	ctx, cancel := context.WithCancel(t.Context())
	s, err := Import(ctx, fsys, newBucket(), Options{Now: now, Progress: func(Progress) { cancel() }})
	if !errors.Is(err, context.Canceled) || s.Files >= 5 {
		t.Errorf("%d files, %v", s.Files, err)
	}
}

// A store that fails: the error says which file and key, and the next import goes on.
func TestStoreFails(t *testing.T) {
	fsys := fstest.MapFS{"pod/d/2026-03-01_09.log": {Data: []byte("2026-03-01T09:50:00Z[d|p|c] m\n")}}
	b := &refusing{Bucket: newBucket(), err: errors.New("no space")}
	if _, err := Import(t.Context(), fsys, b, Options{Now: now}); !errors.Is(err, b.err) || !strings.HasPrefix(err.Error(), "pod/d/2026-03-01_09.log: raw/pod/d/2026-03-01_09/import-") {
		t.Errorf("%v", err)
	}
	b.err = nil
	if s := run(t, fsys, b, Options{}); s.Objects != 1 {
		t.Errorf("%+v", s)
	}
}

type refusing struct {
	objstore.Bucket
	err error
}

func (r *refusing) Put(ctx context.Context, key string, body io.Reader, size int64, c objstore.Condition) (objstore.Attributes, error) {
	if r.err != nil {
		return objstore.Attributes{}, r.err
	}
	return r.Bucket.Put(ctx, key, body, size, c)
}
