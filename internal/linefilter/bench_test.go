package linefilter

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"regexp"
	"testing"

	"lethe/letheql"
)

// benchPage is about a megabyte of lines of a web server and of an application.
func benchPage() ([]byte, []uint32) {
	r := rand.New(rand.NewPCG(5, 6))
	var data []byte
	offsets := []uint32{0}
	for i := 0; len(data) < 1<<20; i++ {
		switch {
		case i%3 > 0:
			data = fmt.Appendf(data, `10.%d.%d.%d - - [11/Feb/2026:10:%02d:%02d +0000] "GET /api/v1/orders/%d?page=%d HTTP/1.1" 200 %d "-" "Mozilla/5.0 (X11; Linux x86_64)" %d 0.0%d`,
				r.IntN(256), r.IntN(256), r.IntN(256), r.IntN(60), r.IntN(60), r.IntN(100000), r.IntN(50), r.IntN(10000), r.IntN(2000), r.IntN(99))
		case i%100 == 33:
			data = fmt.Appendf(data, `level=error ts=%d msg="payment failed" err="java.io.IOException: connection reset" user=u%d rhost=10.0.0.%d`, r.IntN(1e9), r.IntN(1000), r.IntN(256))
		default:
			data = fmt.Appendf(data, `{"level":"INFO","trace_id":"%016x%016x","msg":"order %d accepted","took_ms":%d}`, r.Uint64(), r.Uint64(), r.IntN(100000), r.IntN(500))
		}
		offsets = append(offsets, uint32(len(data)))
	}
	return data, offsets
}

// BenchmarkSearch searches a page with a chain, and beside it line by line with Go's bytes and regexp, which is what the others are to be set
// in relation to.
func BenchmarkSearch(b *testing.B) {
	data, offsets := benchPage()
	for _, bench := range []struct {
		name string
		op   letheql.FilterOp
		text string
	}{
		{"Frequent", letheql.Contains, "GET"},
		{"OnePercent", letheql.Contains, "payment failed"},
		{"Nowhere", letheql.Contains, "no such word"},
		{"CommonBytes", letheql.Contains, "reset another"},
		{"UUID", letheql.Contains, "0e3b6bd9-6f1b-4f7e-8c5a-2f1de3c5a7b1"},
		{"Not", letheql.NotContains, "INFO"},
		{"Fold", letheql.Matches, "(?i)exception"},
		{"Alternation", letheql.Matches, "favicon|robots|reset"},
		{"ManyWords", letheql.Matches, "(?i)(panic|fatal|refused|denied|exceeded|overflow|corrupt|no route)"},
		{"Literals", letheql.Matches, `user=\w+.*rhost=[0-9.]+`},
		{"LiteralFrequent", letheql.Matches, `GET /api/v\d+/orders`},
		{"NoLiteral", letheql.Matches, `[a-f]{5}\d{6}`},
		{"NoSequence", letheql.Matches, `[0-9]+[a-z]+[0-9]+[a-z]+ [^ ]*x`},
		{"Prefix", letheql.Matches, `^level=`},
	} {
		b.Run(bench.name+"/Chain", func(b *testing.B) {
			c, err := Compile([]letheql.LineFilter{{Op: bench.op, Text: bench.text}})
			if err != nil {
				b.Fatal(err)
			}
			rows := NewBitmap(len(offsets) - 1)
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				rows = rows.Fill(len(offsets) - 1)
				search(b, c, data, offsets, rows)
			}
		})
		b.Run(bench.name+"/Go", func(b *testing.B) {
			match := regexp.MustCompile(bench.text).Match
			if bench.op < letheql.Matches {
				match = func(line []byte) bool { return bytes.Contains(line, []byte(bench.text)) }
			}
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				for i, end := range offsets[1:] {
					match(data[offsets[i]:end])
				}
			}
		})
	}
}
