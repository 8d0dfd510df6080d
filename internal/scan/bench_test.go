package scan_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"lethe/bench/gen"
	"lethe/internal/block"
	"lethe/internal/catalog"
	"lethe/internal/layout"
	"lethe/internal/record"
	"lethe/internal/scan"
	"lethe/letheql"
)

// benchWorld has 200,000 lines of one namespace in four hours, and as the backlog ten raw objects of 500 lines each.
func benchWorld(b *testing.B) *world {
	b.Helper()
	g, err := gen.New(gen.Options{Lines: 205_000, Namespaces: 1, Start: epoch})
	if err != nil {
		b.Fatal(err)
	}
	w := newWorld(b)
	w.block = block.Options{}
	var blocks []catalog.Block
	var backlog []record.Row
	var sorter *block.Sorter
	hour := layout.Hour(-1)
	flush := func() {
		if sorter == nil {
			return
		}
		var rows []*record.Row
		for r := range sorter.Rows() {
			c := *r
			c.Log = bytes.Clone(r.Log)
			rows = append(rows, &c)
		}
		w.ids++
		blocks = append(blocks, w.writeBlock(podDefault, hour, rows, w.now))
	}
	n := 0
	for r := range g.Rows() {
		if n++; n > 200_000 {
			c := *r
			c.Log = []byte(strings.ToValidUTF8(string(r.Log), "?"))
			if backlog = append(backlog, c); len(backlog) == 500 {
				w.put(podDefault, backlog)
				backlog = nil
			}
			continue
		}
		if h := layout.HourOf(r.Time); h != hour {
			flush()
			hour = h
			if sorter, err = block.NewSorter(podDefault, 1<<30); err != nil {
				b.Fatal(err)
			}
		}
		if err := sorter.Add(r); err != nil {
			b.Fatal(err)
		}
	}
	flush()
	w.manifest(func(m *catalog.Manifest) { m.Blocks = blocks })
	return w
}

// BenchmarkScan runs queries of each kind with warm tails and cold pages. It reports requests and bytes fetched for each.
func BenchmarkScan(b *testing.B) {
	w := benchWorld(b)
	filter := func(op letheql.FilterOp, text string) letheql.Select {
		s := all()
		s.Filters = []letheql.LineFilter{{Op: op, Text: text}}
		return s
	}
	limited := func(s letheql.Select) letheql.Select {
		s.Limit, s.Direction = 1000, letheql.Backward
		return s
	}
	count := func(s letheql.Select) letheql.Select {
		s.NeedLog = false
		return s
	}
	for _, q := range []struct {
		name string
		sel  letheql.Select
	}{
		{"Nowhere", limited(filter(letheql.Contains, "no such words anywhere"))},
		{"Rare", limited(filter(letheql.Contains, "connection refused"))},
		{"FrequentNewest1000", limited(filter(letheql.Contains, "GET"))},
		{"Newest1000", limited(all())},
		{"ExpressionWithLiterals", limited(filter(letheql.Matches, `user=\w+.*rhost=[0-9.]+`))},
		{"ExpressionWithout", count(filter(letheql.Matches, `\d{3}ms|[0-9a-f]{8}-[0-9a-f]{4}`))},
		{"Count", count(all())},
		{"Everything", all()},
	} {
		b.Run(q.name, func(b *testing.B) {
			sc := newScanner(b, w.bucket, scan.Options{PageCache: -1, Now: time.Now})
			var stats letheql.Stats
			b.ReportAllocs()
			for b.Loop() {
				for _, err := range sc.Lines(b.Context(), q.sel, &stats) {
					if err != nil {
						b.Fatal(err)
					}
				}
			}
			n := float64(b.N)
			b.ReportMetric(float64(stats.Gets+stats.Lists)/n, "requests/op")
			b.ReportMetric(float64(stats.BytesFetched)/n, "fetched-B/op")
			b.ReportMetric(float64(stats.LinesReturned)/n, "lines/op")
		})
	}
}
