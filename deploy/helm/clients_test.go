package helm_test

import (
	"context"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"lethe/internal/commandtest"
	"lethe/letheql"
)

type datasources struct {
	QueryTimeout string `json:"queryTimeout"`
	Datasources  []struct {
		Name              string `json:"name"`
		Type              string `json:"type"`
		URL               string `json:"url"`
		BasicAuth         bool   `json:"basicAuth"`
		BasicAuthUser     string `json:"basicAuthUser"`
		BasicAuthPassword string `json:"basicAuthPassword"`
	} `json:"datasources"`
}

// ventiFolder runs venti's init container, and returns the folder that it makes.
func ventiFolder(t *testing.T, all []any, env ...string) string {
	t.Helper()
	etc := t.TempDir()
	vars := append(os.Environ(), "ETC="+etc)
	for variable, suffix := range map[string]string{"CONFIG": "-venti", "DASHBOARDS": "-venti-dashboards", "ALERTRULES": "-venti-alertrules"} {
		dir := t.TempDir()
		for name, text := range find[*corev1.ConfigMap](t, all, suffix).Data {
			write(t, filepath.Join(dir, name), text)
		}
		vars = append(vars, variable+"="+dir)
		if variable == "CONFIG" {
			vars = append(vars, "SCRIPT="+filepath.Join(dir, "configure.sh"))
		}
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-c", `sh "$SCRIPT"`)
	cmd.Env = append(vars, env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return etc
}

func decode[T any](t *testing.T, path string) (v T) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict(b, &v); err != nil {
		t.Fatalf("%s: %v\n%s", path, err, b)
	}
	return v
}

// TestVenti reads what venti would: both kinds of datasource, credentials where the query Service asks for them, and a dashboard, without
// which it does not start.
func TestVenti(t *testing.T) {
	etc := ventiFolder(t, objects(t, "venti.enabled=true"))
	ds := decode[datasources](t, filepath.Join(etc, "datasources.yml"))
	kinds := map[string]string{}
	for _, d := range ds.Datasources {
		kinds[d.Type] = d.URL
		if d.BasicAuth {
			t.Errorf("%s asks with a password that nobody gave", d.Name)
		}
	}
	if ours := "http://demo-query.logs.svc:6060"; ds.QueryTimeout != "30s" || kinds["lethe"] != ours || kinds["prometheus"] != ours {
		t.Errorf("without a Prometheus: %+v", ds)
	}
	alerting := decode[map[string]struct {
		Interval      string `json:"evaluation_interval"`
		Alertmanagers []any  `json:"alertmanagers"`
	}](t, filepath.Join(etc, "alerting.yml"))
	if alerting["alerting"].Interval != "60s" {
		t.Errorf("rules are evaluated every %s", alerting["alerting"].Interval)
	}

	secured := objects(t, "venti.enabled=true", "venti.prometheusURL=http://prometheus:9090", "query.webConfigSecret=web", "query.authSecret=auth",
		"venti.alertRules.mine\\.yml=groups: []", "venti.dashboards.mine\\.yml.title=mine")
	password := `it's "$HOME"\n: #`
	etc = ventiFolder(t, secured, "QUERY_USER=venti", "QUERY_PASSWORD="+password)
	ds = decode[datasources](t, filepath.Join(etc, "datasources.yml"))
	if len(ds.Datasources) != 2 || ds.Datasources[0].URL != "http://prometheus:9090" || ds.Datasources[0].BasicAuth {
		t.Errorf("the Prometheus: %+v", ds)
	}
	if d := ds.Datasources[1]; d.Type != "lethe" || d.URL != "https://demo-query.logs.svc:6060" || d.BasicAuthUser != "venti" || d.BasicAuthPassword != password {
		t.Errorf("Lethe with TLS and auth: %+v", d)
	}
	for _, name := range []string{"dashboards/mine.yml", "alertrules/mine.yml"} {
		if _, err := os.Stat(filepath.Join(etc, name)); err != nil {
			t.Error(err)
		}
	}
}

func TestVentiDashboardQueriesParse(t *testing.T) {
	type target struct{ Expr, Legend string }
	type panel struct {
		Title, Type string
		Targets     []target
	}
	d := decode[struct {
		Title string
		Rows  []struct{ Panels []panel }
	}](t, "lethe/venti/lethe.yml")
	n := 0
	for _, row := range d.Rows {
		for _, p := range row.Panels {
			for _, target := range p.Targets {
				n++
				// venti puts in what is chosen in its sidebar.
				if _, err := letheql.Parse(strings.ReplaceAll(target.Expr, "$namespace", ".*")); err != nil {
					t.Errorf("%s: %v", p.Title, err)
				}
			}
		}
	}
	if n < 4 {
		t.Errorf("only %d queries found", n)
	}
}

// notes returns what helm prints after an install. Only an install prints it, and wants a cluster: so a copy of the chart has it in a manifest.
func notes(t *testing.T, sets ...string) string {
	t.Helper()
	chart := filepath.Join(t.TempDir(), "lethe")
	if out, err := exec.CommandContext(t.Context(), "cp", "-rL", "lethe", chart).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	text, err := os.ReadFile("lethe/templates/NOTES.txt")
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(chart, "templates/notes.yaml"), `{{- define "notes" }}`+string(text)+"{{ end }}\ntext: {{ include \"notes\" . | toJson }}\n")
	args := []string{"template", "demo", chart, "--namespace", "logs", "--show-only", "templates/notes.yaml"}
	for _, s := range sets {
		args = append(args, "--set", s)
	}
	out, err := run(t, "LETHE_TEST_HELM", args...)
	if err != nil {
		t.Fatal(err)
	}
	var made struct{ Text string }
	if err := yaml.Unmarshal([]byte(out), &made); err != nil {
		t.Fatal(err)
	}
	return made.Text
}

// TestNotesSayWhatWorks takes the three commands apart: what they name exists, and the second is run against a server.
func TestNotesSayWhatWorks(t *testing.T) {
	text := notes(t)
	all := objects(t)
	commands := regexp.MustCompile(`(?m)^   (kubectl|curl|helm) .*$`).FindAllString(text, -1)
	if len(commands) != 3 {
		t.Fatalf("%d commands in\n%s", len(commands), text)
	}
	m := regexp.MustCompile(`^   kubectl -n logs port-forward svc/(\S+) 6060:(\d+)$`).FindStringSubmatch(commands[0])
	if m == nil {
		t.Fatalf("the first command is %q", commands[0])
	}
	service := find[*corev1.Service](t, all, m[1])
	if p := service.Spec.Ports[0]; p.Name != "http" || m[2] != "6060" || p.Port != 6060 {
		t.Errorf("it forwards to %v", p)
	}
	if !strings.HasPrefix(commands[2], "   helm -n logs test demo") {
		t.Errorf("the third command is %q", commands[2])
	}
	find[*corev1.Pod](t, all, "-test")
	answer := ask(t, commands[1])
	if !strings.Contains(answer, `"status":"success"`) || !strings.Contains(answer, `"resultType":"logs"`) {
		t.Errorf("%s answers %s", commands[1], answer)
	}

	if slow := notes(t, "fluentBit.uploadTimeout=5m"); !strings.Contains(slow, "agents upload every 5m") {
		t.Errorf("when the first lines come is not said:\n%s", slow)
	}
	off := notes(t, matrix["all off"]...)
	if strings.Contains(off, "upload every") {
		t.Errorf("agents are promised where there are none:\n%s", off)
	}
	if strings.Contains(off, "helm -n logs test") || !strings.Contains(off, "exec deploy/demo-query -- lethe inspect") {
		t.Errorf("without agents there is nothing to test:\n%s", off)
	}
	find[*appsv1.Deployment](t, objects(t, matrix["all off"]...), "-query")
}

// ask runs a curl command of the notes against a server of an empty bucket.
func ask(t *testing.T, command string) string {
	t.Helper()
	var answer string
	serve(t, string(commandtest.Build(t)), func(ctx context.Context, address string) {
		m := regexp.MustCompile(`'query=([^']*)'`).FindStringSubmatch(command)
		if m == nil || !strings.Contains(command, "http://localhost:6060/api/v1/query_range") {
			t.Fatalf("the second command is %q", command)
		}
		_, answer = fetch(ctx, "http://"+address+"/api/v1/query_range?start=0&end=3600&query="+url.QueryEscape(m[1]))
	})
	return answer
}
