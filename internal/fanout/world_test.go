package fanout_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"lethe/compactor"
	"lethe/functions"
	"lethe/internal/block"
	"lethe/internal/fanout"
	"lethe/internal/layout"
	"lethe/internal/scan"
	"lethe/letheql"
	"lethe/objstore"
	"lethe/objstore/memstore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	epoch = time.Date(2026, 3, 1, 6, 0, 0, 0, time.UTC)
	clock = epoch.Add(6 * time.Hour)
)

// buckets are those that were made, by seed: nobody changes them.
var (
	making  sync.Mutex
	buckets = map[uint64]*memstore.Bucket{}
)

// newBucket has lines of several hours and targets, most of them in blocks that the compactor made, and a backlog.
func newBucket(t *testing.T, seed uint64) *memstore.Bucket {
	t.Helper()
	making.Lock()
	defer making.Unlock()
	if buckets[seed] == nil {
		buckets[seed] = makeBucket(t, seed)
	}
	return buckets[seed]
}

func makeBucket(t *testing.T, seed uint64) *memstore.Bucket {
	t.Helper()
	var ticks atomic.Int64
	b := memstore.New(func() time.Time { return clock.Add(-time.Hour + time.Duration(ticks.Add(1))*time.Second) })
	r := rand.New(rand.NewPCG(seed, 1))
	var n atomic.Int64
	c, err := compactor.New(b, compactor.Options{
		Now: func() time.Time { return clock }, NewID: func() string { return fmt.Sprintf("id-%06d", n.Add(1)) }, TempDir: t.TempDir(),
		Block: block.Options{PageBytes: 2 << 10, MinPageBytes: 256, RowGroupRows: 200},
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 36 {
		put(t, b, r, i)
		if i%6 == 5 && i < 30 {
			if _, err := c.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	return b
}

var words = strings.Fields("GET POST error timeout id=1 id=22 id=3 status=500 status=200 café 日本 \\x \"quoted\"")

func put(t *testing.T, b objstore.Bucket, r *rand.Rand, i int) {
	t.Helper()
	targets := []layout.Target{{Kind: layout.Pod, Name: "shop"}, {Kind: layout.Pod, Name: "web"}, {Kind: layout.Node, Name: "node-1"}}
	target := targets[r.IntN(len(targets))]
	base := epoch.Add(time.Duration(r.IntN(4*3600)) * time.Second)
	var body bytes.Buffer
	for j := range 20 + r.IntN(40) {
		// Many lines share a time, also with lines of other objects.
		at := base.Truncate(10 * time.Minute).Add(time.Duration(r.IntN(60)) * time.Minute)
		var text []string
		for range r.IntN(6) {
			text = append(text, words[r.IntN(len(words))])
		}
		log := strings.Join(text, " ")
		m := map[string]string{"time": at.Format(time.RFC3339Nano), "id": fmt.Sprint(i, j), "pod": fmt.Sprint("pod-", r.IntN(3)), "container": "c", "stream": []string{"stdout", "stderr"}[r.IntN(2)], "node": fmt.Sprint("node-", r.IntN(2)), "log": log}
		if target.Kind == layout.Node {
			m = map[string]string{"time": at.Format(time.RFC3339Nano), "id": fmt.Sprint(i, j), "syslog_identifier": "kubelet", "message": log}
		}
		line, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		body.Write(append(line, '\n'))
	}
	key := layout.RawKey(target, layout.HourOf(base.UnixNano()), fmt.Sprintf("o%03d.jsonl", i))
	if _, err := b.Put(t.Context(), key, bytes.NewReader(body.Bytes()), int64(body.Len()), objstore.Condition{}); err != nil {
		t.Fatal(err)
	}
}

// newHandler returns the handler of all endpoints, which answers for pieces. With workers its own queries are cut into pieces.
func newHandler(t *testing.T, b objstore.Reader, f scan.Fanout) http.Handler {
	t.Helper()
	return newHandlerOf(t, b, f, 16)
}

// newHandlerOf returns one that runs so many queries at once.
func newHandlerOf(t *testing.T, b objstore.Reader, f scan.Fanout, concurrency int) http.Handler {
	t.Helper()
	sc, err := scan.New(b, scan.Options{Fanout: f})
	if err != nil {
		t.Fatal(err)
	}
	engine, err := letheql.NewEngine(sc, letheql.Options{Timeout: -1})
	if err != nil {
		t.Fatal(err)
	}
	reg := prometheus.NewRegistry()
	h, err := functions.NewHandler(functions.Options{
		StatusOptions: functions.StatusOptions{
			Ready: func(context.Context) error { return nil }, Metrics: reg, Gatherer: reg, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
			Now: func() time.Time { return clock }, Version: "test", MaxBody: 1 << 20, Concurrency: concurrency, Queue: 64, Patience: time.Minute,
		},
		Engine: engine, Source: sc, Targets: func(context.Context) ([]functions.Target, error) { return nil, nil },
		DefaultLimit: 1000, MaxQuery: 64 << 10, Pieces: &fanout.Worker{Scanner: sc, Engine: engine},
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// answer is what a client sees of an answer, but for what it has cost.
type answer struct {
	status   int
	result   string
	warnings string
	err      string
	pieces   int
}

func ask(t *testing.T, h http.Handler, path string) answer {
	t.Helper()
	w := httptest.NewRecorder()
	aborted := false
	func() {
		defer func() { aborted = recover() != nil }()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	}()
	if aborted {
		return answer{status: -1}
	}
	var body struct {
		Data struct {
			ResultType string
			Result     json.RawMessage
			Stats      struct{ Pieces int }
		}
		Warnings json.RawMessage
		Error    string
	}
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		t.Fatalf("%s: %v in %.200s", path, err, w.Body)
	}
	return answer{w.Code, body.Data.ResultType + string(body.Data.Result), string(body.Warnings), body.Error, body.Data.Stats.Pieces}
}
