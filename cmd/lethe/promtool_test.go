//go:build promtool

package main

import (
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// promtool runs the program named by LETHE_TEST_PROMTOOL and returns what it prints.
func promtool(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	program := os.Getenv("LETHE_TEST_PROMTOOL")
	if program == "" {
		t.Fatal("LETHE_TEST_PROMTOOL names no binary: run the tests by `make promtool`, which builds it")
	}
	cmd := exec.CommandContext(t.Context(), program, args...)
	var out, failed bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &failed
	if err := cmd.Run(); err != nil {
		t.Fatalf("promtool %s: %v\n%s%s", strings.Join(args, " "), err, &out, &failed)
	}
	return out.String()
}

// promtoolServer serves three lines of two pods, and one of a node.
func promtoolServer(t *testing.T) (url string) {
	t.Helper()
	root := t.TempDir()
	for name, text := range map[string]string{
		"raw/pod/shop/2026-03-01_11/a.jsonl": `{"time":"2026-03-01T11:00:10Z","pod":"cart","container":"app","log":"error: one"}
{"time":"2026-03-01T11:01:20Z","pod":"cart","container":"app","log":"error: two"}
{"time":"2026-03-01T11:01:30Z","pod":"till","container":"app","log":"fine"}
`,
		"raw/node/worker1/2026-03-01_11/a.jsonl": `{"date":"2026-03-01T11:00:30Z","message":"hello","syslog_identifier":"kubelet"}` + "\n",
	} {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		writeFile(t, file, text)
	}
	return "http://" + startServer(t, []string{"LETHE_BUCKET=file://" + root}).addr
}

// TestPromtool asks a server as promtool asks Prometheus. What it prints was worked out from the three lines by hand.
func TestPromtool(t *testing.T) {
	url := promtoolServer(t)
	const start, end = "--start=2026-03-01T11:00:00Z", "--end=2026-03-01T11:02:00Z"
	for _, test := range []struct {
		name string
		args []string
		want string
	}{
		{"instant vector", []string{"query", "instant", "--time=2026-03-01T11:02:00Z", url, `sum by (pod) (count_over_time(pod{namespace="shop"}[5m]))`},
			"{pod=\"cart\"} => 2 @[1772362920]\n{pod=\"till\"} => 1 @[1772362920]\n"},
		{"instant with a filter", []string{"query", "instant", "--time=2026-03-01T11:02:00Z", url, `count_over_time(pod{namespace="shop"} |= "two" [5m])`},
			"{container=\"app\", namespace=\"shop\", pod=\"cart\"} => 1 @[1772362920]\n"},
		{"instant of a node", []string{"query", "instant", "--time=2026-03-01T11:02:00Z", url, `sum(count_over_time(node{process="kubelet"}[5m]))`},
			"{} => 1 @[1772362920]\n"},
		{"instant scalar", []string{"query", "instant", "--time=2026-03-01T11:02:00Z", url, `1 + 1`}, "scalar: 2 @[1772362920]\n"},
		{"range", []string{"query", "range", start, end, "--step=1m", url, `sum(count_over_time(pod{namespace="shop"}[1m]))`},
			"{} =>\n1 @[1772362860]\n2 @[1772362920]\n"},
		{"series", []string{"query", "series", `--match=pod{namespace="shop"}`, start, end, url},
			"{__name__=\"pod\", container=\"app\", namespace=\"shop\", pod=\"cart\"}\n{__name__=\"pod\", container=\"app\", namespace=\"shop\", pod=\"till\"}\n"},
		{"labels", []string{"query", "labels", start, end, url, "pod"}, "cart\ntill\n"},
		{"labels by series", []string{"query", "labels", start, end, `--match=node{process="kubelet"}`, url, "node"}, "worker1\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := promtool(t, "", test.args...); got != test.want {
				t.Errorf("got\n%swant\n%s", got, test.want)
			}
		})
	}
}

// TestPromtoolShowsErrors makes sure that what a user did wrong comes back through promtool.
func TestPromtoolShowsErrors(t *testing.T) {
	url := promtoolServer(t)
	out, err := exec.CommandContext(t.Context(), os.Getenv("LETHE_TEST_PROMTOOL"), "query", "instant", url, `sum(pod{namespace="shop"})`).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "count_over_time") {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestPromtoolChecksMetrics lints what /metrics says, after a request so that there is something of each kind.
func TestPromtoolChecksMetrics(t *testing.T) {
	url := promtoolServer(t)
	promtool(t, "", "query", "instant", url, "1")
	status, body, err := fetch(url + "/metrics")
	if err != nil || status != http.StatusOK || !strings.Contains(body, "lethe_http_requests_total") {
		t.Fatalf("%d %v\n%s", status, err, body)
	}
	promtool(t, body, "check", "metrics")
}

// TestPromtoolChecksRules gives promtool a file of metric rules in the way of Prometheus, which Lethe takes too.
func TestPromtoolChecksRules(t *testing.T) {
	file := filepath.Join(t.TempDir(), "rules.yaml")
	writeFile(t, file, `groups:
  - name: shop
    interval: 1m
    rules:
      - alert: ShopIsLoud
        expr: sum by (pod) (count_over_time(pod{namespace="shop"}[5m])) > 10
        for: 5m
        keep_firing_for: 5m
        labels: {severity: warning}
        annotations: {summary: "{{ $labels.pod }} wrote {{ $value }} lines"}
`)
	if got := promtool(t, "", "check", "rules", file); !strings.Contains(got, "SUCCESS: 1 rules found") {
		t.Error(got)
	}
	if out, err := exec.CommandContext(t.Context(), binary(t), "rules", "check", file).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
