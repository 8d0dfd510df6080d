package compactor

import (
	"bytes"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"lethe/bench/gen"
)

// BenchmarkCompact takes generated Kubernetes logs, as Fluent Bit uploads them, to the final blocks of their closed hours, and reports the JSON that it
// decodes in a second of CPU, and the size of the blocks as a share of the lines as text ("time[namespace|pod|container] line").
func BenchmarkCompact(b *testing.B) {
	for name, c := range map[string]gen.Compression{"gzip": gen.Gzip, "zstd": gen.Zstd} {
		b.Run(name, func(b *testing.B) {
			g, err := gen.New(gen.Options{Lines: 300_000, Namespaces: 1, Duration: time.Hour, Start: epoch.Add(-3 * time.Hour)})
			if err != nil {
				b.Fatal(err)
			}
			var text int64
			for r := range g.Rows() {
				text += int64(len(fmt.Sprintf("%s[%s|%s|%s] %s\n", time.Unix(0, r.Time).UTC().Format(time.RFC3339Nano), r.Namespace, r.Pod, r.Container, r.Log)))
			}
			base := newWorld(b)
			for o, err := range g.Objects(gen.ObjectOptions{Compression: c}) {
				if err != nil {
					b.Fatal(err)
				}
				base.put(o.Key, bytes.Clone(o.Body))
			}
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				b.StopTimer()
				w := base.clone()
				b.StartTimer()
				compactOnce(b, w, text)
			}
		})
	}
}

func compactOnce(b *testing.B, w *world, text int64) {
	from := cpu(b)
	s := w.run(func(o *Options) { o.Block.Level = zstd.SpeedBetterCompression })
	took := cpu(b) - from
	var stored int64
	for _, o := range w.list("pod/") {
		stored += o.Size
	}
	b.ReportMetric(float64(s.In.Decoded)/1e6/took.Seconds(), "json-MB/cpu-s")
	b.ReportMetric(100*float64(stored)/float64(text), "%-of-text")
	b.ReportMetric(float64(s.Requests.Requests()), "requests/op")
}

// cpu returns what the process has used, user and system.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
