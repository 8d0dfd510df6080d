package scan_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/prometheus/prometheus/model/labels"

	"lethe/internal/block"
	"lethe/internal/catalog"
	"lethe/internal/layout"
	"lethe/internal/rawobj"
	"lethe/internal/record"
	"lethe/letheql"
	"lethe/objstore"
	"lethe/objstore/memstore"
)

var epoch = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)

// line is a row with what the order of answers depends on.
type line struct {
	record.Row
	target  layout.Target
	arrival int // of the object that brought it
	place   int // in that object
}

// world is a bucket and the lines that are in it.
type world struct {
	t      testing.TB
	bucket *memstore.Bucket
	clock  sync.Mutex
	now    time.Time
	lines  []line
	ids    int
	block  block.Options
	// pad is how many bytes are added to each line at most.
	pad int
}

func newWorld(t testing.TB) *world {
	w := &world{t: t, now: epoch.Add(5 * time.Hour), block: block.Options{PageBytes: 2 << 10, MinPageBytes: 256, RowGroupRows: 200, Level: zstd.SpeedFastest}}
	w.bucket = memstore.New(func() time.Time {
		w.clock.Lock()
		defer w.clock.Unlock()
		return w.now
	})
	return w
}

// tick moves the clock, which the store may be asking meanwhile.
func (w *world) tick() {
	w.clock.Lock()
	defer w.clock.Unlock()
	w.now = w.now.Add(time.Second)
}

// rawObject is what an agent sent.
type rawObject struct {
	target  layout.Target
	rows    []record.Row
	arrival int
	key     string
	at      time.Time
}

// put puts a raw object; its lines are in the bucket from then on.
func (w *world) put(target layout.Target, rows []record.Row) rawObject {
	w.ids++
	w.tick()
	o := rawObject{target: target, rows: rows, arrival: w.ids, at: w.now}
	var body bytes.Buffer
	for i, r := range rows {
		m := map[string]string{"time": time.Unix(0, r.Time).UTC().Format(time.RFC3339Nano), "id": fmt.Sprint(w.ids)}
		if target.Kind == layout.Pod {
			m["pod"], m["container"], m["stream"], m["node"], m["log"] = r.Pod, r.Container, r.Stream, r.Node, string(r.Log)
		} else {
			m["syslog_identifier"], m["message"] = r.Process, string(r.Log)
		}
		b, err := json.Marshal(m)
		if err != nil {
			w.t.Fatal(err)
		}
		body.Write(append(b, '\n'))
		w.lines = append(w.lines, line{r, target, o.arrival, i})
	}
	o.key = layout.RawKey(target, layout.HourOf(rows[0].Time), fmt.Sprintf("o%04d.jsonl", 9999-w.ids))
	w.store(o.key, body.Bytes())
	return o
}

func (w *world) store(key string, body []byte) {
	if _, err := w.bucket.Put(context.Background(), key, bytes.NewReader(body), int64(len(body)), objstore.Condition{}); err != nil {
		w.t.Fatal(err)
	}
}

// compact writes the rows of objects of one target, which arrived one after the other, into a block an hour and commits it. The raw
// objects stay, as they do for a grace.
func (w *world) compact(objects []rawObject) {
	ctx := context.Background()
	w.tick()
	t := objects[0].target
	snap, err := catalog.Load(ctx, w.bucket, t)
	if err != nil {
		w.t.Fatal(err)
	}
	next := snap.Manifest.Clone()
	byHour := map[layout.Hour][]*record.Row{}
	for _, o := range objects {
		next.Consumed = append(next.Consumed, catalog.Tombstone{Key: o.key})
		for i := range o.rows {
			h := layout.HourOf(o.rows[i].Time)
			byHour[h] = append(byHour[h], &o.rows[i])
		}
	}
	for h, rows := range byHour {
		slices.SortStableFunc(rows, func(a, b *record.Row) int { return record.CompareStored(t.Kind, a, b) })
		w.ids++
		next.Blocks = append(next.Blocks, w.writeBlock(t, h, rows, objects[0].at))
	}
	store := &catalog.Store{Bucket: w.bucket, NewID: func() string { w.ids++; return fmt.Sprint("c", w.ids) }}
	if _, err := store.Swap(ctx, snap, next); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) writeBlock(t layout.Target, h layout.Hour, rows []*record.Row, arrived time.Time) catalog.Block {
	var body bytes.Buffer
	bw, err := block.NewWriter(&body, t, w.block)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, r := range rows {
		if err := bw.Write(r); err != nil {
			w.t.Fatal(err)
		}
	}
	m, err := bw.Close()
	if err != nil {
		w.t.Fatal(err)
	}
	key := layout.BlockKey(t, h, fmt.Sprintf("b%04d", w.ids))
	w.store(key, body.Bytes())
	return catalog.Block{
		Key: key, Size: m.Size, Tail: m.Tail, Rows: m.Rows, Text: m.Text, Min: m.Min, Max: m.Max, Hour: h, Arrived: arrived.UnixNano(),
		SHA256: m.SHA256,
	}
}

var words = strings.Fields("GET POST error Error timeout nginx /healthz /favicon.ico user=root rhost=10.0.0.1 exception status=500 café 日本 trace_id=4bf92f3577b34da6a3ce929d0e0e4736 deadbeef")

// random fills the world with objects of several targets and compacts some of them.
func (w *world) random(r *rand.Rand, objects int) {
	targets := []layout.Target{{Kind: layout.Pod, Name: "default"}, {Kind: layout.Pod, Name: "kube-system"}, {Kind: layout.Node, Name: "node-1"}}
	waiting := map[layout.Target][]rawObject{}
	for range objects {
		t := targets[r.IntN(len(targets))]
		waiting[t] = append(waiting[t], w.put(t, w.padded(r, randomRows(r, t))))
		if n := len(waiting[t]); r.IntN(4) == 0 {
			w.compact(waiting[t][:n])
			waiting[t] = nil
		}
	}
}

func (w *world) padded(r *rand.Rand, rows []record.Row) []record.Row {
	if w.pad > 0 {
		for i := range rows {
			rows[i].Log = append(rows[i].Log, strings.Repeat(" x", r.IntN(w.pad)/2)...)
		}
	}
	return rows
}

func randomRows(r *rand.Rand, t layout.Target) []record.Row {
	rows := make([]record.Row, 1+r.IntN(60))
	base := epoch.Add(time.Duration(r.IntN(3*3600)) * time.Second)
	for i := range rows {
		at := base.Add(time.Duration(r.IntN(120)) * time.Second)
		if r.IntN(2) == 0 {
			at = at.Add(time.Duration(r.IntN(4)) * time.Nanosecond)
		}
		var b []string
		for range r.IntN(7) {
			b = append(b, words[r.IntN(len(words))])
		}
		row := record.Row{Time: at.UnixNano(), Log: []byte(strings.Join(b, " "))}
		if t.Kind == layout.Pod {
			row.Namespace, row.Pod, row.Container = t.Name, fmt.Sprint("pod-", r.IntN(4)), fmt.Sprint("c", r.IntN(2))
			row.Stream, row.Node = []string{"stdout", "stderr"}[r.IntN(2)], fmt.Sprint("node-", r.IntN(2))
		} else {
			row.Node, row.Process = t.Name, []string{"kubelet", "containerd"}[r.IntN(2)]
		}
		rows[i] = row
	}
	return rows
}

// naive evaluates a select by its definition.
func (w *world) naive(s letheql.Select) []line {
	var out []line
	for _, l := range w.lines {
		if l.target.Kind == s.Kind && l.Time >= s.Start && l.Time <= s.End && matches(w.t, s, &l.Row) {
			out = append(out, l)
		}
	}
	slices.SortFunc(out, func(a, b line) int {
		a1, a2 := a.Group(s.Kind)
		b1, b2 := b.Group(s.Kind)
		return cmp.Or(cmp.Compare(a.Time, b.Time), a.target.Compare(b.target), strings.Compare(a1, b1), strings.Compare(a2, b2),
			cmp.Compare(a.arrival, b.arrival), cmp.Compare(a.place, b.place))
	})
	if s.Direction == letheql.Backward {
		slices.Reverse(out)
	}
	if s.Limit > 0 && len(out) > s.Limit {
		out = out[:s.Limit]
	}
	return out
}

func matches(t testing.TB, s letheql.Select, r *record.Row) bool {
	for _, m := range s.Matchers {
		if !m.Matches(r.Label(m.Name)) {
			return false
		}
	}
	for _, f := range s.Filters {
		hit := slices.ContainsFunc(f.Texts(), func(text string) bool { return bytes.Contains(r.Log, []byte(text)) })
		if f.Op == letheql.Matches || f.Op == letheql.NotMatches {
			re, err := regexp.Compile(f.Text)
			if err != nil {
				t.Fatal(err)
			}
			hit = re.Match(r.Log)
		}
		if hit == (f.Op == letheql.NotContains || f.Op == letheql.NotMatches) {
			return false
		}
	}
	return true
}

// randomSelect asks for anything.
func randomSelect(r *rand.Rand) letheql.Select {
	s := letheql.Select{
		Kind: layout.Pod, Start: epoch.Add(-time.Hour).UnixNano(), End: epoch.Add(4 * time.Hour).UnixNano(),
		Direction: letheql.Direction(r.IntN(2)), NeedLog: true, NeedStream: r.IntN(2) == 0, NeedNode: r.IntN(2) == 0,
	}
	pick := func(choices ...func()) {
		if i := r.IntN(len(choices) + 1); i < len(choices) {
			choices[i]()
		}
	}
	match := func(t labels.MatchType, name, value string) func() {
		return func() { s.Matchers = append(s.Matchers, labels.MustNewMatcher(t, name, value)) }
	}
	if r.IntN(4) == 0 {
		s.Kind, s.NeedStream, s.NeedNode = layout.Node, false, false
		pick(match(labels.MatchEqual, "process", "kubelet"), match(labels.MatchNotEqual, "process", "kubelet"), match(labels.MatchRegexp, "node", "node-.*"))
	} else {
		pick(match(labels.MatchEqual, "namespace", "default"), match(labels.MatchNotEqual, "namespace", "default"),
			match(labels.MatchRegexp, "namespace", "default|other"), match(labels.MatchEqual, "namespace", "../../x"), match(labels.MatchRegexp, "namespace", "kube.*"))
		pick(match(labels.MatchEqual, "pod", "pod-1"), match(labels.MatchRegexp, "pod", "pod-[12]"), match(labels.MatchNotRegexp, "pod", ".*3"))
		pick(match(labels.MatchEqual, "container", "c1"))
		pick(match(labels.MatchEqual, "stream", "stderr"), match(labels.MatchNotEqual, "node", "node-1"))
	}
	filter := func(op letheql.FilterOp, text string, or ...string) func() {
		return func() { s.Filters = append(s.Filters, letheql.LineFilter{Op: op, Text: text, Or: or}) }
	}
	many := strings.Fields("timeout " + strings.Repeat("nowhere ", 40) + "deadbeef")
	for range r.IntN(3) {
		pick(filter(letheql.Contains, "error"), filter(letheql.NotContains, "GET"), filter(letheql.Matches, "(?i)ERROR|timeout"), filter(letheql.Contains, "deadbeef"),
			filter(letheql.Matches, `user=\w+.*rhost=[0-9.]+`), filter(letheql.NotMatches, "favicon|robots"), filter(letheql.Contains, "no such word"), filter(letheql.Contains, "no such word", many...), filter(letheql.NotContains, "GET", many...), filter(letheql.Contains, "trace_id=4bf92f3577b34da6a3ce929d0e0e4736"))
	}
	if r.IntN(2) == 0 {
		s.Start = epoch.Add(time.Duration(r.IntN(3*3600)) * time.Second).UnixNano()
	}
	if r.IntN(2) == 0 {
		s.End = s.Start + int64(r.IntN(7200))*int64(time.Second)
	}
	if r.IntN(2) == 0 {
		s.Limit = 1 + r.IntN(80)
	}
	return s
}

// identify returns what a compactor remembers of consumed objects.
func identify(t testing.TB, w *world, target layout.Target) []catalog.Body {
	t.Helper()
	var listed []objstore.Object
	for obj, err := range w.bucket.List(t.Context(), objstore.ListOptions{Prefix: layout.RawPrefixOf(target)}) {
		if err != nil {
			t.Fatal(err)
		}
		listed = append(listed, obj)
	}
	set, err := rawobj.Resolve(t.Context(), w.bucket, listed, nil, rawobj.Options{Target: target, Identify: true})
	if err != nil {
		t.Fatal(err)
	}
	var bodies []catalog.Body
	for i := range set.Len() {
		rows, err := set.Open(t.Context(), i)
		if err != nil {
			t.Fatal(err)
		}
		var r record.Row
		for err = rows.Next(&r); err == nil; err = rows.Next(&r) {
		}
		if !record.AtEnd(err) {
			t.Fatal(err)
		}
		b, ok := rows.Body()
		if !ok {
			t.Fatal("a body that was read has no identity")
		}
		bodies = append(bodies, b)
		if err := rows.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return bodies
}
