package compactor

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"lethe/internal/block"
	"lethe/internal/catalog"
)

// noisy lines do not compress, so that few of them make a block that is worth merging.
func noisy(seed uint64, at time.Time, n int) []line {
	r := rand.New(rand.NewPCG(seed, 1))
	lines := linesAt("noisy", at, n)
	for i := range lines {
		lines[i].text = fmt.Sprintf("id %d %d %016x%016x%016x", seed, i, r.Uint64(), r.Uint64(), r.Uint64())
	}
	return lines
}

// indexBytes returns the size of the line index of a block.
func (w *world) indexBytes(b *catalog.Block) int64 {
	w.t.Helper()
	data := w.get(b.Key)
	f, err := block.OpenTail(shop, data[b.Size-b.Tail:], b.Size)
	if err != nil {
		w.t.Fatal(err)
	}
	return f.IndexBytes()
}

// Blocks of an open hour are drafts; when it is over none is left, also where there is nothing to merge a draft with.
func TestDraftsEndWithTheirHour(t *testing.T) {
	for uploads := 1; uploads <= 3; uploads++ {
		w := newWorld(t)
		for i := range uploads {
			w.upload(shop, fmt.Sprint(i), noisy(uint64(i), w.Now(), 3000))
			w.advance(time.Minute)
			w.run(nil)
		}
		blocks := w.manifest(shop).Blocks
		for i := range blocks {
			if n := w.indexBytes(&blocks[i]); !blocks[i].Draft || n != 0 {
				t.Errorf("a block of an open hour: draft %t, an index of %d bytes", blocks[i].Draft, n)
			}
		}
		w.advance(2 * time.Hour)
		w.run(func(o *Options) { o.Block.Level = 0 })
		blocks = w.manifest(shop).Blocks
		if len(blocks) != 1 || blocks[0].Draft || w.indexBytes(&blocks[0]) == 0 {
			t.Errorf("%d uploads became %+v", uploads, blocks)
		}
		w.check("at last")
	}
}
