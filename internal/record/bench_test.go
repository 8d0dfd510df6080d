package record

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"
)

// typical returns about n bytes of records as Fluent Bit writes them: access logs with quotes, JSON in JSON, plain text.
func typical(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	var b bytes.Buffer
	for i := 0; b.Len() < n; i++ {
		p := r.IntN(20)
		fmt.Fprintf(&b, `{"date":"2026-03-01T09:%02d:%02d.%06dZ","pod":"checkout-7d4f8c9b6-%05d","namespace":"shop","container":"checkout",`+
			`"container_id":"aae871eead4b05a9f0d7a32a1cd35b3fb863ca1eea3307ffe05f51d60a5778ef","time":"2026-03-01T09:%02d:%02d.%09dZ","stream":"stdout","log":"`,
			i/60%60, i%60, i%1000000, p, i/60%60, i%60, i)
		switch i % 3 {
		case 0:
			fmt.Fprintf(&b, `10.0.%d.%d - - [01/Mar/2026:09:50:00 +0000] \"GET /cart/%d HTTP/1.1\" 200 612 \"-\" \"Mozilla/5.0 (X11; Linux x86_64)\"`, p, i%256, i)
		case 1:
			fmt.Fprintf(&b, `{\"level\":\"info\",\"trace_id\":\"%016x%016x\",\"msg\":\"order placed\",\"items\":%d}`, r.Uint64(), r.Uint64(), p)
		case 2:
			fmt.Fprintf(&b, `2026-03-01T09:50:00.479 [INFO][62] felix/summary.go 100: Summarising %d dataplane reconciliation loops over 1m7s: avg=18ms longest=126ms`, i)
		}
		b.WriteString(`","node":"ip-10-0-0-1.ec2.internal"}` + "\n")
	}
	return b.Bytes()
}

// cpuTime is the CPU time of the process, which says more than the clock on a machine that does other work too.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkDecode(b *testing.B) {
	text := typical(8 << 20)
	for name, body := range map[string][]byte{"plain": text, "gzip": gz(b, string(text)), "zstd": zst(b, string(text))} {
		b.Run(name, func(b *testing.B) {
			d := new(Decoder)
			defer d.Close()
			opts := DecoderOptions{Target: shop, Arrived: arrived}
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			var row Row
			start := cpuTime(b)
			for b.Loop() {
				if err := d.Reset(bytes.NewReader(body), opts); err != nil {
					b.Fatal(err)
				}
				for {
					if err := d.Next(&row); AtEnd(err) {
						break
					} else if err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(len(text))*float64(b.N)/1e6/(cpuTime(b)-start).Seconds(), "MB/cpu-s")
		})
	}
}

// A line costs no allocation once the decoder has seen its names.
func TestNoAllocations(t *testing.T) {
	text := typical(1 << 20)
	d := new(Decoder)
	defer d.Close()
	var row Row
	pass := func() {
		if err := d.Reset(bytes.NewReader(text), DecoderOptions{Target: shop, Arrived: arrived}); err != nil {
			t.Fatal(err)
		}
		for d.Next(&row) == nil {
		}
	}
	pass()
	if lines := d.Stats().Lines; lines < 1000 {
		t.Fatalf("%d lines", lines)
	}
	if n := testing.AllocsPerRun(5, pass); n > 8 {
		t.Errorf("%v allocations for %d lines, want those of a reset only", n, strings.Count(string(text), "\n"))
	}
}
