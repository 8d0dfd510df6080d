package block

import (
	"bytes"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// A block is the same whatever blocks its writer's memory has seen before.
func TestPool(t *testing.T) {
	pool := new(Pool)
	var wg sync.WaitGroup
	for seed := range uint64(2) {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(12, seed))
			for i := range 4 {
				target := podTarget
				if i%2 == 1 {
					target = nodeTarget
				}
				rows := oddRows(r, target.Kind, 1+r.IntN(150))
				o := Options{PageBytes: 1 << (10 + r.IntN(3)), Level: zstd.EncoderLevel(1 + r.IntN(3)), NoIndex: r.IntN(2) == 0}
				want, _ := build(t, target, rows, o)
				o.Pool = pool
				if got, meta := build(t, target, rows, o); !bytes.Equal(got, want) {
					t.Errorf("block %d of %d rows differs with a pool, in %d bytes", i, meta.Rows, meta.Size)
				}
			}
		})
	}
	wg.Wait()
}

// What a closed writer leaves is taken by the next one of its kind.
func TestPoolIsUsed(t *testing.T) {
	rows := generate(5, 100)
	of := func(pool *Pool) float64 {
		return testing.AllocsPerRun(3, func() { build(t, podTarget, rows, Options{NoIndex: true, Pool: pool}) })
	}
	if with, without := of(new(Pool)), of(nil); with > without-10 {
		t.Errorf("%.0f allocations with a pool, %.0f without", with, without)
	}
}
