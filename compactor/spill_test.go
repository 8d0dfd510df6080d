package compactor

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"
)

// More lines than the memory takes go through temporary files, which are gone afterwards, and come out as one block an hour, or several of bounded size
// in sort order.
func TestSpill(t *testing.T) {
	w := newWorld(t)
	r := rand.New(rand.NewPCG(3, 4))
	filler := make([]byte, 2000)
	for n := range 6 {
		var lines []line
		for i := range 1500 {
			for j := range filler {
				filler[j] = 'a' + byte(r.IntN(26))
			}
			at := epoch.Add(time.Duration(r.IntN(7200)) * time.Second)
			lines = append(lines, line{at, fmt.Sprint("web-", r.IntN(5)), fmt.Sprintf("%d-%d %s", n, i, filler)})
		}
		if n == 5 {
			w.advance(3 * time.Hour) // what arrives tells that the hours are over
		}
		w.upload(shop, fmt.Sprint("o", n), lines)
	}
	dir := t.TempDir()
	small := func(o *Options) {
		o.TempDir, o.Memory, o.TargetSize, o.SealDelay = dir, minMemory, 2<<20, 1000*time.Hour
	}
	s := w.run(small)
	w.check("spilled")
	m := w.manifest(shop)
	if s.Lines.Written != 9000 || len(m.Blocks) < 6 || s.Merged.Merges != 0 {
		t.Errorf("%d blocks\n%s", len(m.Blocks), s)
	}
	for i, b := range m.Blocks {
		if b.Size > 3<<20 {
			t.Errorf("block %d has %d bytes", i, b.Size)
		}
		if i > 0 && b.Hour == m.Blocks[i-1].Hour && b.Arrived <= m.Blocks[i-1].Arrived {
			t.Errorf("blocks %d and %d have no order", i-1, i)
		}
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("temporary files are left: %v, %v", left, err)
	}
	w.settle("at last", small)
	if v, err := w.compactor(w.mem, small).Verify(t.Context(), VerifyOptions{}); err != nil || !v.Good() {
		t.Errorf("%v %s", err, v)
	}
}
