package main

import (
	"math"
	"strings"
	"testing"
	"time"

	"lethe/internal/config"
	"lethe/objstore/memstore"
)

// What the parts of a query may hold at once is no more than the query may.
func TestPartsOfAQueryShareItsMemory(t *testing.T) {
	p := &program{config: config.New(), args: newArgs()}
	for _, memory := range []config.Size{1, 3 << 20, 64 << 20, 1 << 30, math.MaxInt64} {
		p.config.Query.MaxMemory = memory
		scan, engine := p.scanOptions(), p.engineOptions()
		if sum := scan.Memory + engine.MaxBuffer; sum > max(int64(memory), minScanMemory+1) || sum < int64(memory)/10*9 {
			t.Errorf("of %d bytes the scan has %d, and the newest lines %d", memory, scan.Memory, engine.MaxBuffer)
		}
		// The values that are counted are there while the engine of PromQL makes others of them.
		if values := int64(engine.MaxSamples) * bytesPerValue; values > max(int64(memory)/2, bytesPerValue) || engine.MaxSamples == 0 {
			t.Errorf("of %d bytes each of two has %d for values", memory, values)
		}
	}
}

// No memory at all is a mistake that is told, and not a query that fails on its first line.
func TestQueriesNeedMemory(t *testing.T) {
	p := &program{config: config.New(), args: newArgs()}
	p.config.Query.MaxMemory = 0
	if _, err := p.engineOver(memstore.New(time.Now)); err == nil || !strings.Contains(err.Error(), "query.max_memory must be more than 0") {
		t.Error(err)
	}
}
