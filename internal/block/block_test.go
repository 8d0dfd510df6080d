package block

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"

	"lethe/internal/layout"
	"lethe/internal/record"
)

// build writes rows as a block.
func build(t testing.TB, target layout.Target, rows []record.Row, o Options) ([]byte, Meta) {
	t.Helper()
	var buf bytes.Buffer
	w, err := NewWriter(&buf, target, o)
	if err != nil {
		t.Fatal(err)
	}
	for i := range rows {
		if err := w.Write(&rows[i]); err != nil {
			t.Fatal(err)
		}
	}
	meta, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	return buf.Bytes(), meta
}

func open(t testing.TB, target layout.Target, object []byte, tail int64) *File {
	t.Helper()
	f, err := OpenTail(target, object[int64(len(object))-tail:], int64(len(object)))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func readAll(t testing.TB, f *File, object []byte, o ReadOptions) []record.Row {
	t.Helper()
	rows, err := tryReadAll(f, memFetch(object), o)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func tryReadAll(f *File, fetch Fetch, o ReadOptions) ([]record.Row, error) {
	r := NewRowReader(f, fetch, o)
	var out []record.Row
	for {
		row, err := r.Next(context.Background())
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		out = append(out, cloneRow(row))
	}
}

// same fails at the first row that differs.
func same(t testing.TB, want, got []record.Row) {
	t.Helper()
	for i := range min(len(want), len(got)) {
		a, b := want[i], got[i]
		if !bytes.Equal(a.Log, b.Log) {
			t.Fatalf("row %d: line %.200q, want %.200q", i, b.Log, a.Log)
		}
		a.Log, b.Log = nil, nil
		if !reflect.DeepEqual(a, b) {
			t.Fatalf("row %d: %+v, want %+v", i, b, a)
		}
	}
	if len(want) != len(got) {
		t.Fatalf("%d rows, want %d", len(got), len(want))
	}
}

func TestRoundTrip(t *testing.T) {
	rows := generate(1, 12_000)
	object, meta := build(t, podTarget, rows, Options{RowGroupRows: 2500, PageBytes: 80_000})
	sum := sha256.Sum256(object)
	if meta.SHA256 != hex.EncodeToString(sum[:]) || meta.Size != int64(len(object)) || meta.Rows != int64(len(rows)) {
		t.Fatalf("meta %+v of %d bytes, %d rows", meta, len(object), len(rows))
	}
	f := open(t, podTarget, object, meta.Tail)
	want := meta
	want.SHA256 = ""
	if diff := cmp.Diff(want, f.Meta()); diff != "" {
		t.Fatal(diff)
	}
	if f.RowGroups() < 4 || len(f.Pages()) < 20 {
		t.Fatalf("%d row groups, %d pages", f.RowGroups(), len(f.Pages()))
	}
	same(t, rows, readAll(t, f, object, ReadOptions{}))
	if err := Verify(context.Background(), f, memFetch(object), ReadOptions{ReadAhead: 1}); err != nil {
		t.Fatal(err)
	}
}

// oddRows are rows at the edges of what a block holds, in stored order.
func oddRows(r *rand.Rand, kind layout.Kind, n int) []record.Row {
	times := []int64{math.MinInt64, -1, 0, 1, 999, 1000, epoch, epoch + 123_456_789, math.MaxInt64}
	rows := make([]record.Row, n)
	for i := range rows {
		row := record.Row{Time: times[r.IntN(len(times))] + int64(r.IntN(2))*int64(r.IntN(1e9)), Log: []byte(randomText(r, 4))}
		switch r.IntN(12) {
		case 0:
			row.Log = []byte{}
		case 1:
			row.Log = bytes.Repeat([]byte(pick(r, "a", "\xff", "日", "\n")), r.IntN(3000))
		case 2:
			row.Log = make([]byte, r.IntN(100))
			for i := range row.Log {
				row.Log[i] = byte(r.Uint32())
			}
		}
		if kind == layout.Node {
			row.Node, row.Process = "node-1", pick(r, "", "kubelet", "sshd", "日本")
		} else {
			row.Namespace, row.Pod, row.Container = "default", pick(r, "", "a", "a-1", "b"), pick(r, "", "c", "d")
			row.Stream, row.Node = pick(r, "stdout", "stdout", "stderr", ""), pick(r, "n1", "n1", "n1", "n2")
		}
		rows[i] = row
	}
	slices.SortStableFunc(rows, func(a, b record.Row) int { return record.CompareStored(kind, &a, &b) })
	return rows
}

func TestRoundTripOfOddRows(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 1))
	for i := range 30 {
		target := podTarget
		if i%2 == 1 {
			target = nodeTarget
		}
		rows := oddRows(r, target.Kind, 1+r.IntN(400))
		o := Options{PageBytes: 1 + r.IntN(2000), RowGroupRows: 1 + r.IntN(200), Level: zstd.EncoderLevel(1 + r.IntN(4)), NoIndex: r.IntN(4) == 0}
		object, meta := build(t, target, rows, o)
		f := open(t, target, object, meta.Tail)
		read := ReadOptions{ReadAhead: int64(1 + r.IntN(5000)), Gap: int64(1 + r.IntN(1000))}
		same(t, rows, readAll(t, f, object, read))
		if err := Verify(context.Background(), f, memFetch(object), read); err != nil {
			t.Fatal(err)
		}
		f.runs = nil
		same(t, rows, readAll(t, f, object, read))
	}
}

// TestLongLabels fills a block with names that no dictionary page and no directory could hold at once.
func TestLongLabels(t *testing.T) {
	var rows []record.Row
	for i := range 700 {
		rows = append(rows, record.Row{Namespace: "default", Pod: fmt.Sprintf("%05d", i) + string(bytes.Repeat([]byte{byte('a' + i%26)}, 60_000)), Time: int64(i), Log: []byte("x")})
	}
	object, meta := build(t, podTarget, rows, Options{})
	f := open(t, podTarget, object, meta.Tail)
	same(t, rows, readAll(t, f, object, ReadOptions{}))
	if f.IndexErr() != nil || f.Runs() != nil || f.RowGroups() < 2 {
		t.Fatalf("%d runs, %d row groups, %v", len(f.Runs()), f.RowGroups(), f.IndexErr())
	}
}

func TestLongLines(t *testing.T) {
	var rows []record.Row
	for i := range 5 {
		rows = append(rows, record.Row{Namespace: "default", Pod: "p", Time: int64(i), Log: bytes.Repeat([]byte{byte('a' + i), 0xff}, 512<<10)})
	}
	object, meta := build(t, podTarget, rows, Options{})
	f := open(t, podTarget, object, meta.Tail)
	same(t, rows, readAll(t, f, object, ReadOptions{}))
	if len(f.Pages()) != len(rows) {
		t.Fatalf("%d pages for %d lines of a page each", len(f.Pages()), len(rows))
	}
}

// TestOtherReaders reads a block as any reader of Parquet does.
func TestOtherReaders(t *testing.T) {
	rows := generate(5, 2000)
	rows[7].Log = []byte("not \xff UTF-8")
	object, _ := build(t, podTarget, rows, Options{RowGroupRows: 700})
	file, err := parquet.OpenFile(bytes.NewReader(object), int64(len(object)))
	if err != nil {
		t.Fatal(err)
	}
	type plain struct {
		Time      int64  `parquet:"time,timestamp(microsecond)"`
		TimeNS    int32  `parquet:"time_ns"`
		Namespace string `parquet:"namespace"`
		Pod       string `parquet:"pod"`
		Container string `parquet:"container"`
		Stream    string `parquet:"stream"`
		Node      string `parquet:"node"`
		Log       string `parquet:"log"`
	}
	reader := parquet.NewGenericReader[plain](file)
	got := make([]plain, len(rows)+1)
	n, err := reader.Read(got)
	if n != len(rows) || !errors.Is(err, io.EOF) {
		t.Fatalf("%d rows, %v", n, err)
	}
	for i, p := range got[:n] {
		row := record.Row{
			Time: p.Time*1000 + int64(p.TimeNS), Namespace: p.Namespace, Pod: p.Pod, Container: p.Container,
			Stream: p.Stream, Node: p.Node, Log: []byte(p.Log),
		}
		want := rows[i]
		if i == 7 {
			want.Log = []byte("not \U0010FEFF UTF-8")
		}
		same(t, []record.Row{want}, []record.Row{row})
	}
	if err := reader.Close(); err != nil {
		t.Fatal(err)
	}
	sorting := file.RowGroups()[0].SortingColumns()
	if len(sorting) != 4 || sorting[0].Path()[0] != "pod" || sorting[3].Path()[0] != "time_ns" {
		t.Fatalf("sorting columns %v", sorting)
	}
}

func TestWriterRefuses(t *testing.T) {
	newWriter := func(t *testing.T) *Writer {
		w, err := NewWriter(io.Discard, podTarget, Options{})
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	t.Run("an empty block", func(t *testing.T) {
		if _, err := newWriter(t).Close(); !errors.Is(err, ErrEmpty) {
			t.Fatal(err)
		}
	})
	t.Run("rows out of order", func(t *testing.T) {
		w := newWriter(t)
		for i, c := range []struct {
			row record.Row
			ok  bool
		}{
			{record.Row{Pod: "b", Container: "c", Time: 5}, true},
			{record.Row{Pod: "b", Container: "c", Time: 5}, true},
			{record.Row{Pod: "b", Container: "c", Time: 4}, false},
			{record.Row{Pod: "a", Container: "d", Time: 6}, false},
			{record.Row{Pod: "b", Container: "b", Time: 6}, false},
			{record.Row{Pod: "b", Container: "d", Time: 1}, true},
		} {
			if err := w.Write(&c.row); (err == nil) != c.ok || (err != nil && !errors.Is(err, ErrOrder)) {
				t.Fatalf("row %d: %v", i, err)
			}
		}
		if meta, err := w.Close(); err != nil || meta.Rows != 3 {
			t.Fatalf("%d rows, %v", meta.Rows, err)
		}
	})
	t.Run("too long a line or label", func(t *testing.T) {
		w := newWriter(t)
		if err := w.Write(&record.Row{Log: make([]byte, MaxLineBytes+1)}); !errors.Is(err, ErrRow) {
			t.Fatal(err)
		}
		if err := w.Write(&record.Row{Pod: string(make([]byte, MaxLabelBytes+1))}); !errors.Is(err, ErrRow) {
			t.Fatal(err)
		}
	})
	t.Run("rows after the end", func(t *testing.T) {
		w := newWriter(t)
		if err := w.Write(&record.Row{}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if err := w.Write(&record.Row{}); err == nil {
			t.Fatal("a row was taken after Close")
		}
		if _, err := w.Close(); err == nil {
			t.Fatal("closed twice")
		}
	})
	for _, o := range []Options{
		{PageBytes: -1}, {PageBytes: 9 << 20}, {MinPageBytes: -1}, {PageBytes: 10, MinPageBytes: 11},
		{RowGroupRows: -1}, {RowGroupRows: maxPageRows + 1}, {Level: 9}, {Level: -1},
	} {
		t.Run(fmt.Sprintf("%+v", o), func(t *testing.T) {
			if _, err := NewWriter(io.Discard, podTarget, o); !errors.Is(err, ErrOptions) {
				t.Fatal(err)
			}
		})
	}
}

// failing fails after some bytes.
type failing struct{ left int }

var errFull = errors.New("disk full")

func (f *failing) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, errFull
	}
	return len(p), nil
}

func TestWriteErrors(t *testing.T) {
	rows := generate(3, 1500)
	_, meta := build(t, podTarget, rows, Options{RowGroupRows: 300})
	for left := 0; left < int(meta.Size); left += int(meta.Size)/20 + 1 {
		w, err := NewWriter(&failing{left: left}, podTarget, Options{RowGroupRows: 300})
		if err != nil {
			t.Fatal(err)
		}
		for i := range rows {
			if err = w.Write(&rows[i]); err != nil {
				break
			}
		}
		if err == nil {
			_, err = w.Close()
		} else if _, again := w.Close(); again == nil {
			t.Fatal("Close after a failed write made a block")
		}
		if !errors.Is(err, errFull) {
			t.Fatalf("after %d bytes: %v", left, err)
		}
	}
}

// TestPageCuts checks what a page is: about PageBytes of lines, ended where a pod ends, but not below MinPageBytes.
func TestPageCuts(t *testing.T) {
	var rows []record.Row
	add := func(pod string, lines int) {
		for range lines {
			rows = append(rows, record.Row{Namespace: "default", Pod: pod, Time: int64(len(rows)), Log: bytes.Repeat([]byte("x"), 100)})
		}
	}
	add("a", 25)
	add("b", 3)
	add("c", 3)
	add("d", 8)
	add("e", 1)
	object, meta := build(t, podTarget, rows, Options{PageBytes: 1000, MinPageBytes: 500})
	f := open(t, podTarget, object, meta.Tail)
	var got []int64
	for _, p := range f.Pages() {
		got = append(got, p.Rows)
	}
	// a fills two pages and a half; b and c together are long enough to end at d; d is long enough to end at e.
	if diff := cmp.Diff([]int64{10, 10, 5, 6, 8, 1}, got); diff != "" {
		t.Fatal(diff)
	}
	var runs []string
	for _, r := range f.Runs() {
		runs = append(runs, fmt.Sprint(r.Pod, r.Row, r.Rows))
	}
	if diff := cmp.Diff([]string{"a0 25", "b25 3", "c28 3", "d31 8", "e39 1"}, runs); diff != "" {
		t.Fatal(diff)
	}
}
