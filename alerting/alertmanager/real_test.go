package alertmanager_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"lethe/alerting"
	"lethe/alerting/alertmanager"
	"lethe/alerting/rulefile"
	"lethe/internal/alertstore"
	"lethe/internal/layout"
	"lethe/internal/scan"
	"lethe/letheql"
	"lethe/objstore"
	"lethe/objstore/memstore"
)

// routes: the alert Slow is told after a group_wait of 30s, all others after a second.
const routes = `
route:
  receiver: hook
  group_by: [alertname]
  group_wait: 1s
  group_interval: 1s
  repeat_interval: 1h
  routes:
  - matchers: [alertname="Slow"]
    group_wait: 30s
receivers:
- name: hook
  webhook_configs:
  - url: %s
    send_resolved: true
`

// real is a running Alertmanager and what its webhook was told.
type real struct {
	t      *testing.T
	binary string
	dir    string
	addr   string
	cmd    *exec.Cmd
	ended  chan error
	log    bytes.Buffer

	mu   sync.Mutex
	told []message
	news chan struct{}
}

// message is what the webhook gets, as far as tests look at it.
type message struct {
	Status string `json:"status"`
	Alerts []struct {
		Status      string            `json:"status"`
		Labels      map[string]string `json:"labels"`
		Annotations map[string]string `json:"annotations"`
		StartsAt    time.Time         `json:"startsAt"`
	} `json:"alerts"`
}

func startReal(t *testing.T) *real {
	t.Helper()
	binary := os.Getenv("LETHE_TEST_ALERTMANAGER")
	if binary == "" {
		t.Fatal("LETHE_TEST_ALERTMANAGER is not set; `make test` installs an Alertmanager and names it there")
	}
	r := &real{t: t, binary: binary, dir: t.TempDir(), news: make(chan struct{}, 1)}
	hook := httptest.NewServer(http.HandlerFunc(r.hook))
	t.Cleanup(hook.Close)
	if err := os.WriteFile(filepath.Join(r.dir, "am.yml"), fmt.Appendf(nil, routes, hook.URL), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.addr = l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	r.start()
	t.Cleanup(r.stop)
	return r
}

func (r *real) start() {
	r.t.Helper()
	r.cmd = exec.Command(r.binary, "--config.file="+filepath.Join(r.dir, "am.yml"), "--storage.path="+filepath.Join(r.dir, "data"),
		"--web.listen-address="+r.addr, "--cluster.listen-address=")
	r.cmd.Stdout, r.cmd.Stderr = &r.log, &r.log
	if err := r.cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	r.ended = make(chan error, 1)
	go func(cmd *exec.Cmd, ended chan error) { ended <- cmd.Wait() }(r.cmd, r.ended)
	ctx, cancel := context.WithTimeout(r.t.Context(), 30*time.Second)
	defer cancel()
	for !r.ready(ctx) {
		select {
		case err := <-r.ended:
			r.t.Fatalf("the Alertmanager has ended: %v\n%s", err, r.log.String())
		case <-ctx.Done():
			r.t.Fatalf("the Alertmanager does not get ready\n%s", r.log.String())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (r *real) ready(ctx context.Context) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.addr+"/-/ready", nil)
	if err != nil {
		r.t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	if err := res.Body.Close(); err != nil {
		r.t.Fatal(err)
	}
	return res.StatusCode == http.StatusOK
}

// stop ends the process as a kill from outside would let it end.
func (r *real) stop() {
	if r.cmd == nil {
		return
	}
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		r.t.Error(err)
	}
	if err := <-r.ended; err != nil {
		r.t.Errorf("the Alertmanager has ended: %v", err)
	}
	r.cmd = nil
	http.DefaultClient.CloseIdleConnections()
}

func (r *real) hook(w http.ResponseWriter, req *http.Request) {
	var m message
	if err := json.NewDecoder(req.Body).Decode(&m); err != nil {
		r.t.Error(err)
	}
	r.mu.Lock()
	r.told = append(r.told, m)
	r.mu.Unlock()
	select {
	case r.news <- struct{}{}:
	default:
	}
	w.WriteHeader(http.StatusOK)
}

// find returns the first alert of that name and status that the webhook was told of.
func (r *real) find(name, status string) (annotations map[string]string, starts time.Time, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.told {
		for _, a := range m.Alerts {
			if a.Labels["alertname"] == name && a.Status == status {
				return a.Annotations, a.StartsAt, true
			}
		}
	}
	return nil, time.Time{}, false
}

const realRules = `
groups:
- name: fast
  rules:
  - alert: Fast
    expr: pod{namespace="shop"} |= "panic"
    keep_firing_for: 3s
    annotations: {summary: '{{ $labels.pod }} {{ $value }}'}
  - alert: Fast
    expr: pod{namespace="shop"} |= "panic"
    labels: {twin: "yes"}
    keep_firing_for: 3s
- name: slow
  rules:
  - alert: Slow
    expr: pod{namespace="shop"} |= "panic"
- name: steady
  rules:
  - alert: Steady
    expr: vector(1)
`

// evaluator evaluates realRules over a bucket in memory and tells the Alertmanager.
func (r *real) evaluator(b objstore.Bucket) *alerting.Evaluator {
	r.t.Helper()
	must := func(err error) {
		r.t.Helper()
		if err != nil {
			r.t.Fatal(err)
		}
	}
	f, err := rulefile.Parse("real.yml", []byte(realRules), alerting.CheckExpr)
	must(err)
	cfg := &alertmanager.Config{ExternalLabels: map[string]string{"cluster": "test"}}
	must(cfg.AddURL("http://" + r.addr))
	log := slog.New(slog.DiscardHandler)
	client, err := alertmanager.New(alertmanager.Options{Config: cfg, Now: time.Now, Logger: log})
	must(err)
	r.t.Cleanup(client.Close)
	engine, err := alerting.NewEngine(letheql.Options{}, time.Now)
	must(err)
	source := func(b objstore.Reader) (letheql.Source, error) { return scan.New(b, scan.Options{}) }
	src, err := source(b)
	must(err)
	e, err := alerting.New(f.Groups, alerting.Options{
		Store: alertstore.NewStates(b), Arrivals: alertstore.NewArrivals(b, source, log), Source: src, Engine: engine, Notifier: client,
		IngestDelay: -1, Interval: time.Second, Now: time.Now, NewID: uuid.NewString, Logger: log,
	})
	must(err)
	return e
}

// every evaluates once a second until done is true.
func (r *real) every(b objstore.Bucket, limit time.Duration, what string, done func() bool) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), limit)
	defer cancel()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	e := r.evaluator(b)
	for !done() {
		if _, err := e.Run(ctx, time.Now()); err != nil && ctx.Err() == nil {
			r.t.Error(err)
		}
		select {
		case <-r.news:
		case <-tick.C:
		case <-ctx.Done():
			r.mu.Lock()
			defer r.mu.Unlock()
			r.t.Fatalf("%s: not within %s; told: %+v", what, limit, r.told)
		}
	}
}

func putLine(t *testing.T, b objstore.Bucket, at time.Time) {
	t.Helper()
	body := fmt.Sprintf(`{"time":%q,"pod":"web-1","container":"app","log":"panic: out of tea"}`+"\n", at.Format(time.RFC3339Nano))
	key := layout.RawKey(layout.Target{Kind: layout.Pod, Name: "shop"}, layout.HourOf(at.UnixNano()), "a.jsonl")
	if _, err := b.Put(t.Context(), key, strings.NewReader(body), int64(len(body)), objstore.Condition{}); err != nil {
		t.Fatal(err)
	}
}

// One line fires an alert that a real Alertmanager tells of after its group_wait of 30s, for the alert keeps firing that long. A shorter one
// fires, is grouped and resolves, and an Alertmanager that was restarted meanwhile knows it all again.
func TestRealAlertmanager(t *testing.T) {
	r := startReal(t)
	b := memstore.New(time.Now)
	began := time.Now()
	if _, err := r.evaluator(b).Run(t.Context(), began); err != nil {
		t.Fatal(err)
	}
	putLine(t, b, time.Now())
	r.every(b, time.Minute, "Fast fires", func() bool { _, _, ok := r.find("Fast", "firing"); return ok })
	r.mu.Lock()
	for _, m := range r.told {
		if m.Alerts[0].Labels["alertname"] == "Fast" && (len(m.Alerts) != 2 || m.Alerts[0].Labels["cluster"] != "test") {
			t.Errorf("the two alerts of a name are one group with external labels: %+v", m)
		}
	}
	r.mu.Unlock()
	annotations, starts, _ := r.find("Fast", "firing")
	if annotations["last_line"] != "panic: out of tea" || annotations["summary"] != "web-1 1" && annotations["summary"] != "" {
		t.Errorf("annotations %v", annotations)
	}
	r.every(b, 30*time.Second, "Fast resolves", func() bool { _, _, ok := r.find("Fast", "resolved"); return ok })
	if _, again, _ := r.find("Fast", "resolved"); !again.Equal(starts) {
		t.Errorf("it started at %s, and then at %s", starts, again)
	}
	r.stop()
	r.start()
	r.every(b, 60*time.Second, "Slow fires", func() bool { _, _, ok := r.find("Slow", "firing"); return ok })
	if took := time.Since(began); took < 30*time.Second {
		t.Errorf("told after %s, before the group_wait was over", took)
	}
	steady := 0
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.told {
		if m.Alerts[0].Labels["alertname"] == "Steady" {
			steady++
		}
	}
	if steady != 1 {
		t.Errorf("an alert that fires all the time was told %d times, over a restart", steady)
	}
}
