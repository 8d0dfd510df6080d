package main

import (
	"testing"

	"lethe/internal/config"
)

// What the parts of a query may hold at once is no more than the query may.
func TestPartsOfAQueryShareItsMemory(t *testing.T) {
	p := &program{config: config.New(), args: newArgs()}
	for _, memory := range []config.Size{0, 3 << 20, 64 << 20, 1 << 30} {
		p.config.Query.MaxMemory = memory
		scan, engine := p.scanOptions(), p.engineOptions()
		if sum := scan.Memory + engine.MaxBuffer; sum > max(int64(memory), minScanMemory+1) || sum < int64(memory)*9/10 {
			t.Errorf("of %d bytes the scan has %d, and the newest lines %d", memory, scan.Memory, engine.MaxBuffer)
		}
		// The values that are counted are there while the engine of PromQL makes others of them.
		if values := int64(engine.MaxSamples) * bytesPerValue; 2*values > max(int64(memory), 2*bytesPerValue) || engine.MaxSamples == 0 {
			t.Errorf("of %d bytes each of two has %d for values", memory, values)
		}
	}
}
