package block

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"lethe/internal/layout"
	"lethe/internal/linefilter"
	"lethe/objstore"
)

// readHostile reads all that there is to read in an object that may be anything. Every error is one of ours, and what is read
// without one is bounded by what the tail says.
func readHostile(t *testing.T, object []byte, tail int64) {
	t.Helper()
	for _, target := range []struct{ tail int64 }{{tail}, {int64(len(object))}} {
		f, err := OpenTail(podTarget, object[int64(len(object))-target.tail:], int64(len(object)))
		if err != nil {
			if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrVersion) {
				t.Fatalf("an error of another kind: %v", err)
			}
			continue
		}
		if err := f.IndexErr(); err != nil && !errors.Is(err, ErrIndex) {
			t.Fatalf("an error of another kind: %v", err)
		}
		if _, err := f.Candidates(linefilter.Need{Op: linefilter.Literal, Literal: []byte("payment 8d0e4736")}); err != nil && !errors.Is(err, ErrIndex) {
			t.Fatalf("an error of another kind: %v", err)
		}
		if err := Verify(context.Background(), f, memFetch(object), ReadOptions{}); err != nil && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrIndex) {
			t.Fatalf("an error of another kind: %v", err)
		}
		decodeAll(t, f, object)
	}
}

// decodeAll decodes each page of each column.
func decodeAll(t *testing.T, f *File, object []byte) {
	t.Helper()
	d := NewDecoder()
	var log LogPage
	at := func(r objstore.Range) []byte { return object[r.Offset : r.Offset+r.Length] }
	check := func(err error) {
		if err != nil && !errors.Is(err, ErrCorrupt) {
			t.Fatalf("an error of another kind: %v", err)
		}
	}
	for i, p := range f.Pages() {
		check(d.Log(f, i, at(f.ColumnRange(i, ColLog)), &log))
		_, err := d.Times(f, i, at(f.ColumnRange(i, ColTime)), at(f.ColumnRange(i, ColTimeNS)), nil)
		check(err)
		for c := ColNamespace; c < ColProcess; c++ {
			dict, err := d.Dictionary(f, p.RowGroup, c, at(f.DictionaryRange(p.RowGroup, c)))
			check(err)
			_, err = d.Labels(f, i, c, len(dict), at(f.ColumnRange(i, c)), nil)
			check(err)
		}
	}
}

func TestDamagedBlocks(t *testing.T) {
	rows := generate(12, 600)
	object, meta := build(t, podTarget, rows, Options{PageBytes: 10_000, RowGroupRows: 200})
	r := rand.New(rand.NewPCG(51, 1))
	t.Run("flipped bits", func(t *testing.T) {
		for range 120 {
			bad := bytes.Clone(object)
			for range 1 + r.IntN(3) {
				bad[r.IntN(len(bad))] ^= 1 << r.IntN(8)
			}
			readHostile(t, bad, meta.Tail)
		}
	})
	t.Run("flipped bits in the tail", func(t *testing.T) {
		for range 120 {
			bad := bytes.Clone(object)
			bad[len(bad)-1-r.IntN(int(meta.Tail))] ^= 1 << r.IntN(8)
			readHostile(t, bad, meta.Tail)
		}
	})
	t.Run("truncated", func(t *testing.T) {
		for range 60 {
			n := r.IntN(len(object))
			readHostile(t, object[:n], min(meta.Tail, int64(n)))
			if _, err := OpenTail(podTarget, object[len(object)-n:], meta.Size); err == nil && int64(n) < meta.Tail {
				t.Fatalf("opened from %d bytes, the tail has %d", n, meta.Tail)
			}
		}
	})
	t.Run("pages in each other's place", func(t *testing.T) {
		f := open(t, podTarget, object, meta.Tail)
		a, b := f.ColumnRange(0, ColLog), f.ColumnRange(1, ColLog)
		d := NewDecoder()
		var log LogPage
		if err := d.Log(f, 0, object[b.Offset:b.Offset+b.Length], &log); f.Pages()[0].Rows != f.Pages()[1].Rows && !errors.Is(err, ErrCorrupt) {
			t.Fatal(err)
		}
		if err := d.Log(f, 0, object[a.Offset:a.Offset+a.Length-1], &log); !errors.Is(err, ErrCorrupt) {
			t.Fatal(err)
		}
		if err := d.Log(f, 0, nil, &log); !errors.Is(err, ErrCorrupt) {
			t.Fatal(err)
		}
	})
	t.Run("of another target", func(t *testing.T) {
		if _, err := OpenTail(nodeTarget, object[meta.Size-meta.Tail:], meta.Size); !errors.Is(err, ErrCorrupt) {
			t.Fatal(err)
		}
	})
	t.Run("of a newer version", func(t *testing.T) {
		newer := bytes.Replace(object, []byte(keyVersion+"\x18\x011"), []byte(keyVersion+"\x18\x012"), 1)
		if _, err := OpenTail(podTarget, newer[meta.Size-meta.Tail:], meta.Size); !errors.Is(err, ErrVersion) {
			t.Fatal(err)
		}
	})
}

// TestVerifyFinds checks that each kind of damage to a page's bytes is found by reading it.
func TestVerifyFinds(t *testing.T) {
	rows := generate(13, 500)
	object, meta := build(t, podTarget, rows, Options{PageBytes: 20_000})
	f := open(t, podTarget, object, meta.Tail)
	for i := range f.Pages() {
		for _, c := range []Column{ColTime, ColTimeNS, ColLog} {
			at := f.ColumnRange(i, c)
			bad := bytes.Clone(object)
			bad[at.Offset+at.Length-1] ^= 0x10
			if err := Verify(context.Background(), f, memFetch(bad), ReadOptions{}); !errors.Is(err, ErrCorrupt) {
				t.Fatalf("page %d of column %s: %v", i, c, err)
			}
		}
	}
}

func FuzzBlock(f *testing.F) {
	for seed := range uint64(3) {
		object, meta := build(f, podTarget, generate(seed, 30), Options{PageBytes: 500, RowGroupRows: 20})
		f.Add(object, meta.Tail)
	}
	f.Fuzz(func(t *testing.T, object []byte, tail int64) {
		if tail < 0 || tail > int64(len(object)) {
			return
		}
		readHostile(t, object, tail)
	})
}

// FuzzSections gives the sections of the line index and the footer apart from each other, without checksums in the way.
func FuzzSections(f *testing.F) {
	object, meta := build(f, podTarget, generate(1, 200), Options{PageBytes: 2000})
	tail := object[meta.Size-meta.Tail:]
	blob := tail[bytes.Index(tail, []byte(indexMagic)):]
	file := open(f, podTarget, object, meta.Tail)
	for _, id := range []byte{sectionRuns, sectionTrigrams, sectionIdentifiers} {
		var length int
		for length = len(blob); length > 0; length-- {
			if sections, err := parseSections(blob[:length]); err == nil {
				f.Add(sections[id], len(file.Pages()))
				break
			}
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, pages int) {
		if pages < 1 || pages > 1<<16 {
			return
		}
		need := linefilter.Need{Op: linefilter.Literal, Fold: true, Literal: []byte("task 8d0e4736")}
		for _, section := range []byte{sectionTrigrams, sectionGrams, sectionIdentifiers} {
			x := &lineIndex{pages: pages}
			parse := map[byte]func([]byte, int) error{
				sectionTrigrams: x.addTrigrams, sectionGrams: x.addGrams, sectionIdentifiers: x.addIDs,
			}[section]
			if parse(data, pages) != nil {
				continue
			}
			l := lookup{lineIndex: x}
			if l.candidates(&need); l.err != nil && !errors.Is(l.err, ErrIndex) {
				t.Fatalf("an error of another kind: %v", l.err)
			}
		}
		if runs, err := parseRuns(data, podTarget, int64(pages)); err == nil && len(runs) > pages {
			t.Fatalf("%d runs of %d rows", len(runs), pages)
		}
	})
}

// A directory that names more runs than it can hold takes no memory for them.
func TestRunsThatAreNotThere(t *testing.T) {
	const n = 4 << 20
	for name, body := range map[string][]byte{
		"zeros":         make([]byte, n),
		"a run of ones": append(bytes.Repeat([]byte{0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 10), make([]byte, n)...),
	} {
		for _, claimed := range []uint64{n, n / 12, 1 << 62} {
			data := newPack(t)(append(binary.AppendUvarint(nil, claimed), body...))
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := parseRuns(data, podTarget, n)
			runtime.ReadMemStats(&after)
			if !errors.Is(err, ErrIndex) {
				t.Errorf("%s, %d runs: %v", name, claimed, err)
			}
			if took := after.TotalAlloc - before.TotalAlloc; took > 10*n {
				t.Errorf("%s, %d runs: %d bytes were taken for %d", name, claimed, took, len(body))
			}
		}
	}
}

// newPack returns how a writer makes frames.
func newPack(t testing.TB) func([]byte) []byte {
	t.Helper()
	c, err := newCodec(zstd.SpeedDefault, 1<<20, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c.pack
}

// wrapPage makes a page of a body, with a header that is right.
func wrapPage(t testing.TB, body []byte, rows int, e format.Encoding) []byte {
	t.Helper()
	data := newPack(t)(body)
	header := format.PageHeader{
		Type: format.DataPage, UncompressedPageSize: int32(len(body)), CompressedPageSize: int32(len(data)), CRC: int32(crc32.ChecksumIEEE(data)),
	}
	header.DataPageHeader = thrift.New(format.DataPageHeader{NumValues: int32(rows), Encoding: e, DefinitionLevelEncoding: format.RLE, RepetitionLevelEncoding: format.RLE})
	head, err := thrift.Marshal(new(thrift.CompactProtocol), &header)
	if err != nil {
		t.Fatal(err)
	}
	return append(head, data...)
}

// FuzzPages gives what is inside of pages, with checksums that are right.
func FuzzPages(f *testing.F) {
	rows := generate(1, 500)
	object, meta := build(f, podTarget, rows, Options{PageBytes: 4000})
	file := open(f, podTarget, object, meta.Tail)
	d := NewDecoder()
	for i, p := range file.Pages() {
		for _, c := range columnsOf(layout.Pod) {
			r := file.ColumnRange(i, c)
			body, err := d.payload(nil, object[r.Offset:r.Offset+r.Length], new(format.PageHeader))
			if err != nil {
				f.Fatal(err)
			}
			f.Add(body, int(p.Rows))
		}
	}
	f.Fuzz(func(t *testing.T, body []byte, rows int) {
		if rows < 1 || rows > maxPageRows {
			return
		}
		d := NewDecoder()
		hostile := &File{target: podTarget, pages: []Page{{Rows: int64(rows)}}, escaped: true}
		check := func(err error, n int) {
			if err != nil && !errors.Is(err, ErrCorrupt) {
				t.Fatalf("an error of another kind: %v", err)
			}
			if err == nil && n != rows {
				t.Fatalf("%d values for %d rows", n, rows)
			}
		}
		var log LogPage
		err := d.Log(hostile, 0, wrapPage(t, body, rows, format.DeltaLengthByteArray), &log)
		check(err, log.Rows())
		delta := wrapPage(t, body, rows, format.DeltaBinaryPacked)
		times, err := d.Times(hostile, 0, delta, delta, nil)
		check(err, len(times))
		labels, err := d.Labels(hostile, 0, ColPod, 1<<30, wrapPage(t, body, rows, format.RLEDictionary), nil)
		check(err, len(labels))
	})
}
