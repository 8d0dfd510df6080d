package block

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"lethe/bench/gen"
	"lethe/internal/layout"
	"lethe/internal/linefilter"
	"lethe/internal/record"
)

// needleKinds are what people look for a line by. Each makes one that is in no line, but by chance. Most is how many pages TestIndexFinds
// allows to be left, in percent.
var needleKinds = []struct {
	name string
	make func(r *rand.Rand) string
	most float64
}{
	{"uuid", uuidOf, 2},
	{"hex-32", func(r *rand.Rand) string { return hexID(r, 32) }, 2},
	{"hex-16", func(r *rand.Rand) string { return hexID(r, 16) }, 12},
	{"hex-8", func(r *rand.Rand) string { return hexID(r, 8) }, 35},
	{"number-16", func(r *rand.Rand) string { return numberOf(r, 16) }, 2},
	{"number-8", func(r *rand.Rand) string { return numberOf(r, 8) }, 14},
	{"number-7", func(r *rand.Rand) string { return numberOf(r, 7) }, 20},
	{"number-6", func(r *rand.Rand) string { return numberOf(r, 6) }, 30},
	{"number-5", func(r *rand.Rand) string { return numberOf(r, 5) }, 60},
	{"base62-20", func(r *rand.Rand) string { return fromAlphabet(r, base62, 20) }, 2},
	{"address", func(r *rand.Rand) string {
		return fmt.Sprintf("%d.%d.%d.%d", 1+r.IntN(223), r.IntN(256), r.IntN(256), 1+r.IntN(254))
	}, 2},
}

// needlesOf returns needles of a kind, the same ones each time.
func needlesOf(one func(r *rand.Rand) string) []linefilter.Need {
	r := rand.New(rand.NewPCG(1, 1))
	needs := make([]linefilter.Need, 200)
	for i := range needs {
		needs[i] = linefilter.Need{Op: linefilter.Literal, Literal: []byte(one(r))}
	}
	return needs
}

// pagesLeft returns how many pages of a block are candidates of a needle, on average and in percent.
func pagesLeft(t testing.TB, f *File, needs []linefilter.Need) float64 {
	t.Helper()
	left := 0
	for i := range needs {
		pages, err := f.Candidates(needs[i])
		if err != nil {
			t.Fatal(err)
		}
		left += pages.Count()
	}
	return 100 * float64(left) / float64(len(needs)*len(f.Pages()))
}

func numberOf(r *rand.Rand, digits int) string {
	return fmt.Sprint(1+r.IntN(9)) + fromAlphabet(r, "0123456789", digits-1)
}

// BenchmarkNeedles looks for identifiers in blocks of the logs that lethe-bench makes, as a compactor writes them: an hour of one
// namespace. It reports how many pages are left to be read, in percent; what the index takes of the file; and the time of a lookup.
func BenchmarkNeedles(b *testing.B) {
	const lines = 300_000
	g, err := gen.New(gen.Options{Seed: 1, Lines: lines, Namespaces: 1, Duration: time.Hour})
	if err != nil {
		b.Fatal(err)
	}
	rows := make([]record.Row, 0, lines)
	for r := range g.Rows() {
		rows = append(rows, cloneRow(r))
	}
	slices.SortStableFunc(rows, func(a, b record.Row) int { return record.CompareStored(layout.Pod, &a, &b) })
	target := layout.Target{Kind: layout.Pod, Name: rows[0].Namespace}
	object, meta := build(b, target, rows, Options{})
	f := open(b, target, object, meta.Tail)
	for _, kind := range needleKinds {
		b.Run(kind.name, func(b *testing.B) {
			needs := needlesOf(kind.make)
			for i := 0; b.Loop(); i++ {
				if _, err := f.Candidates(needs[i%len(needs)]); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(pagesLeft(b, f, needs), "%pages")
			b.ReportMetric(100*float64(f.IndexBytes())/float64(meta.Size), "%index")
		})
	}
}
