package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lethe/internal/runtimeapi"
)

// binary returns lethe: the test binary is lethe when it is called so.
func binary(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "lethe")
	if err := os.Symlink(self, name); err != nil {
		t.Fatal(err)
	}
	return name
}

// underLambda is the binary under a Runtime API.
type underLambda struct {
	*runtimeapi.Function
	t *testing.T
	// left is how much time an invocation has.
	left time.Duration
}

// startFunction starts the real binary over a folder bucket.
func startFunction(t *testing.T, bucket string, env ...string) *underLambda {
	t.Helper()
	f, err := runtimeapi.Start(t.Context(), runtimeapi.Options{Binary: binary(t), Now: time.Now, Env: append([]string{"LETHE_BUCKET=file://" + bucket}, env...)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := f.Stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Log(f.Stderr())
		}
	})
	return &underLambda{f, t, time.Minute}
}

func (f *underLambda) invoke(event string) runtimeapi.Reply {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), 30*time.Second)
	defer cancel()
	r, err := f.Invoke(ctx, []byte(event), f.left)
	if err != nil {
		f.t.Fatal(err)
	}
	return r
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
		if err := json.Unmarshal(r.Body, &got); err != nil {
			t.Fatal(err, string(r.Body))
		}
		if r.Failed || got.StatusCode != http.StatusOK || strings.Count(got.Body, `"log":"line 7`) != 11 {
			t.Errorf("%s: %v %d %.300s", name, r.Failed, got.StatusCode, got.Body)
		}
	}
	// A wrong query is an answer, not a failed invocation.
	if r := f.invoke(strings.Replace(event(t, "function-url.json"), "%7D", "", 1)); r.Failed || !strings.Contains(string(r.Body), `"statusCode":400`) {
		t.Errorf("%v %s", r.Failed, r.Body)
	}
	// A query without time left is answered all the same.
	f.left = time.Second
	if r := f.invoke(event(t, "function-url.json")); r.Failed || !strings.Contains(string(r.Body), `"statusCode":503`) || !strings.Contains(string(r.Body), "timed out") {
		t.Errorf("%v %s", r.Failed, r.Body)
	}
	f.left = time.Minute
	// An event of another kind is not.
	if r := f.invoke(`[]`); !r.Failed {
		t.Errorf("%v %s", r.Failed, r.Body)
	}
}

// everyLine makes the recorded query one for all lines.
func everyLine(event string, limit int) string {
	return strings.ReplaceAll(strings.Replace(event, "%20%7C%3D%20%22line%207%22", "", 1), "&limit=50", fmt.Sprintf("&limit=%d&direction=forward", limit))
}

func TestStreamingFunction(t *testing.T) {
	dir := rawLines(t, 20_000)
	f := startFunction(t, dir, "LETHE_FUNCTION=query", "LETHE_STREAM=true", "LETHE_QUERY_LIMIT=20000", "LETHE_QUERY_MAX_LIMIT=20000")
	all := everyLine(event(t, "function-url.json"), 20_000)
	f.invoke(all) // a large answer does not end the process
	r := f.invoke(all)
	prelude, body, ok := strings.Cut(string(r.Body), strings.Repeat("\x00", 8))
	if !ok || r.TooLarge || !strings.Contains(prelude, `"statusCode":200`) || !json.Valid([]byte(body)) || strings.Count(body, `"log":"line `) != 20_000 || len(body) < 6<<20 {
		t.Errorf("%s %v %d bytes, %d rows", prelude, ok, len(body), strings.Count(body, `"log":"line `))
	}
	if r.Header.Get("Content-Type") != "application/vnd.awslambda.http-integration-response" || r.Trailer.Get("Lambda-Runtime-Function-Error-Type") != "" {
		t.Errorf("%v %v", r.Header, r.Trailer)
	}
}

func TestCompactFunction(t *testing.T) {
	dir := rawLines(t, 100)
	f := startFunction(t, dir, "LETHE_FUNCTION=compact", "LETHE_RETENTION_TIME=100y")
	for _, want := range []string{`"written":100`, `"written":0`} {
		if r := f.invoke(event(t, "schedule.json")); r.Failed || !strings.Contains(string(r.Body), want) {
			t.Errorf("%v %s", r.Failed, r.Body)
		}
	}
	blocks, err := filepath.Glob(filepath.Join(dir, "pod/shop/*/*.parquet"))
	if err != nil || len(blocks) != 1 {
		t.Error(blocks, err)
	}
}

// Invocations that have hardly any time leave what they have committed, and the next ones go on from there.
func TestCompactFunctionStopsBeforeItsDeadline(t *testing.T) {
	dir := t.TempDir()
	const namespaces = 30
	for i := range namespaces {
		key := filepath.Join(dir, fmt.Sprintf("raw/pod/ns-%02d/2026-03-01_09", i))
		if err := os.MkdirAll(key, 0o700); err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(key, "a.jsonl"), fmt.Sprintf(`{"time":"2026-03-01T09:00:00Z","pod":"p","container":"c","log":"line %d"}`+"\n", i))
	}
	f := startFunction(t, dir, "LETHE_FUNCTION=compact", "LETHE_RETENTION_TIME=100y")
	written := 0
	for _, left := range []time.Duration{1510 * time.Millisecond, 1550 * time.Millisecond, 1600 * time.Millisecond, time.Minute, time.Minute} {
		f.left = left
		r := f.invoke(event(t, "schedule.json"))
		var s struct {
			Lines      struct{ Written int }
			Backlog    map[string]struct{ Objects int }
			Unfinished string
		}
		if err := json.Unmarshal(r.Body, &s); err != nil {
			t.Fatal(err, string(r.Body))
		}
		if r.Failed {
			continue // it has come to nothing
		}
		if written += s.Lines.Written; written < namespaces && s.Unfinished == "" {
			t.Errorf("%s: %d of %d lines, and it does not say that something is left: %s", left, written, namespaces, r.Body)
		}
	}
	q := startFunction(t, dir, "LETHE_FUNCTION=query")
	r := q.invoke(strings.Replace(event(t, "function-url.json"), "pod%7Bnamespace%3D%22shop%22%7D%20%7C%3D%20%22line%207%22", "pod%7B%7D", 1))
	if n := strings.Count(string(r.Body), "line "); n != namespaces {
		t.Errorf("%d lines in the end, and %d written: %s", n, written, r.Body)
	}
}

func TestAlertFunction(t *testing.T) {
	dir := rawLines(t, 100)
	rules := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(rules, []byte("groups:\n- name: till\n  rules:\n  - alert: Line\n    expr: pod{namespace=\"shop\"} |= \"line\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := startFunction(t, dir, "LETHE_FUNCTION=alert", "LETHE_ALERTING_RULES="+rules)
	if r := f.invoke(event(t, "schedule.json")); r.Failed || !strings.Contains(string(r.Body), `"Groups":1`) {
		t.Errorf("%v %s", r.Failed, r.Body)
	}
	// The same event again, and an older one, evaluate nothing.
	for _, e := range []string{event(t, "schedule.json"), strings.Replace(event(t, "schedule.json"), "12:00:00", "11:58:00", 1)} {
		if r := f.invoke(e); r.Failed || !strings.Contains(string(r.Body), `"Groups":0,"NotDue":1`) {
			t.Errorf("%v %s", r.Failed, r.Body)
		}
	}
	// Rules are evaluated at the event's time, never at the clock.
	if r := f.invoke(`{}`); !r.Failed || !strings.Contains(string(r.Body), "no time") {
		t.Errorf("%v %s", r.Failed, r.Body)
	}
}

// A function that cannot start says why to the platform, and ends.
func TestFunctionThatCannotStart(t *testing.T) {
	for name, env := range map[string][]string{
		"there is no function": {"LETHE_FUNCTION=querry"},
		"no rules":             {"LETHE_FUNCTION=alert"},
		"bcrypt":               {"LETHE_FUNCTION=query", "LETHE_WEB_CONFIG_BASE64=" + base64.StdEncoding.EncodeToString([]byte("basic_auth_users: {ann: "+plantedShort+"}"))},
	} {
		f, err := runtimeapi.Start(t.Context(), runtimeapi.Options{Binary: binary(t), Now: time.Now, Env: append(env, "LETHE_BUCKET=file://"+t.TempDir())})
		if err != nil {
			t.Fatal(err)
		}
		if _, err = f.Invoke(t.Context(), []byte(`{}`), time.Minute); !errors.Is(err, runtimeapi.ErrInit) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
		leaks(t, name, fmt.Sprint(err))
		if _, err = f.Invoke(t.Context(), []byte(`{}`), time.Minute); err == nil || !strings.Contains(err.Error(), "the process has ended") {
			t.Errorf("%s: the process goes on: %v", name, err)
		}
		if _, err := f.Stop(); err != nil {
			t.Error(err)
		}
	}
}
