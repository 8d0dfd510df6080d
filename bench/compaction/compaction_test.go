package compaction_test

import (
	"runtime"
	"testing"
	"time"

	"lethe/bench/compaction"
	"lethe/bench/gen"
	"lethe/objstore"
	"lethe/objstore/filestore"
	"lethe/objstore/memstore"
)

// BenchmarkHour compacts an hour on one core: the metric MB/cpu-s is what the project promises 60 of, %text at most 14.
func BenchmarkHour(b *testing.B) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for _, c := range []struct {
		name    string
		logs    gen.Options
		backlog bool
		memory  bool // the bucket is in memory: what the compactor itself takes, without the system's calls for files
	}{
		{name: "minutes", logs: gen.Options{Seed: 1, Lines: 600_000, Namespaces: 1, Duration: time.Hour}},
		{name: "backlog", logs: gen.Options{Seed: 1, Lines: 600_000, Namespaces: 1, Duration: time.Hour}, backlog: true},
		{name: "20-namespaces", logs: gen.Options{Seed: 1, Lines: 600_000, Namespaces: 20, Duration: time.Hour}},
		{name: "20-namespaces-in-memory", logs: gen.Options{Seed: 1, Lines: 600_000, Namespaces: 20, Duration: time.Hour}, memory: true},
	} {
		b.Run(c.name, func(b *testing.B) {
			var r *compaction.Result
			var cpu time.Duration
			for b.Loop() {
				clock := new(compaction.Clock)
				var bucket objstore.Bucket
				var err error
				if c.memory {
					bucket = memstore.New(clock.Now)
				} else if bucket, err = filestore.New(b.TempDir(), clock.Now); err != nil {
					b.Fatal(err)
				}
				o := compaction.Options{Logs: c.logs, Backlog: c.backlog, Bucket: bucket, Clock: clock}
				if r, err = compaction.Run(b.Context(), o); err != nil {
					b.Fatal(err)
				}
				cpu += r.CPU
				check(b, c.logs, r)
			}
			b.ReportMetric(float64(r.JSON)*float64(b.N)/1e6/cpu.Seconds(), "MB/cpu-s")
			b.ReportMetric(100*r.Share(), "%text")
			b.ReportMetric(float64(r.Hours[0].Written+r.Hours[0].Merged+r.Closing.Written+r.Closing.Merged)/float64(r.Stored), "written/stored")
		})
	}
}

// check fails where lines were lost or doubled, or a large block is larger than zstd makes the same text.
func check(tb testing.TB, logs gen.Options, r *compaction.Result) {
	tb.Helper()
	if r.Lines != logs.Lines {
		tb.Errorf("%d lines are in the blocks, want %d", r.Lines, logs.Lines)
	}
	for _, b := range r.Blocks {
		if b.Size > 10<<20 && b.Size > b.Zstd {
			tb.Errorf("%s has %d bytes, its text in zstd -3 %d", b.Key, b.Size, b.Zstd)
		}
	}
}

func TestMinutesAndBacklogKeepAllLines(t *testing.T) {
	logs := gen.Options{Seed: 2, Lines: 30_000, Namespaces: 2, Pods: 6, Duration: 2 * time.Hour}
	for _, backlog := range []bool{false, true} {
		clock := new(compaction.Clock)
		o := compaction.Options{Logs: logs, Backlog: backlog, Bucket: memstore.New(clock.Now), Clock: clock}
		r, err := compaction.Run(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		check(t, logs, r)
		if len(r.Blocks) != 4 {
			t.Errorf("%d blocks are left of two hours of two namespaces", len(r.Blocks))
		}
		if minutes := r.Hours[1].N; backlog == (minutes > 0) || !backlog && minutes != 60 {
			t.Errorf("%d passes in the second hour, backlog %t", minutes, backlog)
		}
	}
}
