package compactor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"lethe/internal/block"
	"lethe/internal/catalog"
	"lethe/internal/layout"
	"lethe/internal/rawobj"
	"lethe/internal/record"
	"lethe/objstore"
	"lethe/objstore/memstore"
)

var (
	shop  = layout.Target{Kind: layout.Pod, Name: "shop"}
	epoch = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
)

// world is a bucket with a clock, and what was put into it.
type world struct {
	t   testing.TB
	mem objstore.Bucket

	// clock, where it is set, takes the place of now.
	clock func() time.Time

	mu    sync.Mutex
	now   time.Time
	ids   int
	lines map[string]string // text of a line → its time and target
}

func newWorld(t testing.TB) *world {
	w := &world{t: t, now: epoch, lines: map[string]string{}}
	w.mem = memstore.New(w.Now)
	return w
}

func (w *world) Now() time.Time {
	if w.clock != nil {
		return w.clock()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// newID returns ids that sort in the order in which they were given out.
func (w *world) newID() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ids++
	return fmt.Sprintf("id%06d", w.ids)
}

// clone copies the world, times and all.
func (w *world) clone() *world {
	c := &world{t: w.t, ids: w.ids, lines: maps.Clone(w.lines)}
	c.mem = memstore.New(c.Now)
	for _, o := range w.list("") {
		c.now = o.LastModified
		c.put(o.Key, w.get(o.Key))
	}
	c.now = w.now
	return c
}

func (w *world) put(key string, body []byte) {
	w.t.Helper()
	if _, err := w.mem.Put(w.t.Context(), key, bytes.NewReader(body), int64(len(body)), objstore.Condition{}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) get(key string) []byte {
	w.t.Helper()
	data, err := read(w.t.Context(), w.mem, key)
	if err != nil {
		w.t.Fatal(err)
	}
	return data
}

func read(ctx context.Context, b objstore.Reader, key string) (data []byte, err error) {
	body, _, err := b.Get(ctx, key, objstore.Range{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	return io.ReadAll(body)
}

func (w *world) list(prefix string) []objstore.Object {
	w.t.Helper()
	var out []objstore.Object
	for o, err := range w.mem.List(w.t.Context(), objstore.ListOptions{Prefix: prefix}) {
		if err != nil {
			w.t.Fatal(err)
		}
		out = append(out, o)
	}
	return out
}

// line is one record of a raw object.
type line struct {
	at   time.Time
	pod  string
	text string
}

// linesAt makes n lines a second apart, with texts that occur once in the test.
func linesAt(name string, at time.Time, n int) []line {
	out := make([]line, n)
	for i := range out {
		out[i] = line{at.Add(time.Duration(i) * time.Second), "web-1", fmt.Sprintf("%s line %d", name, i)}
	}
	return out
}

func bodyOf(lines []line) []byte {
	var b bytes.Buffer
	for _, l := range lines {
		enc, err := json.Marshal(map[string]string{
			"time": l.at.UTC().Format(time.RFC3339Nano), "pod": l.pod, "container": "app", "stream": "stdout", "node": "n1", "log": l.text,
		})
		if err != nil {
			panic(err)
		}
		b.Write(enc)
		b.WriteByte('\n')
	}
	return b.Bytes()
}

// upload puts a raw object and notes its lines. Lines that were noted before (a retry's) are noted once.
func (w *world) upload(t layout.Target, name string, lines []line) string {
	w.t.Helper()
	key := layout.RawKey(t, layout.HourOf(lines[0].at.UnixNano()), name+".jsonl")
	w.put(key, bodyOf(lines))
	for _, l := range lines {
		w.lines[l.text] = note(t, l.at.UnixNano())
	}
	return key
}

func note(t layout.Target, at int64) string {
	return t.String() + " " + time.Unix(0, at).UTC().Format(time.RFC3339Nano)
}

// options that do everything in every pass.
func (w *world) options() Options {
	return Options{
		Now: w.Now, NewID: w.newID, TempDir: w.t.TempDir(), Concurrency: 1,
		Retention: Retention{Interval: -1}, SweepInterval: -1, SweepAge: -1,
		Block: block.Options{Level: zstd.SpeedFastest},
	}
}

func (w *world) compactor(b objstore.Bucket, change func(*Options)) *Compactor {
	w.t.Helper()
	o := w.options()
	if change != nil {
		change(&o)
	}
	c, err := New(b, o)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// run makes one pass, which must not fail.
func (w *world) run(change func(*Options)) *Summary {
	w.t.Helper()
	s, err := w.compactor(w.mem, change).Run(w.t.Context())
	if err != nil {
		w.t.Fatalf("%v\n%s", err, s)
	}
	return s
}

// manifest of a target as it is now.
func (w *world) manifest(t layout.Target) *catalog.Manifest {
	w.t.Helper()
	s, err := catalog.Load(w.t.Context(), w.mem, t)
	if err != nil {
		w.t.Fatal(err)
	}
	return s.Manifest
}

// check compares what a reader sees with what was uploaded.
func (w *world) check(when string) {
	w.t.Helper()
	if problem := w.compare(w.t.Context(), w.mem, w.lines); problem != "" {
		w.t.Fatalf("%s: %s", when, problem)
	}
}

func (w *world) compare(ctx context.Context, b objstore.Reader, want map[string]string) string {
	rows, err := readAll(ctx, b)
	if err != nil {
		return err.Error()
	}
	got := map[string]int{}
	var wrong []string
	for _, r := range rows {
		text := r.text
		if got[text]++; got[text] == 2 {
			wrong = append(wrong, fmt.Sprintf("%q comes twice", text))
		}
		if want[text] != r.note {
			wrong = append(wrong, fmt.Sprintf("%q is of %s, want %q", text, r.note, want[text]))
		}
	}
	for text := range want {
		if got[text] == 0 {
			wrong = append(wrong, fmt.Sprintf("%q is missing", text))
		}
	}
	slices.Sort(wrong)
	if len(wrong) > 5 {
		wrong = append(wrong[:5], fmt.Sprintf("and %d more", len(wrong)-5))
	}
	return strings.Join(wrong, "; ")
}

// seen is a line as a reader sees it.
type seen struct{ text, note string }

// readAll is the reader of the protocol: list raw, then the manifest, then sealed days, then objects; any 404 throws the plan away (rule 17).
func readAll(ctx context.Context, b objstore.Reader) ([]seen, error) {
	for range 100 {
		out, err := readOnce(ctx, b)
		if !errors.Is(err, objstore.ErrNotExist) {
			return out, err
		}
	}
	return nil, errors.New("the reader has planned a hundred times")
}

func readOnce(ctx context.Context, b objstore.Reader) (out []seen, err error) {
	raw := map[layout.Target][]objstore.Object{}
	for o, err := range b.List(ctx, objstore.ListOptions{Prefix: layout.RawPrefix}) {
		if err != nil {
			return nil, err
		}
		if r, ok := layout.ParseRaw(o.Key); ok {
			raw[r.Target] = append(raw[r.Target], o)
		}
	}
	targets := maps.Clone(raw)
	for _, k := range layout.Kinds {
		for o, err := range b.List(ctx, objstore.ListOptions{Prefix: layout.KindPrefix(k), Delimiter: "/"}) {
			if err != nil {
				return nil, err
			}
			if t, ok := layout.TargetOfPrefix(o.Key); ok {
				targets[t] = raw[t]
			}
		}
	}
	for t := range targets {
		rows, err := readTarget(ctx, b, t, raw[t])
		if err != nil {
			return nil, err
		}
		out = append(out, rows...)
	}
	return out, nil
}

func readTarget(ctx context.Context, b objstore.Reader, t layout.Target, listed []objstore.Object) (out []seen, err error) {
	s, err := catalog.Load(ctx, b, t)
	if err != nil {
		return nil, err
	}
	m := s.Manifest
	blocks, memory := slices.Clone(m.Blocks), slices.Clone(m.Bodies)
	for _, day := range m.Sealed {
		d, err := catalog.LoadSealed(ctx, b, t, day)
		if err != nil {
			return nil, err
		}
		blocks, memory = append(blocks, d.Blocks...), append(memory, d.Bodies()...)
	}
	take := func(r *record.Row) {
		if r.Time >= m.Watermark || m.Watermark == 0 {
			out = append(out, seen{string(r.Log), note(t, r.Time)})
		}
	}
	for i := range blocks {
		if err := readBlock(ctx, b, t, &blocks[i], take); err != nil {
			return nil, err
		}
	}
	consumed := map[string]bool{}
	for _, c := range m.Consumed {
		consumed[c.Key] = true
	}
	var left, present []objstore.Object
	for _, o := range listed {
		if consumed[o.Key] {
			present = append(present, o)
		} else {
			left = append(left, o)
		}
	}
	return out, readRaw(ctx, b, t, left, memory, present, take)
}

func readBlock(ctx context.Context, b objstore.Reader, t layout.Target, e *catalog.Block, take func(*record.Row)) error {
	data, err := read(ctx, b, e.Key)
	if err != nil {
		return err
	}
	f, err := block.OpenTail(t, data, int64(len(data)))
	if err != nil {
		return fmt.Errorf("%s: %w", e.Key, err)
	}
	r := block.NewRowReader(f, func(_ context.Context, r objstore.Range) ([]byte, error) {
		return data[r.Offset : r.Offset+r.Length], nil
	}, block.ReadOptions{})
	for {
		row, err := r.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", e.Key, err)
		}
		if layout.HourOf(row.Time) != e.Hour {
			return fmt.Errorf("%s has a row of another hour", e.Key)
		}
		take(row)
	}
}

func readRaw(ctx context.Context, b objstore.Reader, t layout.Target, objects []objstore.Object, memory []catalog.Body, consumed []objstore.Object, take func(*record.Row)) error {
	set, err := rawobj.Resolve(ctx, b, objects, memory, rawobj.Options{Target: t, Consumed: consumed})
	if err != nil {
		return err
	}
	for i := range set.Len() {
		rows, err := set.Open(ctx, i)
		if errors.Is(err, record.ErrUnreadable) {
			continue
		}
		if err != nil {
			return err
		}
		var row record.Row
		for err = rows.Next(&row); err == nil; err = rows.Next(&row) {
			take(&row)
		}
		if cerr := rows.Close(); cerr != nil {
			return cerr
		}
		if !errors.Is(err, io.EOF) && !errors.Is(err, record.ErrUnreadable) {
			return err
		}
	}
	return nil
}

// settle makes passes, with time going by, until everything that is not live must be gone, and checks that it is.
func (w *world) settle(when string, change func(*Options)) {
	w.t.Helper()
	for range 6 {
		w.advance(21 * time.Minute)
		w.run(change)
	}
	w.checkClean(when)
	w.check(when)
}

// checkClean checks that the bucket holds nothing but live objects.
func (w *world) checkClean(when string) {
	w.t.Helper()
	if raw := w.list(layout.RawPrefix); len(raw) > 0 {
		w.t.Fatalf("%s: %d raw objects are left, as %s", when, len(raw), raw[0].Key)
	}
	live := map[string]bool{}
	targets := map[layout.Target]bool{}
	for _, k := range layout.Kinds {
		for _, o := range w.list(layout.KindPrefix(k)) {
			parts := strings.SplitN(o.Key, "/", 3)
			t := layout.Target{Kind: k, Name: parts[1]}
			if targets[t] {
				continue
			}
			targets[t] = true
			m := w.manifest(t)
			if n := len(m.Consumed) + len(m.Replaced); n > 0 {
				w.t.Fatalf("%s: %d tombstones are left in the manifest of %s: %+v %+v", when, n, t, m.Consumed, m.Replaced)
			}
			live[layout.ManifestKey(t)] = true
			for _, b := range m.Blocks {
				live[b.Key] = true
			}
			for _, s := range m.Sealed {
				live[s.Key] = true
				d, err := catalog.LoadSealed(w.t.Context(), w.mem, t, s)
				if err != nil {
					w.t.Fatal(err)
				}
				for _, b := range d.Blocks {
					live[b.Key] = true
				}
			}
		}
		for _, o := range w.list(layout.KindPrefix(k)) {
			if !live[o.Key] {
				w.t.Fatalf("%s: %s is left and not live", when, o.Key)
			}
			delete(live, o.Key)
		}
	}
	for key := range live {
		w.t.Fatalf("%s: the live object %s is missing", when, key)
	}
}
