package block

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/klauspost/compress/zstd"

	"lethe/internal/record"
)

// What a writer holds, and what the tail of a block takes, does not grow with the length of lines: the bounds of pages are short.
func TestBoundsOfLongLines(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	line := make([]byte, 1<<20)
	for i := range line {
		line[i] = "0123456789abcdef"[r.IntN(16)]
	}
	var out bytes.Buffer
	w, err := NewWriter(&out, podTarget, Options{NoIndex: true, Level: zstd.SpeedFastest})
	if err != nil {
		t.Fatal(err)
	}
	const rows = 100
	var before, after runtime.MemStats
	for i := range rows {
		copy(line, fmt.Sprintf("%08d", r.IntN(100_000_000)))
		if err := w.Write(&record.Row{Time: int64(i), Namespace: podTarget.Name, Pod: "p", Log: line}); err != nil {
			t.Fatal(err)
		}
		if i == 20 {
			runtime.GC()
			runtime.ReadMemStats(&before)
			before.HeapAlloc -= uint64(out.Cap())
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	after.HeapAlloc -= uint64(out.Cap())
	meta, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	// Bounds as long as lines would be 80 MiB and more; buffers come and go by a few.
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 20<<20 {
		t.Errorf("the writer has grown by %d bytes over %d rows", grown, rows-20)
	}
	if meta.Tail > 64<<10 {
		t.Errorf("the tail has %d bytes", meta.Tail)
	}
}
