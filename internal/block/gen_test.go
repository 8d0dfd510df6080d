package block

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"lethe/internal/layout"
	"lethe/internal/record"
	"lethe/objstore"
)

var (
	podTarget  = layout.Target{Kind: layout.Pod, Name: "default"}
	nodeTarget = layout.Target{Kind: layout.Node, Name: "node-1"}
)

const epoch = int64(1_772_355_600_000_000_000)

// memFetch serves ranges of an object in memory.
func memFetch(object []byte) Fetch {
	return func(ctx context.Context, r objstore.Range) ([]byte, error) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		end := min(r.Offset+r.Length, int64(len(object)))
		return object[min(r.Offset, end):end], nil
	}
}

// generate makes n rows of a cluster's logs in stored order: skewed pods of several formats.
func generate(seed uint64, n int) []record.Row {
	r := rand.New(rand.NewPCG(seed, 1))
	rows := make([]record.Row, 0, n)
	now := epoch
	for range n {
		now += int64(r.ExpFloat64() * 4e6)
		pod := min(int(r.ExpFloat64()*6), 39)
		row := record.Row{
			Time: now, Namespace: "default", Pod: podName(pod), Container: "main", Stream: "stdout",
			Node: fmt.Sprintf("node-%d", pod%5),
		}
		if r.IntN(20) == 0 {
			row.Stream = "stderr"
		}
		row.Log = []byte(formats[pod%len(formats)](r, now))
		rows = append(rows, row)
	}
	slices.SortStableFunc(rows, func(a, b record.Row) int { return record.CompareStored(layout.Pod, &a, &b) })
	return rows
}

func podName(i int) string {
	return fmt.Sprintf("%s-%08x-%s", apps[i%len(apps)], i*2654435761%(1<<32), string(rune('a'+i%26))+"x7zq")
}

var apps = []string{"nginx", "checkout", "scheduler", "billing", "frontend", "postgres", "worker", "events"}

func hexID(r *rand.Rand, n int) string {
	const digits = "0123456789abcdef"
	return fromAlphabet(r, digits, n)
}

func fromAlphabet(r *rand.Rand, alphabet string, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[r.IntN(len(alphabet))]
	}
	return string(b)
}

func pick(r *rand.Rand, from ...string) string { return from[r.IntN(len(from))] }

func uuidOf(r *rand.Rand) string {
	return hexID(r, 8) + "-" + hexID(r, 4) + "-4" + hexID(r, 3) + "-a" + hexID(r, 3) + "-" + hexID(r, 12)
}

// formats are the lines of the apps, in their order.
var formats = []func(r *rand.Rand, now int64) string{
	func(r *rand.Rand, now int64) string {
		return fmt.Sprintf(`10.%d.%d.%d - - [01/Mar/2026:09:%02d:%02d +0000] "%s /%s/%d HTTP/1.1" %s %d "-" "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"`,
			r.IntN(4), r.IntN(250), r.IntN(250), r.IntN(60), r.IntN(60), pick(r, "GET", "GET", "GET", "POST", "PUT"),
			pick(r, "api/v1/orders", "static/css", "favicon", "cart", "users"), r.IntN(5000), pick(r, "200", "200", "200", "200", "404", "500", "301"), r.IntN(90000))
	},
	func(r *rand.Rand, now int64) string {
		return fmt.Sprintf(`{"level":"%s","ts":"2026-03-01T09:%02d:%02d.%03dZ","msg":"%s","trace_id":"%s","user":%d,"latency_ms":%d}`,
			pick(r, "info", "info", "info", "warn", "error"), r.IntN(60), r.IntN(60), r.IntN(1000),
			pick(r, "request handled", "cache miss", "order placed", "payment accepted", "retrying upstream"), hexID(r, 32), r.IntN(100000), r.IntN(900))
	},
	func(r *rand.Rand, now int64) string {
		return fmt.Sprintf(`I0301 09:%02d:%02d.%06d       1 %s:%d] "%s" pod="kube-system/coredns-%s" node="node-%d"`,
			r.IntN(60), r.IntN(60), r.IntN(1000000), pick(r, "schedule_one.go", "eventhandlers.go", "reflector.go"), r.IntN(900),
			pick(r, "Successfully bound pod to node", "Add event for scheduled pod", "Watch close"), hexID(r, 10), r.IntN(20))
	},
	func(r *rand.Rand, now int64) string {
		if r.IntN(10) == 0 {
			return "java.lang.IllegalStateException: account " + fmt.Sprint(r.IntN(1e6)) + " is locked\n\tat com.example.billing.Ledger.post(Ledger.java:" +
				fmt.Sprint(r.IntN(400)) + ")\n\tat com.example.billing.Service.handle(Service.java:88)\n\tat java.base/java.lang.Thread.run(Thread.java:840)"
		}
		return fmt.Sprintf("2026-03-01 09:%02d:%02d,%03d INFO  [pool-%d-thread-%d] com.example.billing.Ledger - posted entry %s for account %d",
			r.IntN(60), r.IntN(60), r.IntN(1000), r.IntN(3), r.IntN(16), uuidOf(r), r.IntN(1e6))
	},
	func(r *rand.Rand, now int64) string {
		return fmt.Sprintf(`time=2026-03-01T09:%02d:%02dZ level=%s msg="%s" path=/%s duration=%dms bytes=%d request=%s`,
			r.IntN(60), r.IntN(60), pick(r, "debug", "info"), pick(r, "rendered page", "asset served", "session refreshed"),
			pick(r, "home", "product", "search"), r.IntN(800), r.IntN(100000), fromAlphabet(r, base62, 20))
	},
	func(r *rand.Rand, now int64) string {
		return fmt.Sprintf("2026-03-01 09:%02d:%02d.%03d UTC [%d] LOG:  duration: %d.%03d ms  statement: SELECT * FROM %s WHERE id = %d",
			r.IntN(60), r.IntN(60), r.IntN(1000), r.IntN(9000), r.IntN(50), r.IntN(1000), pick(r, "orders", "users", "ledger_entries"), r.IntN(1e7))
	},
	func(r *rand.Rand, now int64) string {
		return fmt.Sprintf("processing job %s attempt %d", hexID(r, 8), r.IntN(4))
	},
	func(r *rand.Rand, now int64) string {
		return fmt.Sprintf(`{"kind":"Event","reason":"%s","message":"%s","count":%d,"uid":"%s"}`,
			pick(r, "Pulled", "Created", "Started", "BackOff", "Unhealthy"), pick(r, "Container image already present on machine", "Readiness probe failed: HTTP probe failed with statuscode: 503",
				"Back-off restarting failed container"), r.IntN(30), uuidOf(r))
	},
}

const base62 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

// textBytes is the size of the rows as lines of text: time[ns|pod|container] log.
func textBytes(rows []record.Row) int64 {
	n := int64(0)
	for i := range rows {
		r := &rows[i]
		n += int64(len("2026-03-01T09:00:00.000000000Z[||] \n") + len(r.Namespace) + len(r.Pod) + len(r.Container) + len(r.Log))
	}
	return n
}

func cloneRow(r *record.Row) record.Row {
	c := *r
	c.Log = []byte(strings.Clone(string(r.Log)))
	return c
}
