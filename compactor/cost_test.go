package compactor

import (
	"fmt"
	"testing"
	"time"

	"lethe/internal/layout"
	"lethe/objstore"
)

// BenchmarkSteadyHour counts the requests of an hour of passes, one a minute and one in five, over ten nodes that each upload once a minute for each of twenty
// namespaces and for themselves, after the first hour has gone by. docs/operations.md works out what a store charges for them.
func BenchmarkSteadyHour(b *testing.B) {
	for _, every := range []int{1, 5} {
		b.Run(fmt.Sprintf("every=%dm", every), func(b *testing.B) { steadyHour(b, every) })
	}
}

func steadyHour(b *testing.B, every int) {
	for b.Loop() {
		w := newWorld(b)
		c := w.compactor(w.mem, func(o *Options) { o.Retention.Interval, o.SweepInterval, o.SweepAge = 0, 0, 0 })
		var n objstore.Counts
		for minute := range 120 {
			for node := range 10 {
				at := w.Now().Add(-30 * time.Second)
				name := fmt.Sprintf("n%d-%d", node, minute)
				for ns := range 20 {
					w.upload(layout.Target{Kind: layout.Pod, Name: fmt.Sprint("ns", ns)}, name, linesAt(fmt.Sprint(name, "-", ns), at, 2))
				}
				w.upload(layout.Target{Kind: layout.Node, Name: fmt.Sprint("n", node)}, name, linesAt(name, at, 2))
			}
			w.advance(time.Minute)
			if minute%every != 0 {
				continue
			}
			s, err := c.Run(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			if minute >= 60 {
				n = add(n, s.Requests)
			}
		}
		for name, count := range map[string]int64{
			"lists": n.Lists, "gets": n.Gets, "heads": n.Stats, "puts": n.Puts, "deletes": n.Deletes, "listed": n.Listed,
		} {
			b.ReportMetric(float64(count)/60, name+"/min")
		}
	}
}

func add(a, b objstore.Counts) objstore.Counts { return a.Sub(objstore.Counts{}.Sub(b)) }

// upkeepHour counts the requests of an hour of upkeep of a target that nobody uploads to and that has three sealed days.
func upkeepHour(t *testing.T, keep time.Duration) objstore.Counts {
	w := newWorld(t)
	w.now = epoch.Truncate(24 * time.Hour)
	for h := range 72 {
		w.upload(shop, fmt.Sprint("a", h), linesAt(fmt.Sprint("a", h, "-"), w.Now(), 2))
		w.advance(time.Hour)
	}
	for range 4 {
		w.run(nil)
		w.advance(30 * time.Minute)
	}
	c := w.compactor(w.mem, func(o *Options) {
		o.Retention.Interval, o.Retention.Time, o.SweepInterval = 10*time.Minute, keep, 1000*time.Hour
	})
	var n objstore.Counts
	for pass := range 12 {
		s, err := c.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if pass >= 6 { // in the hour before, what had become too old was cut off, and the store was tried out
			n = add(n, s.Requests)
		}
		w.advance(10 * time.Minute)
	}
	if days := len(w.manifest(shop).Sealed); days != 3 {
		t.Fatalf("%d days are sealed", days)
	}
	return n
}

// An hour that is cut off a sealed day costs what docs/cost.md says: the manifest is read, the day twice, and both are written; when the grace of
// the old ones is over, the manifest once more.
func TestCostOfRetention(t *testing.T) {
	n := upkeepHour(t, 72*time.Hour).Sub(upkeepHour(t, 0))
	const ballast = 6 // one is asked for in each upkeep
	if n.Gets != 4 || n.Stats != 2+ballast || n.Puts != 3 || n.Lists != 1 {
		t.Errorf("an hour that is cut off costs %+v", n)
	}
}
