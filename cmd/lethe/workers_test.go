package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"lethe/internal/config"
)

// manyHours puts lines of several hours and namespaces into a folder bucket, compacts them, and puts some more.
func manyHours(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	write := func(name string, hour, from int) {
		key := filepath.Join(dir, fmt.Sprintf("raw/pod/%s/2026-03-01_%02d", name, hour))
		if err := os.MkdirAll(key, 0o700); err != nil {
			t.Fatal(err)
		}
		var body strings.Builder
		for i := range 100 {
			fmt.Fprintf(&body, `{"time":"2026-03-01T%02d:%02d:00Z","pod":"pod-%d","container":"c","log":"line %d of %s at %d"}`+"\n", hour, i%60, i%3, from+i, name, hour)
		}
		writeFile(t, filepath.Join(key, fmt.Sprintf("%d.jsonl", from)), body.String())
	}
	for hour := 6; hour < 11; hour++ {
		write("shop", hour, 0)
		write("web", hour, 0)
	}
	c := startFunction(t, dir, "LETHE_FUNCTION=compact", "LETHE_RETENTION_TIME=100y")
	if r := c.invoke(event(t, "schedule.json")); r.Failed {
		t.Fatal(string(r.Body))
	}
	write("shop", 10, 1000)
	return dir
}

// rows are the result and the number of pieces of an answer.
func rows(t *testing.T, body []byte) (result string, pieces int) {
	t.Helper()
	var a struct {
		Status string
		Data   struct {
			Result json.RawMessage
			Stats  struct{ Pieces int }
		}
	}
	if err := json.Unmarshal(body, &a); err != nil || a.Status != "success" {
		t.Fatalf("%v: %.500s", err, body)
	}
	return string(a.Data.Result), a.Data.Stats.Pieces
}

// spread are queries that are cut into pieces.
var spread = []string{`pod{} |= "line 7"`, `sum by (namespace, pod) (count_over_time(pod{} |~ "line [1-5]" [1h]))`}

// The binary under the Runtime API has pieces of its queries read by other invocations of itself, and answers as without.
func TestAFunctionInvokesItself(t *testing.T) {
	dir := manyHours(t)
	worker := startFunction(t, dir, "LETHE_FUNCTION=query", "LETHE_QUERY_FANOUT=3", "LETHE_STREAM=true", "AWS_REGION=eu-central-1")
	var invoked atomic.Int64
	one := make(chan struct{}, 1) // an instance has one invocation at a time
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/") || r.URL.Path != "/2015-03-31/functions/lethe/invocations" {
			t.Errorf("%s %v", r.URL, r.Header)
		}
		payload, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		one <- struct{}{}
		reply, err := worker.Invoke(r.Context(), payload, time.Minute)
		<-one
		if err != nil || reply.Failed {
			t.Errorf("%v %s", err, reply.Body)
		}
		invoked.Add(1)
		_, _ = w.Write(reply.Body)
	}))
	t.Cleanup(api.Close)
	keys := []string{"AWS_ACCESS_KEY_ID=AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY=" + plantedShort, "AWS_REGION=eu-central-1", "AWS_ENDPOINT_URL_LAMBDA=" + api.URL}
	plain := startFunction(t, dir, "LETHE_FUNCTION=query")
	var f *underLambda
	t.Cleanup(func() { leaks(t, "stderr", f.Stderr()) }) // when the process has ended
	f = startFunction(t, dir, append(keys, "LETHE_FUNCTION=query", "LETHE_QUERY_FANOUT=3", "LETHE_QUERY_FANOUT_BYTES=0")...)
	for _, q := range spread {
		e := fmt.Sprintf(`{"version":"2.0","rawPath":"/api/v1/query_range","rawQueryString":"%s","requestContext":{"http":{"method":"GET"}}}`,
			url.Values{"query": {q}, "start": {"2026-03-01T06:00:00Z"}, "end": {"2026-03-01T12:00:00Z"}, "step": {"10m"}}.Encode())
		answer := func(f *underLambda) (string, int) {
			var got struct{ Body string }
			if err := json.Unmarshal(f.invoke(e).Body, &got); err != nil {
				t.Fatal(err)
			}
			return rows(t, []byte(got.Body))
		}
		want, none := answer(plain)
		got, pieces := answer(f)
		if got != want || len(want) < 1000 || none != 0 || pieces != 3 {
			t.Errorf("%s in %d pieces:\n got %.500s\nwant %.500s", q, pieces, got, want)
		}
	}
	if n := invoked.Load(); n != 6 {
		t.Errorf("%d invocations", n)
	}
}

// Servers behind basic auth read pieces for each other, and what needs no pieces or comes from a worker stays where it is.
func TestServersReadPiecesForEachOther(t *testing.T) {
	dir := manyHours(t)
	hash, err := bcrypt.GenerateFromPassword([]byte(plantedShort), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	web, client := filepath.Join(t.TempDir(), "web.yml"), filepath.Join(t.TempDir(), "client.yml")
	writeFile(t, web, fmt.Sprintf("basic_auth_users: {ann: '%s'}\n", hash))
	writeFile(t, filepath.Join(filepath.Dir(client), "password"), plantedShort)
	writeFile(t, client, "basic_auth: {username: ann, password_file: password}\n")
	bucket := "LETHE_BUCKET=file://" + dir
	worker := startServer(t, []string{bucket}, "--web.config.file", web, "--query.fanout", "2", "--query.fanout_url", "http://127.0.0.1:1")
	s := startServer(t, []string{bucket}, "--query.fanout", "2", "--query.fanout_bytes", "0", "--query.fanout_url", "http://"+worker.addr, "--query.fanout_config.file", client)
	plain := startServer(t, []string{bucket})
	for _, q := range spread {
		answer := func(s *server) (string, int) {
			res, err := http.PostForm("http://"+s.addr+"/api/v1/query_range", url.Values{"query": {q}, "start": {"2026-03-01T06:00:00Z"}, "end": {"2026-03-01T12:00:00Z"}, "step": {"10m"}}) //nolint:gosec,noctx // a server of this test
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(res.Body)
			if err := errors.Join(err, res.Body.Close()); err != nil {
				t.Fatal(err)
			}
			return rows(t, body)
		}
		want, _ := answer(plain)
		got, pieces := answer(s)
		if got != want || pieces != 2 {
			t.Errorf("%s in %d pieces:\n got %.500s\nwant %.500s", q, pieces, got, want)
		}
	}
	for name, srv := range map[string]*server{"worker": worker, "server": s} {
		leaks(t, name, srv.out.String())
	}
	if n := strings.Count(worker.out.String(), "path=/api/v1/pieces"); n != 4 {
		t.Errorf("the worker was asked for %d pieces\n%s", n, worker.out)
	}
}

func TestSettingsOfWorkers(t *testing.T) {
	for _, c := range []struct {
		name     string
		set, env map[string]string
		want     string
	}{
		{"off", nil, nil, ""},
		{"off, and where they would be", map[string]string{"query.fanout_url": "http://x:1"}, nil, ""},
		{"nobody", map[string]string{"query.fanout": "2"}, nil, "set query.fanout_url or query.fanout_function"},
		{"both", map[string]string{"query.fanout": "2", "query.fanout_url": "http://x:1", "query.fanout_function": "f"}, nil, "both given"},
		{"a URL with a password", map[string]string{"query.fanout": "2", "query.fanout_url": "http://a:" + plantedShort + "@x:1"}, nil, "credentials stand in a file"},
		{"no region", map[string]string{"query.fanout": "2", "query.fanout_function": "f"}, nil, "region"},
		{"an ARN", map[string]string{"query.fanout": "2", "query.fanout_function": "arn:aws:lambda:a:1:function:f"}, map[string]string{"AWS_REGION": "a"}, "no ARN"},
		{"itself", map[string]string{"query.fanout": "2"}, map[string]string{"AWS_REGION": "a", "AWS_LAMBDA_FUNCTION_NAME": "f"}, ""},
		{"a URL", map[string]string{"query.fanout": "2", "query.fanout_url": "https://x:1/path"}, nil, ""},
	} {
		p := &program{config: config.New(), now: time.Now, lookupEnv: func(name string) (string, bool) { v, ok := c.env[name]; return v, ok }}
		for key, value := range c.set {
			if err := p.config.Setting(key).SetFlag(value); err != nil {
				t.Fatal(err)
			}
		}
		w, err := p.workers()
		if c.want == "" && (err != nil || (w != nil) != (c.set["query.fanout"] != "")) {
			t.Errorf("%s: %v, %v", c.name, w, err)
		}
		if c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v", c.name, err)
		}
		leaks(t, c.name, fmt.Sprint(err))
	}
	if err := config.New().Setting("query.fanout").SetFlag("65"); err == nil {
		t.Error("65 pieces")
	}
}
