package functions_test

import (
	"context"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"

	"lethe/functions"
	"lethe/internal/layout"
	"lethe/internal/record"
	"lethe/letheql"
)

var clock = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// engine answers with what a test gives it, and keeps what it was asked.
type engine struct {
	answer func(ctx context.Context, r letheql.Request) (*letheql.Result, error)
	mu     sync.Mutex
	asked  []letheql.Request
}

func (e *engine) Query(ctx context.Context, r letheql.Request) (*letheql.Result, error) {
	e.mu.Lock()
	e.asked = append(e.asked, r)
	e.mu.Unlock()
	return e.answer(ctx, r)
}

func (e *engine) last() letheql.Request {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.asked[len(e.asked)-1]
}

// source has two series of pods and one of a node.
type source struct{ letheql.Source }

func (source) Series(_ context.Context, q letheql.Select, s *letheql.Stats) ([]labels.Labels, error) {
	s.Lists++
	if q.End < q.Start {
		return nil, nil
	}
	all := []labels.Labels{labels.FromStrings("node", "node01", "process", "kubelet")}
	if q.Kind == layout.Pod {
		all = []labels.Labels{
			labels.FromStrings("container", "nginx", "namespace", "default", "pod", "web-1"),
			labels.FromStrings("container", "coredns", "namespace", "kube-system", "pod", "dns-1"),
		}
		if q.NeedStream {
			all = all[:1]
			all[0] = labels.FromStrings("container", "nginx", "namespace", "default", "pod", "web-1", "stream", "stderr")
		}
		if q.NeedNode {
			all = all[:1]
			all[0] = labels.FromStrings("container", "nginx", "namespace", "default", "pod", "web-1", "node", "worker1")
		}
	}
	var out []labels.Labels
next:
	for _, l := range all {
		for _, m := range q.Matchers {
			if !m.Matches(l.Get(m.Name)) {
				continue next
			}
		}
		out = append(out, l)
	}
	return out, nil
}

func targets(context.Context) ([]functions.Target, error) {
	return []functions.Target{
		{Kind: "node", Name: "node01", Newest: clock.Add(-2 * time.Hour)},
		{Kind: "pod", Name: "default", Newest: clock.Add(-time.Minute)},
		{Kind: "pod", Name: "kube-system", Newest: clock.Add(-30 * time.Second)},
	}, nil
}

func options(e functions.Engine) functions.Options {
	reg := prometheus.NewRegistry()
	return functions.Options{
		StatusOptions: functions.StatusOptions{
			Ready: func(context.Context) error { return nil }, Metrics: reg, Gatherer: reg,
			Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Now: func() time.Time { return clock }, Version: "test", MaxBody: 1 << 20,
			Timeout: 20 * time.Second, Concurrency: 4, Queue: 4, Patience: time.Second,
		},
		Engine: e, Source: source{}, Targets: targets,
		DefaultLimit: 1000, MaxLimit: 5000, MaxQuery: 64 << 10,
	}
}

func serve(t *testing.T, o functions.Options) *httptest.Server {
	t.Helper()
	h, err := functions.NewHandler(o)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

// rows yields n rows, then err where it is not nil.
func rows(n int, err error) iter.Seq2[letheql.LogRow, error] {
	return func(yield func(letheql.LogRow, error) bool) {
		for i := range n {
			r := letheql.LogRow{Row: record.Row{
				Time: clock.UnixNano() + int64(i), Namespace: "default", Pod: "web-1", Container: "nginx", Log: []byte("line \"한글\" <&>"),
			}}
			if !yield(r, nil) {
				return
			}
		}
		if err != nil {
			yield(letheql.LogRow{}, err)
		}
	}
}

func logs(n int, err error) *engine {
	return &engine{answer: func(context.Context, letheql.Request) (*letheql.Result, error) {
		return &letheql.Result{Type: letheql.Logs, Rows: rows(n, err), Stats: &letheql.Stats{Gets: 7}}, nil
	}}
}

func fails(err error) *engine {
	return &engine{answer: func(context.Context, letheql.Request) (*letheql.Result, error) { return nil, err }}
}

// get asks for a path and returns the status, the header and the body.
func get(t *testing.T, s *httptest.Server, path string) (int, http.Header, string) {
	t.Helper()
	return do(t, mustRequest(t, http.MethodGet, s.URL+path, nil))
}

func mustRequest(t *testing.T, method, url string, body io.Reader) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func do(t *testing.T, r *http.Request) (int, http.Header, string) {
	t.Helper()
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := res.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header, string(body)
}
