package block

import (
	"cmp"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"lethe/internal/linefilter"
	"lethe/internal/record"
	"lethe/objstore"
)

const benchRows = 200_000

// reportCPU reports bytes for each second of CPU of the process, which says more than time on a machine that does other work too.
// Call it before the loop, and what it returns behind it.
func reportCPU(b *testing.B, bytes int64) func() {
	start := cpuTime(b)
	return func() {
		b.ReportMetric(float64(bytes)*float64(b.N)/1e6/(cpuTime(b)-start).Seconds(), "MB/cpu-s")
	}
}

func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkWriter(b *testing.B) {
	rows := generate(1, benchRows)
	text := textBytes(rows)
	for _, c := range []struct {
		name string
		o    Options
	}{
		{"better", Options{Level: zstd.SpeedBetterCompression}},
		{"default", Options{Level: zstd.SpeedDefault}},
		{"fastest", Options{Level: zstd.SpeedFastest}},
		{"fastest-no-index", Options{Level: zstd.SpeedFastest, NoIndex: true}},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(text)
			b.ReportAllocs()
			var meta Meta
			done := reportCPU(b, text)
			for b.Loop() {
				w, err := NewWriter(io.Discard, podTarget, c.o)
				if err != nil {
					b.Fatal(err)
				}
				for i := range rows {
					if err := w.Write(&rows[i]); err != nil {
						b.Fatal(err)
					}
				}
				if meta, err = w.Close(); err != nil {
					b.Fatal(err)
				}
			}
			done()
			b.ReportMetric(100*float64(meta.Size)/float64(text), "%text")
		})
	}
}

func BenchmarkIndexWriter(b *testing.B) {
	rows := generate(1, benchRows)
	var pages []page
	n, size := int64(0), 0
	for i := range rows {
		if size == 0 {
			pages = append(pages, page{})
		}
		pages[len(pages)-1].add(&rows[i], false)
		n += int64(len(rows[i].Log))
		if size += len(rows[i].Log); size > 1<<20 {
			size = 0
		}
	}
	pack := newPack(b)
	b.SetBytes(n)
	defer reportCPU(b, n)()
	for b.Loop() {
		w := newIndexWriter(pack)
		for i := range pages {
			w.addPage(pages[i].log, pages[i].offsets, false)
			if i%8 == 7 {
				w.endGroup(1_200_000)
			}
		}
		w.finish()
	}
}

func BenchmarkDecodeLog(b *testing.B) {
	rows := generate(1, benchRows)
	object, meta := build(b, podTarget, rows, Options{})
	f := open(b, podTarget, object, meta.Tail)
	d := NewDecoder()
	var p LogPage
	b.SetBytes(meta.Text)
	b.ReportAllocs()
	defer reportCPU(b, meta.Text)()
	for b.Loop() {
		for i := range f.Pages() {
			r := f.ColumnRange(i, ColLog)
			if err := d.Log(f, i, object[r.Offset:r.Offset+r.Length], &p); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkDecodeTimes(b *testing.B) {
	rows := generate(1, benchRows)
	object, meta := build(b, podTarget, rows, Options{})
	f := open(b, podTarget, object, meta.Tail)
	d := NewDecoder()
	at := func(r objstore.Range) []byte { return object[r.Offset : r.Offset+r.Length] }
	var times []int64
	b.ReportAllocs()
	for b.Loop() {
		for i := range f.Pages() {
			var err error
			if times, err = d.Times(f, i, at(f.ColumnRange(i, ColTime)), at(f.ColumnRange(i, ColTimeNS)), times[:0]); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(benchRows)*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mrows/s")
}

func BenchmarkOpenTail(b *testing.B) {
	object, meta := build(b, podTarget, generate(1, benchRows), Options{})
	tail := object[meta.Size-meta.Tail:]
	b.ReportAllocs()
	for b.Loop() {
		if _, err := OpenTail(podTarget, tail, meta.Size); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCandidates(b *testing.B) {
	object, meta := build(b, podTarget, generate(1, benchRows), Options{})
	f := open(b, podTarget, object, meta.Tail)
	need := linefilter.Need{Op: linefilter.Literal, Literal: []byte("payment accepted by 8d0e4736")}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.Candidates(need); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRowReader(b *testing.B) {
	object, meta := build(b, podTarget, generate(1, benchRows), Options{})
	f := open(b, podTarget, object, meta.Tail)
	b.SetBytes(meta.Text)
	b.ReportAllocs()
	defer reportCPU(b, meta.Text)()
	for b.Loop() {
		r := NewRowReader(f, memFetch(object), ReadOptions{})
		for {
			if _, err := r.Next(context.Background()); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkSorter(b *testing.B) {
	rows := generate(1, benchRows)
	// As agents send them: by time, and now and then late.
	r := rand.New(rand.NewPCG(3, 3))
	byTime := make([]record.Row, len(rows))
	for i, at := range orderByTime(rows, r) {
		byTime[i] = rows[at]
	}
	s, err := NewSorter(podTarget, 1<<30)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(textBytes(rows))
	b.ReportAllocs()
	defer reportCPU(b, textBytes(rows))()
	for b.Loop() {
		s.Reset()
		for i := range byTime {
			if err := s.Add(&byTime[i]); err != nil {
				b.Fatal(err)
			}
		}
		n := 0
		for range s.Rows() {
			n++
		}
		if n != len(rows) {
			b.Fatal(n)
		}
	}
}

// orderByTime returns the rows' numbers by time, with one in fifty a little late.
func orderByTime(rows []record.Row, r *rand.Rand) []int {
	late := make([]int64, len(rows))
	order := make([]int, len(rows))
	for i := range rows {
		late[i], order[i] = rows[i].Time, i
		if r.IntN(50) == 0 {
			late[i] += int64(r.IntN(5e9))
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(late[a], late[b]) })
	return order
}

func BenchmarkMergeRows(b *testing.B) {
	const inputs = 8
	rows := generate(1, benchRows)
	r := rand.New(rand.NewPCG(4, 4))
	var parts [inputs][]record.Row
	for i := range rows {
		n := r.IntN(inputs)
		parts[n] = append(parts[n], rows[i])
	}
	var files [inputs]*File
	var objects [inputs][]byte
	text := int64(0)
	for i := range parts {
		object, meta := build(b, podTarget, parts[i], Options{Level: zstd.SpeedFastest})
		files[i], objects[i] = open(b, podTarget, object, meta.Tail), object
		text += textBytes(parts[i])
	}
	b.SetBytes(text)
	b.ReportAllocs()
	defer reportCPU(b, text)()
	for b.Loop() {
		var readers []*RowReader
		for i, f := range files {
			readers = append(readers, NewRowReader(f, memFetch(objects[i]), ReadOptions{}))
		}
		n := 0
		err := MergeRows(context.Background(), podTarget.Kind, readers, func(*record.Row) error { n++; return nil })
		if err != nil || n != len(rows) {
			b.Fatal(n, err)
		}
	}
}
