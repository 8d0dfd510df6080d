package helm_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql/parser"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"lethe/internal/commandtest"
)

// serve runs a query server over a bucket that was compacted, as the chart runs it, for as long as use takes.
func serve(t *testing.T, bin string, use func(ctx context.Context, address string)) {
	t.Helper()
	root := t.TempDir()
	raw := filepath.Join(root, "raw/node/n1/2026-03-01_09")
	if err := os.MkdirAll(raw, 0o755); err != nil {
		t.Fatal(err)
	}
	line := `{"date":"2026-03-01T09:00:00Z","message":"hello","syslog_identifier":"kubelet"}` + "\n"
	if err := os.WriteFile(filepath.Join(raw, "a.jsonl"), []byte(line), 0o644); err != nil {
		t.Fatal(err)
	}
	bucket := "file://" + root
	if out, err := exec.CommandContext(t.Context(), bin, "--bucket", bucket, "compact").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	address := freeAddress(t)
	while(t, exec.CommandContext(t.Context(), bin, "--bucket", bucket, "serve", "--listen", address, "--compact-every", "0"), func(ctx context.Context) {
		// The request for readiness is what makes the metrics of requests appear.
		await(ctx, t, "http://"+address+"/api/v1/query?query=time()", "")
		use(ctx, address)
	})
}

// while has a program run for as long as use takes, a minute at most.
func while(t *testing.T, program *exec.Cmd, use func(ctx context.Context)) {
	t.Helper()
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = program.Process.Kill()
		_ = program.Wait()
	}()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	use(ctx)
}

// alert runs the alerter as the chart runs it, with its rules, over a bucket where evaluations fail, for a manifest is damaged.
func alert(t *testing.T, bin string, use func(ctx context.Context, address string)) {
	t.Helper()
	all := objects(t, "alert.alertmanagers={http://127.0.0.1:9}")
	root, rules, address := t.TempDir(), t.TempDir(), freeAddress(t)
	if err := os.MkdirAll(filepath.Join(root, "pod/shop"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(root, "pod/shop/manifest.json"), "damaged")
	for name, text := range find[*corev1.ConfigMap](t, all, "-rules").Data {
		write(t, filepath.Join(rules, name), text)
	}
	args := []string{"--bucket", "file://" + root}
	for _, a := range find[*appsv1.Deployment](t, all, "-alert").Spec.Template.Spec.Containers[0].Args {
		args = append(args, strings.NewReplacer("--listen=:6060", "--listen="+address, "--rules=/etc/lethe/rules", "--rules="+rules, "--every=30s", "--every=100ms").Replace(a))
	}
	while(t, exec.CommandContext(t.Context(), bin, args...), func(ctx context.Context) {
		await(ctx, t, "http://"+address+"/-/ready", "Ready")
		use(ctx, address)
	})
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return l.Addr().String()
}

// await asks until the answer is 200 and holds a text of this form, and returns it.
func await(ctx context.Context, t *testing.T, url, form string) string {
	t.Helper()
	re := regexp.MustCompile(form)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		code, body := fetch(ctx, url)
		if code == http.StatusOK && re.MatchString(body) {
			return body
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s does not answer %s: %d %s", url, re, code, body)
		case <-tick.C:
		}
	}
}

var metricName = regexp.MustCompile(`(?m)^lethe_\w+`)

// exposed returns the names of the metrics of a query server and of an alerter, of which an evaluation has failed.
func exposed(t *testing.T) (names []string) {
	t.Helper()
	bin := string(commandtest.Build(t))
	serve(t, bin, func(ctx context.Context, address string) {
		_, body := fetch(ctx, "http://"+address+"/metrics")
		names = metricName.FindAllString(body, -1)
	})
	alert(t, bin, func(ctx context.Context, address string) {
		body := await(ctx, t, "http://"+address+"/metrics", `lethe_alerting_evaluation_failures_total\{rule_file="[^"]*lethe.yaml",rule_group="lethe"\} [1-9]`)
		names = append(names, metricName.FindAllString(body, -1)...)
	})
	return names
}

func fetch(ctx context.Context, url string) (int, string) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, ""
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, ""
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, ""
	}
	return resp.StatusCode, string(body)
}

// TestMetricsExist compares what the PrometheusRule and the dashboard ask for with what the pods of the chart expose.
func TestMetricsExist(t *testing.T) {
	names := exposed(t)
	all := objects(t, "prometheusRule.enabled=true", "serviceMonitor.enabled=true", "grafanaDashboard.enabled=true")
	out, err := render(t, "prometheusRule.enabled=true", "serviceMonitor.enabled=true", "grafanaDashboard.enabled=true")
	if err != nil {
		t.Fatal(err)
	}
	_, rule, ok := strings.Cut(out, "kind: PrometheusRule")
	if !ok {
		t.Fatal("no PrometheusRule rendered")
	}
	rule, _, _ = strings.Cut(rule, "\n---\n")
	exprs := dashboardQueries(t, find[*corev1.ConfigMap](t, all, "-dashboard").Data["lethe.json"])
	for where, text := range map[string]string{"the rules": rule, "the dashboard": strings.Join(exprs, "\n")} {
		used := regexp.MustCompile(`\blethe_\w+`).FindAllString(text, -1)
		if len(used) < 5 {
			t.Errorf("%s use only %v", where, used)
		}
		for _, name := range used {
			if !slices.Contains(names, name) {
				t.Errorf("%s use %s, which is not exposed", where, name)
			}
		}
	}
	for _, expr := range exprs {
		if _, err := parser.NewParser(parser.Options{}).ParseExpr(expr); err != nil {
			t.Errorf("%s: %v", expr, err)
		}
	}
}

func dashboardQueries(t *testing.T, text string) (exprs []string) {
	t.Helper()
	var d struct {
		UID    string
		Panels []struct {
			ID      int
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		t.Fatal(err)
	}
	ids := map[int]bool{}
	for _, p := range d.Panels {
		if ids[p.ID] || p.Title == "" || len(p.Targets) == 0 {
			t.Errorf("panel %d %q has no title, no query, or the id of another", p.ID, p.Title)
		}
		ids[p.ID] = true
		for _, target := range p.Targets {
			exprs = append(exprs, target.Expr)
		}
	}
	return exprs
}
