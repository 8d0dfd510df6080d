package rawobj

import (
	"fmt"
	"testing"

	"lethe/internal/record"
)

// A backlog as a busy namespace has it: a thousand objects of a minute each.
func BenchmarkBacklog(b *testing.B) {
	bench := newBench(b)
	for i := range 1000 {
		bench.put(fmt.Sprintf("%04d.jsonl.gz", i), zip(b, lines(i*100, i*100+100)))
	}
	objects := bench.list()
	for name, o := range map[string]Options{"query": {}, "writer": {Identify: true}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				set := resolve(b, bench.bucket, objects, nil, o)
				n = 0
				for i := range set.Len() {
					rows, err := set.Open(b.Context(), i)
					if err != nil {
						b.Fatal(err)
					}
					var row record.Row
					for err == nil {
						err = rows.Next(&row)
						n++
					}
					if err := rows.Close(); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(n), "lines/op")
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/1000, "µs/object")
		})
	}
}
