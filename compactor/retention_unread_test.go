package compactor

import (
	"testing"
	"time"

	"lethe/internal/catalog"
	"lethe/internal/layout"
)

// A day that cannot be read stays, and with it what is younger of its target: a cut behind it would take it along unread. Nothing else goes in
// its place either, for it may be readable in the next pass.
func TestADayThatCannotBeReadCostsNoOther(t *testing.T) {
	hour := layout.HourOf(epoch.UnixNano())
	block := func(key string, h layout.Hour, size int64) catalog.Block {
		at := h.Start().UnixNano()
		return catalog.Block{Key: key, Hour: h, Min: at, Max: at, Arrived: at, Size: size}
	}
	day := catalog.Sealed{Min: (hour - 48).Start().UnixNano(), Max: (hour - 25).Start().UnixNano(), Arrived: (hour - 25).Start().UnixNano(), Bytes: 90, Size: 10}
	targets := []stored{
		{Target: shop, Now: epoch, Sealed: []catalog.Sealed{day}, Blocks: []catalog.Block{block("a", hour-3, 50)}},
		{Target: dev, Now: epoch, Blocks: []catalog.Block{block("b", hour-2, 50), block("c", hour-1, 50)}},
	}
	for name, tc := range map[string]struct {
		keep time.Duration
		size int64
		want []string
	}{
		"size":          {0, 150, nil},
		"more than it":  {0, 120, []string{"b"}},
		"time and size": {150 * time.Minute, 150, nil},
	} {
		keeps := []keep{{Time: tc.keep}, {Time: tc.keep}}
		var got []string
		for _, c := range planRetention(targets, keeps, tc.size, func(*stored, catalog.Sealed) ([]catalog.Block, bool) { return nil, false }) {
			got = append(got, c.Keys...)
		}
		if len(got) != len(tc.want) || len(got) > 0 && got[0] != tc.want[0] {
			t.Errorf("%s: %v goes, want %v", name, got, tc.want)
		}
	}
}
