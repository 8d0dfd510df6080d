package compaction_test

import (
	"runtime"
	"testing"
	"time"

	"lethe/bench/compaction"
	"lethe/bench/gen"
	"lethe/objstore/filestore"
)

func options(tb testing.TB, logs gen.Options) compaction.Options {
	tb.Helper()
	clock := new(compaction.Clock)
	b, err := filestore.New(tb.TempDir(), clock.Now)
	if err != nil {
		tb.Fatal(err)
	}
	return compaction.Options{Logs: logs, Bucket: b, Clock: clock}
}

// BenchmarkHour compacts an hour on one core: the metric MB/cpu-s is what the project promises 60 of, %text at most 14.
func BenchmarkHour(b *testing.B) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for _, c := range []struct {
		name    string
		logs    gen.Options
		uploads gen.ObjectOptions
		backlog bool
	}{
		{name: "minutes", logs: gen.Options{Seed: 1, Lines: 1_500_000, Namespaces: 1, Duration: time.Hour}},
		{name: "backlog", logs: gen.Options{Seed: 1, Lines: 1_500_000, Namespaces: 1, Duration: time.Hour}, backlog: true},
		{name: "20-namespaces", logs: gen.Options{Seed: 1, Lines: 1_500_000, Namespaces: 20, Duration: time.Hour}},
	} {
		b.Run(c.name, func(b *testing.B) {
			var r *compaction.Result
			var cpu time.Duration
			for b.Loop() {
				o := options(b, c.logs)
				o.Uploads, o.Backlog = c.uploads, c.backlog
				var err error
				if r, err = compaction.Run(b.Context(), o); err != nil {
					b.Fatal(err)
				}
				cpu += r.CPU
			}
			b.ReportMetric(float64(r.JSON)*float64(b.N)/1e6/cpu.Seconds(), "MB/cpu-s")
			b.ReportMetric(100*r.Share(), "%text")
			b.ReportMetric(float64(r.Minutes.Written+r.Minutes.Merged+r.Closing.Written+r.Closing.Merged)/float64(r.Stored), "written/stored")
			b.Logf("%d lines, JSON %d MB, text %d MB, stored %d MB in %d blocks, minutes %v + closing %v", r.Lines, r.JSON>>20, r.Text>>20, r.Stored>>20, len(r.Blocks), r.Minutes.CPU, r.Closing.CPU)
			b.Logf("minutes: %+v", r.Minutes)
			b.Logf("closing: %+v", r.Closing)
			for _, k := range r.Blocks {
				if k.Size > 1<<20 {
					b.Logf("%s: %d bytes, zstd -3 %d", k.Key, k.Size, k.Zstd)
				}
			}
		})
	}
}
