package block

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"lethe/internal/layout"
	"lethe/internal/record"
	"lethe/objstore"
)

// readerOf makes a block of rows and returns a reader of it.
func readerOf(t testing.TB, rows []record.Row, o Options, read ReadOptions) *RowReader {
	t.Helper()
	object, meta := build(t, podTarget, rows, o)
	return NewRowReader(open(t, podTarget, object, meta.Tail), memFetch(object), read)
}

func merged(t testing.TB, inputs []*RowReader) []record.Row {
	t.Helper()
	var buf bytes.Buffer
	w, err := NewWriter(&buf, podTarget, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := Merge(context.Background(), w, inputs); err != nil {
		t.Fatal(err)
	}
	meta, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	f := open(t, podTarget, buf.Bytes(), meta.Tail)
	return readAll(t, f, buf.Bytes(), ReadOptions{})
}

// TestMergeIsStable merges blocks full of ties. Rows that compare equal keep the order of blocks, and of rows in them.
func TestMergeIsStable(t *testing.T) {
	r := rand.New(rand.NewPCG(21, 1))
	for range 12 {
		var inputs []*RowReader
		var all []record.Row
		for rank := range 1 + r.IntN(9) {
			rows := make([]record.Row, 1+r.IntN(200))
			for i := range rows {
				rows[i] = record.Row{
					Namespace: "default", Pod: pick(r, "a", "b", "c"), Container: pick(r, "x", "y"), Stream: pick(r, "stdout", "stderr"),
					Time: epoch + int64(r.IntN(5)), Log: fmt.Appendf(nil, "%d of block %d", i, rank),
				}
			}
			slices.SortStableFunc(rows, func(a, b record.Row) int { return record.CompareStored(layout.Pod, &a, &b) })
			all = append(all, rows...)
			inputs = append(inputs, readerOf(t, rows, Options{PageBytes: 1 + r.IntN(500), RowGroupRows: 1 + r.IntN(50)}, ReadOptions{ReadAhead: 1}))
		}
		slices.SortStableFunc(all, func(a, b record.Row) int { return record.CompareStored(layout.Pod, &a, &b) })
		same(t, all, merged(t, inputs))
	}
}

func TestMergeStops(t *testing.T) {
	rows := generate(4, 3000)
	object, meta := build(t, podTarget, rows, Options{RowGroupRows: 500})
	f := open(t, podTarget, object, meta.Tail)
	broken := errors.New("connection reset")
	gets := 0
	fetch := func(ctx context.Context, r objstore.Range) ([]byte, error) {
		if gets++; gets == 3 {
			return nil, broken
		}
		return memFetch(object)(ctx, r)
	}
	w, err := NewWriter(&bytes.Buffer{}, podTarget, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := Merge(context.Background(), w, []*RowReader{NewRowReader(f, fetch, ReadOptions{})}); !errors.Is(err, broken) {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := Merge(ctx, w, []*RowReader{NewRowReader(f, memFetch(object), ReadOptions{})}); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

// TestReaderRequests counts what a reader asks of the store: one range for each row group that fits its read-ahead.
func TestReaderRequests(t *testing.T) {
	rows := generate(6, 16_000)
	object, meta := build(t, podTarget, rows, Options{RowGroupRows: 4000})
	f := open(t, podTarget, object, meta.Tail)
	gets, largest := 0, int64(0)
	fetch := func(ctx context.Context, r objstore.Range) ([]byte, error) {
		gets++
		largest = max(largest, r.Length)
		return memFetch(object)(ctx, r)
	}
	if n, err := tryReadAll(f, fetch, ReadOptions{}); err != nil || len(n) != len(rows) {
		t.Fatalf("%d rows, %v", len(n), err)
	}
	if gets != f.RowGroups() {
		t.Errorf("%d requests for %d row groups", gets, f.RowGroups())
	}
	gets, largest = 0, 0
	if n, err := tryReadAll(f, fetch, ReadOptions{ReadAhead: 1, Gap: 1}); err != nil || len(n) != len(rows) {
		t.Fatalf("%d rows, %v", len(n), err)
	}
	var page int64
	for i := range f.Pages() {
		page = max(page, f.ColumnRange(i, ColLog).Length)
	}
	if largest > 2*page {
		t.Errorf("a request of %d bytes, the largest page has %d", largest, page)
	}
}

func TestFetchOfWrongLength(t *testing.T) {
	object, meta := build(t, podTarget, generate(8, 100), Options{})
	f := open(t, podTarget, object, meta.Tail)
	short := func(ctx context.Context, r objstore.Range) ([]byte, error) { return make([]byte, r.Length-1), nil }
	if _, err := tryReadAll(f, short, ReadOptions{}); !errors.Is(err, ErrCorrupt) {
		t.Fatal(err)
	}
}

func TestCoalesce(t *testing.T) {
	r := rand.New(rand.NewPCG(31, 1))
	for range 500 {
		gap := int64(r.IntN(20))
		var in []objstore.Range
		for range r.IntN(12) {
			in = append(in, objstore.Range{Offset: int64(r.IntN(300)), Length: int64(1 + r.IntN(30))})
		}
		out := Coalesce(in, gap)
		for i, o := range out {
			if i > 0 && o.Offset <= out[i-1].Offset+out[i-1].Length+gap {
				t.Fatalf("%v and %v are not apart by more than %d", out[i-1], o, gap)
			}
		}
		for _, want := range in {
			if !slices.ContainsFunc(out, func(o objstore.Range) bool {
				return o.Offset <= want.Offset && o.Offset+o.Length >= want.Offset+want.Length
			}) {
				t.Fatalf("%v is not in %v", want, out)
			}
		}
	}
}

func TestSorter(t *testing.T) {
	r := rand.New(rand.NewPCG(41, 1))
	for i := range 40 {
		target := podTarget
		if i%2 == 1 {
			target = nodeTarget
		}
		rows := oddRows(r, target.Kind, 1+r.IntN(500))
		r.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
		s, err := NewSorter(target, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			s.Reset()
			var line []byte
			for i := range rows {
				row := rows[i]
				// The sorter copies the line: its memory is used again.
				line = append(line[:0], row.Log...)
				row.Log = line
				if err := s.Add(&row); err != nil {
					t.Fatal(err)
				}
			}
			var got []record.Row
			for row := range s.Rows() {
				got = append(got, cloneRow(row))
			}
			want := slices.Clone(rows)
			slices.SortStableFunc(want, func(a, b record.Row) int { return record.CompareStored(target.Kind, &a, &b) })
			same(t, want, got)
			if s.Len() != int64(len(rows)) {
				t.Fatal(s.Len())
			}
		}
	}
}

// TestSorterBudget checks the budget against what the heap really holds.
func TestSorterBudget(t *testing.T) {
	const budget = 16 << 20
	s, err := NewSorter(podTarget, budget)
	if err != nil {
		t.Fatal(err)
	}
	rows := generate(9, 5000)
	before := heap()
	for i := 0; !s.Full(); i = (i + 1) % len(rows) {
		if err := s.Add(&rows[i]); err != nil {
			t.Fatal(err)
		}
	}
	if held := heap() - before; held > budget*13/10 || held < budget/2 {
		t.Errorf("a sorter that is full at %d bytes holds %d", budget, held)
	}
	if _, err := NewSorter(podTarget, 0); !errors.Is(err, ErrOptions) {
		t.Error(err)
	}
	if err := s.Add(&record.Row{Log: make([]byte, MaxLineBytes+1)}); !errors.Is(err, ErrRow) {
		t.Error(err)
	}
	s.Reset()
	if s.Full() || s.Len() != 0 {
		t.Error("a sorter that was reset holds rows")
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestMemory checks that the writer holds no more than a page, a row group and the indexes.
func TestMemory(t *testing.T) {
	rows := generate(10, 20_000)
	before := heap()
	w, err := NewWriter(discard{}, podTarget, Options{})
	if err != nil {
		t.Fatal(err)
	}
	most := int64(0)
	for n := range 5 {
		for i := range rows {
			row := rows[i]
			row.Pod = fmt.Sprintf("pod-%02d-%s", n, row.Pod)
			if err := w.Write(&row); err != nil {
				t.Fatal(err)
			}
		}
		most = max(most, heap()-before)
	}
	meta, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d MB of lines, at most %d MB of heap", meta.Text>>20, most>>20)
	if most > 50<<20 {
		t.Errorf("the writer holds %d MB", most>>20)
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
