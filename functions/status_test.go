package functions_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"lethe/alerting"
	"lethe/functions"
	"lethe/letheql"
)

func TestProbes(t *testing.T) {
	o := options(logs(0, nil))
	broken := errors.New("planted-secret")
	o.Ready = func(context.Context) error { return broken }
	s := serve(t, o)
	if status, _, body := get(t, s, "/-/healthy"); status != http.StatusOK || !strings.Contains(body, " is Healthy.") {
		t.Error(status, body)
	}
	if status, _, body := get(t, s, "/-/ready"); status != http.StatusServiceUnavailable || strings.Contains(body, "planted") {
		t.Error(status, body)
	}
	broken = nil
	if status, _, body := get(t, s, "/-/ready"); status != http.StatusOK || !strings.Contains(body, " is Ready.") {
		t.Error(status, body)
	}
	if status, _, body := get(t, s, "/metrics"); status != http.StatusOK || !strings.Contains(body, `lethe_http_requests_total{code="503",route="GET /-/ready"} 1`) {
		t.Error(status, body)
	}
	if status, _, body := get(t, s, "/"); status != http.StatusOK || !strings.HasPrefix(body, "Lethe test: ") {
		t.Error(status, body)
	}
	if _, _, body := get(t, s, query); !strings.Contains(body, `"gets":7`) {
		t.Error(body)
	}
	if _, _, body := get(t, s, "/metrics"); !strings.Contains(body, "lethe_query_gets_total 7") || !strings.Contains(body, "lethe_query_index_errors_total 0") {
		t.Error(body)
	}
	lost := errors.New("no route to the bucket")
	failing := serve(t, options(&engine{answer: func(context.Context, letheql.Request) (*letheql.Result, error) {
		return &letheql.Result{Stats: &letheql.Stats{Gets: 7}}, lost
	}}))
	if status, _, body := get(t, failing, query); status != http.StatusInternalServerError {
		t.Error(status, body)
	}
	if _, _, body := get(t, failing, "/metrics"); !strings.Contains(body, "lethe_query_gets_total 7") {
		t.Error("what a query has cost that failed is not counted:", body)
	}
	if status, _, body := get(t, s, "/api/v1/nothing"); status != http.StatusNotFound || !strings.Contains(body, `"status":"error"`) {
		t.Error(status, body)
	}
}

// TestStatusHandler: a process that answers no queries has the endpoints that tell how it fares, and counts no queries.
func TestStatusHandler(t *testing.T) {
	o := options(logs(0, nil)).StatusOptions
	o.Rules = func(context.Context) (*alerting.Status, error) {
		return &alerting.Status{Warnings: []string{"the rules are old"}}, nil
	}
	h, err := functions.NewStatusHandler(o)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	for path, want := range map[string]string{
		"/-/healthy": " is Healthy.", "/-/ready": " is Ready.", "/": "metrics at /metrics", "/api/v1/rules": "the rules are old",
		"/api/v1/alerts": `"alerts":[]`, "/api/v1/status/buildinfo": `"letheVersion":"test"`,
	} {
		if status, _, body := get(t, s, path); status != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	for _, path := range []string{query, "/api/v1/labels", "/api/v1/series?match[]=pod", "/api/v1/targets"} {
		if status, _, body := get(t, s, path); status != http.StatusNotFound || !strings.Contains(body, `"errorType":"not_found"`) {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	status, _, body := get(t, s, "/metrics")
	if status != http.StatusOK || !strings.Contains(body, `lethe_http_requests_total{code="200",route="GET /-/ready"} 1`) || strings.Contains(body, "lethe_query_") {
		t.Errorf("/metrics: %d %s", status, body)
	}
	o.MaxBody = 0
	if _, err := functions.NewStatusHandler(o); err == nil {
		t.Error("bodies without a bound are taken")
	}
}

// TestStatusTakesItsTurn: states of rules are read by few at once, and no longer than the timeout; probes do not wait for that.
func TestStatusTakesItsTurn(t *testing.T) {
	o := options(logs(0, nil)).StatusOptions
	o.Concurrency, o.Queue, o.Timeout = 1, 0, 100*time.Millisecond
	inside, release := make(chan struct{}), make(chan struct{})
	var calls atomic.Int64
	o.Rules = func(ctx context.Context) (*alerting.Status, error) {
		if calls.Add(1) > 1 {
			return nil, errors.New("two at once")
		}
		inside <- struct{}{}
		<-release
		<-ctx.Done()
		return nil, ctx.Err()
	}
	h, err := functions.NewStatusHandler(o)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	done := make(chan int)
	go func() {
		status, _, _ := get(t, s, "/api/v1/rules")
		done <- status
	}()
	<-inside
	for _, path := range []string{"/api/v1/rules", "/api/v1/alerts"} {
		if status, _, body := get(t, s, path); status != http.StatusTooManyRequests {
			t.Errorf("%s beside another: %d %s", path, status, body)
		}
	}
	if status, _, body := get(t, s, "/-/ready"); status != http.StatusOK {
		t.Error(status, body)
	}
	close(release)
	if status := <-done; status != http.StatusServiceUnavailable {
		t.Error("rules that are never read:", status)
	}
	o.Metrics, o.Concurrency = prometheus.NewRegistry(), 0
	if _, err := functions.NewStatusHandler(o); err == nil {
		t.Error("a gate that lets nobody in is taken")
	}
}

// TestMethods sends methods that a path does not take: the answer names those that it takes.
func TestMethods(t *testing.T) {
	s := serve(t, options(logs(0, nil)))
	for _, c := range []struct {
		method, path, allow string
		status              int
	}{
		{http.MethodDelete, "/api/v1/query", "GET, POST", http.StatusMethodNotAllowed},
		{http.MethodPut, "/api/v1/query_range?query=pod", "GET, POST", http.StatusMethodNotAllowed},
		{http.MethodPost, "/api/v1/label/pod/values", "GET", http.StatusMethodNotAllowed},
		{http.MethodPost, "/-/healthy", "GET", http.StatusMethodNotAllowed},
		{http.MethodDelete, "/api/v1/nothing", "", http.StatusNotFound},
	} {
		status, header, body := do(t, mustRequest(t, c.method, s.URL+c.path, nil))
		if status != c.status || header.Get("Allow") != c.allow || !strings.Contains(body, `"status":"error"`) {
			t.Errorf("%s %s: %d, allowed %q: %s", c.method, c.path, status, header.Get("Allow"), body)
		}
	}
}

// TestAnswers compares whole answers of the endpoints that say what there is.
func TestAnswers(t *testing.T) {
	s := serve(t, options(logs(0, nil)))
	for path, want := range map[string]string{
		"/api/v1/metadata":                                                    `{"targets":["node{node=\"node01\"}","pod{namespace=\"default\"}","pod{namespace=\"kube-system\"}"]}`,
		"/api/v1/metadata?metric=pod":                                         `{"pod":[{"type":"unknown","help":"Lines of containers. Count them with count_over_time or rate.","unit":""}]}`,
		"/api/v1/metadata?metric=other":                                       `{}`,
		"/api/v1/labels":                                                      `["__name__","container","namespace","node","pod","process","stream"]`,
		"/api/v1/labels?match[]=node":                                         `["__name__","node","process"]`,
		"/api/v1/labels?match[]=node%7Bnode%3D%22x%22%7D":                     `[]`,
		"/api/v1/label/__name__/values":                                       `["node","pod"]`,
		"/api/v1/label/namespace/values":                                      `["default","kube-system"]`,
		"/api/v1/label/namespace/values?limit=1":                              `["default"]`,
		"/api/v1/label/pod/values?match[]=pod%7Bnamespace%3D%22default%22%7D": `["web-1"]`,
		"/api/v1/label/pod/values?match[]=%7B__name__%3D%22node%22%7D":        `[]`,
		"/api/v1/label/stream/values":                                         `["stderr"]`,
		"/api/v1/label/node/values":                                           `["node01","worker1"]`,
		"/api/v1/label/process/values":                                        `["kubelet"]`,
		"/api/v1/label/process/values?start=0001-01-01T00:00:00Z&end=9999-12-31T23:59:59Z": `["kubelet"]`,
		"/api/v1/label/nothing/values":                                    `[]`,
		"/api/v1/series?match[]=pod%7Bpod%3D~%22web.*%22%7D&match[]=node": `[{"__name__":"node","node":"node01","process":"kubelet"},{"__name__":"pod","container":"nginx","namespace":"default","pod":"web-1"}]`,
		"/api/v1/series?match[]=%7Bnamespace%3D%22kube-system%22%7D":      `[{"__name__":"pod","container":"coredns","namespace":"kube-system","pod":"dns-1"}]`,
		"/api/v1/series?match[]=up":                                       `[]`,
	} {
		status, _, body := get(t, s, path)
		var got struct {
			Status string
			Data   any
		}
		var data any
		if err := errors.Join(json.Unmarshal([]byte(body), &got), json.Unmarshal([]byte(want), &data)); err != nil {
			t.Fatal(err, body)
		}
		if status != http.StatusOK || got.Status != "success" || !reflect.DeepEqual(got.Data, data) {
			t.Errorf("%s: %d %s, want %s", path, status, body, want)
		}
	}
}

func TestTargets(t *testing.T) {
	s := serve(t, options(logs(0, nil)))
	_, _, body := get(t, s, "/api/v1/targets?state=active")
	for _, want := range []string{
		`"discoveredLabels":{"__meta_kubernetes_node_name":"node01","job":"node"}`, `"lastScrape":"2026-03-01T10:00:00Z","health":"down"`,
		`"discoveredLabels":{"__meta_kubernetes_namespace":"kube-system","job":"pod"}`, `"lastScrape":"2026-03-01T11:59:30Z","health":"up"`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in %s", want, body)
		}
	}
	if _, _, body := get(t, s, "/api/v1/targets?state=dropped"); !strings.Contains(body, `"activeTargets":[]`) {
		t.Error(body)
	}
}

func TestBuildInfo(t *testing.T) {
	if status, _, body := get(t, serve(t, options(logs(0, nil))), "/api/v1/status/buildinfo"); status != http.StatusOK || !strings.Contains(body, `"version":"3.0.0"`) {
		t.Error(status, body)
	}
}
