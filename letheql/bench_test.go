package letheql_test

import (
	"context"
	"runtime"
	"testing"
	"time"

	"lethe/letheql"
	"lethe/letheql/lqltest"
)

// pages is a source of batches as a block has them: runs of one pod, in order of time.
type pages struct {
	lqltest.Source
	batches []*letheql.Batch
}

func (p *pages) Visit(_ context.Context, _ letheql.Select, _ *letheql.Stats, visit func(*letheql.Batch) error) error {
	for _, b := range p.batches {
		if err := visit(b); err != nil {
			return err
		}
	}
	return nil
}

// newPages makes n lines of 60 pods over four hours.
func newPages(n int, log string) (*pages, time.Time) {
	const pods, size = 60, 8000
	p, start := &pages{}, time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	perPod := n / pods
	for pod := range pods {
		for from := 0; from < perPod; from += size {
			b := &letheql.Batch{Namespace: "shop", Pod: "pod-" + string(rune('a'+pod%26)) + string(rune('a'+pod/26)), Container: "app"}
			for i := from; i < min(from+size, perPod); i++ {
				b.Times = append(b.Times, start.UnixNano()+int64(i)*int64(4*time.Hour)/int64(perPod))
				if log != "" {
					b.Logs = append(b.Logs, []byte(log))
				}
			}
			p.batches = append(p.batches, b)
		}
	}
	return p, start
}

func benchmarkQuery(b *testing.B, p *pages, start time.Time, query string) {
	b.Helper()
	e, err := letheql.NewEngine(p, letheql.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		res, err := e.Query(b.Context(), letheql.Request{Query: query, Start: start, End: start.Add(4 * time.Hour), Step: time.Minute})
		if err != nil || res.Type != letheql.MatrixResult {
			b.Fatal(res, err)
		}
	}
}

// Ten times the lines take no more memory: what is held grows with series and steps.
func TestMemoryDoesNotGrowWithLines(t *testing.T) {
	allocated := func(lines int, query string) uint64 {
		p, start := newPages(lines, "")
		e, err := letheql.NewEngine(p, letheql.Options{})
		if err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r := letheql.Request{Query: query, Start: start, End: start.Add(4 * time.Hour), Step: time.Minute}
		if _, err := e.Query(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	for _, query := range []string{"count_over_time(pod{}[1m])", "rate(pod{}[97s])", "max_over_time(sum(rate(pod{}[1m]))[10m:7s])"} {
		few, many := allocated(60_000, query), allocated(600_000, query)
		// What the engine pools is sometimes made anew.
		if many > 2*few {
			t.Errorf("%s: %d bytes for 60,000 lines, %d for 600,000", query, few, many)
		}
	}
}

func BenchmarkCountByPodAndMinute(b *testing.B) {
	p, start := newPages(2_400_000, "")
	benchmarkQuery(b, p, start, `sum by (pod) (count_over_time(pod{} [1m]))`)
}

func BenchmarkCountOddWindow(b *testing.B) {
	p, start := newPages(2_400_000, "")
	benchmarkQuery(b, p, start, `sum by (pod) (count_over_time(pod{} [97s]))`)
}

func BenchmarkJSON(b *testing.B) {
	p, start := newPages(60_000, `{"level":"info","msg":"request served","status":200,"took":"12ms","user":{"id":"u-1234"}}`)
	benchmarkQuery(b, p, start, `sum by (level) (count_over_time(pod{} | json [1m]))`)
}

func BenchmarkLogfmt(b *testing.B) {
	p, start := newPages(60_000, `level=info msg="request served" status=200 took=12ms user=u-1234`)
	benchmarkQuery(b, p, start, `sum by (level) (count_over_time(pod{} | logfmt [1m]))`)
}

func BenchmarkPattern(b *testing.B) {
	p, start := newPages(60_000, `10.0.0.1 - - [01/Mar/2026:09:50:00 +0000] "GET /index.html HTTP/1.1" 200 612`)
	benchmarkQuery(b, p, start, "sum by (status) (count_over_time(pod{} | pattern `<_>\"<_>\" <status> <_>` [1m]))")
}

func BenchmarkLineFormat(b *testing.B) {
	p, start := newPages(60_000, `level=info msg="request served" status=200 took=12ms user=u-1234`)
	benchmarkQuery(b, p, start, `sum by (level) (bytes_over_time(pod{} | logfmt | line_format "{{.level | upper}} {{.msg}}" [1m]))`)
}
