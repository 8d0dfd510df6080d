package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// runtimeAPI is the Runtime API of AWS Lambda: it hands out events, one invocation after the other, and takes what comes back.
type runtimeAPI struct {
	events  chan string
	answers chan reply
	// left is how much time an invocation has.
	left time.Duration
}

// reply is what a function sent: to /response or /error, with the trailers of a stream.
type reply struct {
	path    string
	header  http.Header
	body    string
	trailer http.Header
	err     error
}

func (a *runtimeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, "/invocation/next") {
		select {
		case e := <-a.events:
			w.Header().Set("Lambda-Runtime-Aws-Request-Id", "request-1")
			w.Header().Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(time.Now().Add(a.left).UnixMilli(), 10))
			w.Header().Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:eu-central-1:000000000000:function:lethe")
			// A test that fails to read it says so by the answer that is missing.
			_, _ = io.WriteString(w, e)
		case <-r.Context().Done():
		}
		return
	}
	body, err := io.ReadAll(r.Body)
	a.answers <- reply{r.URL.Path, r.Header, string(body), r.Trailer, err}
	w.WriteHeader(http.StatusAccepted)
}

// function is the binary under a Runtime API.
type function struct {
	*runtimeAPI
	t *testing.T
}

// startFunction starts the real binary with a bucket that holds lines of a raw object.
func startFunction(t *testing.T, bucket string, env ...string) *function {
	t.Helper()
	f := &function{&runtimeAPI{events: make(chan string), answers: make(chan reply, 1), left: time.Minute}, t}
	server := httptest.NewServer(f.runtimeAPI)
	t.Cleanup(server.Close)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// The test binary is lethe when it is called so.
	binary := filepath.Join(t.TempDir(), "lethe")
	if err := os.Symlink(self, binary); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, binary)
	cmd.Env = append([]string{"AWS_LAMBDA_RUNTIME_API=" + strings.TrimPrefix(server.URL, "http://"), "AWS_LAMBDA_FUNCTION_NAME=lethe", "_HANDLER=bootstrap", "LETHE_BUCKET=file://" + bucket}, env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		var killed *exec.ExitError
		if err := cmd.Wait(); err != nil && !errors.As(err, &killed) {
			t.Error(err)
		}
		if t.Failed() {
			t.Log(stderr.String())
		}
	})
	return f
}

func (f *function) invoke(event string) reply {
	f.t.Helper()
	timeout := time.After(30 * time.Second)
	select {
	case f.events <- event:
	case <-timeout:
		f.t.Fatal("nobody asks for an event")
	}
	select {
	case r := <-f.answers:
		return r
	case <-timeout:
		f.t.Fatal("no answer")
	}
	return reply{}
}

func event(t *testing.T, name string) string {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("../../testdata/lambda", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// rawLines puts a raw object of n lines into a folder bucket.
func rawLines(t *testing.T, n int) string {
	t.Helper()
	dir := t.TempDir()
	key := filepath.Join(dir, "raw/pod/shop/2026-03-01_09")
	if err := os.MkdirAll(key, 0o700); err != nil {
		t.Fatal(err)
	}
	var body strings.Builder
	for i := range n {
		fmt.Fprintf(&body, `{"time":"2026-03-01T09:%02d:%02d.%09dZ","pod":"till-1","container":"till","log":"line %d %s"}`+"\n", i/60%60, i%60, i, i, strings.Repeat("x", 400))
	}
	if err := os.WriteFile(filepath.Join(key, "a.jsonl"), []byte(body.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestQueryFunction(t *testing.T) {
	f := startFunction(t, rawLines(t, 100), "LETHE_FUNCTION=query")
	for _, name := range []string{"function-url.json", "api-gateway.json"} {
		r := f.invoke(event(t, name))
		var got struct {
			StatusCode int
			Body       string
		}
		if err := json.Unmarshal([]byte(r.body), &got); err != nil {
			t.Fatal(err, r)
		}
		if !strings.HasSuffix(r.path, "/response") || got.StatusCode != http.StatusOK || strings.Count(got.Body, `"log":"line 7`) != 11 {
			t.Errorf("%s: %s %d %.300s", name, r.path, got.StatusCode, got.Body)
		}
	}
	// A wrong query is an answer, not a failed invocation.
	if r := f.invoke(strings.Replace(event(t, "function-url.json"), "%7D", "", 1)); !strings.HasSuffix(r.path, "/response") || !strings.Contains(r.body, `"statusCode":400`) {
		t.Errorf("%s %s", r.path, r.body)
	}
	// An event of another kind is not.
	if r := f.invoke(`[]`); !strings.HasSuffix(r.path, "/error") {
		t.Errorf("%s %s", r.path, r.body)
	}
}

func TestStreamingFunction(t *testing.T) {
	dir := rawLines(t, 20_000)
	f := startFunction(t, dir, "LETHE_FUNCTION=query", "LETHE_STREAM=true", "LETHE_QUERY_LIMIT=20000", "LETHE_QUERY_MAX_LIMIT=20000")
	all := strings.ReplaceAll(strings.Replace(event(t, "function-url.json"), "%20%7C%3D%20%22line%207%22", "", 1), "&limit=50", "&limit=20000&direction=forward")
	r := f.invoke(all)
	prelude, body, ok := strings.Cut(r.body, strings.Repeat("\x00", 8))
	if !ok || !strings.Contains(prelude, `"statusCode":200`) || !json.Valid([]byte(body)) || strings.Count(body, `"log":"line `) != 20_000 || len(body) < 6<<20 {
		t.Errorf("%s %v %d bytes, %d rows", prelude, ok, len(body), strings.Count(body, `"log":"line `))
	}
	if r.header.Get("Content-Type") != "application/vnd.awslambda.http-integration-response" || r.trailer.Get("Lambda-Runtime-Function-Error-Type") != "" {
		t.Errorf("%v %v", r.header, r.trailer)
	}
}

func TestCompactFunction(t *testing.T) {
	dir := rawLines(t, 100)
	f := startFunction(t, dir, "LETHE_FUNCTION=compact", "LETHE_RETENTION_TIME=100y")
	for _, want := range []string{`"written":100`, `"written":0`} {
		if r := f.invoke(event(t, "schedule.json")); !strings.HasSuffix(r.path, "/response") || !strings.Contains(r.body, want) {
			t.Errorf("%s %s", r.path, r.body)
		}
	}
	// An invocation without time left does no harm, and says what is left.
	blocks, err := filepath.Glob(filepath.Join(dir, "pod/shop/*/*.parquet"))
	if err != nil || len(blocks) != 1 {
		t.Error(blocks, err)
	}
}

func TestAlertFunction(t *testing.T) {
	dir := rawLines(t, 100)
	rules := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(rules, []byte("groups:\n- name: till\n  rules:\n  - alert: Line\n    expr: pod{namespace=\"shop\"} |= \"line\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := startFunction(t, dir, "LETHE_FUNCTION=alert", "LETHE_ALERTING_RULES="+rules)
	if r := f.invoke(event(t, "schedule.json")); !strings.HasSuffix(r.path, "/response") || !strings.Contains(r.body, `"Groups":1`) {
		t.Errorf("%s %s", r.path, r.body)
	}
	// Rules are evaluated at the event's time, never at the clock.
	if r := f.invoke(`{}`); !strings.HasSuffix(r.path, "/error") || !strings.Contains(r.body, "no time") {
		t.Errorf("%s %s", r.path, r.body)
	}
}
