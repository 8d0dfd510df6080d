package helm_test

import (
	"context"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// TestAlertmanagerStarts starts a real one with the arguments and the configuration of the chart.
func TestAlertmanagerStarts(t *testing.T) {
	program := os.Getenv("LETHE_TEST_ALERTMANAGER")
	if program == "" {
		t.Fatal("LETHE_TEST_ALERTMANAGER names no binary: run the tests by `make test`, which installs it")
	}
	all := objects(t, "alertmanager.enabled=true")
	dir, address := t.TempDir(), freeAddress(t)
	write(t, filepath.Join(dir, "alertmanager.yml"), find[*corev1.Secret](t, all, "-alertmanager").StringData["alertmanager.yml"])
	var args []string
	for _, a := range find[*appsv1.StatefulSet](t, all, "-alertmanager").Spec.Template.Spec.Containers[0].Args {
		args = append(args, strings.NewReplacer("=/etc/alertmanager/", "="+dir+"/", "=/alertmanager", "="+dir).Replace(a))
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	server := exec.CommandContext(ctx, program, append(args, "--web.listen-address="+address)...)
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cancel(); _ = server.Wait() }()
	await(ctx, t, "http://"+address+"/-/ready")

	// The alerter is told of it.
	alert := find[*appsv1.Deployment](t, all, "-alert").Spec.Template.Spec.Containers[0].Args
	service := find[*corev1.Service](t, all, "-alertmanager")
	if want := "--alertmanager=http://" + service.Name + ".logs.svc:9093"; !slices.Contains(alert, want) || service.Spec.Ports[0].Port != 9093 {
		t.Errorf("the alerter runs %v, want %s", alert, want)
	}
}

// TestPrometheusScrapesWhatIsThere reads the configuration of the chart's Prometheus: the pods that its jobs keep are there, with the ports
// that they keep, and its rules parse.
func TestPrometheusScrapesWhatIsThere(t *testing.T) {
	all := objects(t, "prometheus.enabled=true", "alert.alertmanagers={https://am.example.com/prefix}")
	data := find[*corev1.ConfigMap](t, all, "-prometheus").Data
	groups, errs := rulefmt.Parse([]byte(data["rules.yml"]), false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
	if len(errs) > 0 || len(groups.Groups) != 1 || len(groups.Groups[0].Rules) < 5 {
		t.Errorf("rules: %v", errs)
	}
	var config struct {
		ScrapeConfigs []struct {
			JobName string `json:"job_name"`
			Relabel []struct {
				Regex string `json:"regex"`
			} `json:"relabel_configs"`
		} `json:"scrape_configs"`
		Alerting struct {
			Alertmanagers []struct {
				Scheme  string `json:"scheme"`
				Prefix  string `json:"path_prefix"`
				Targets []struct {
					Targets []string `json:"targets"`
				} `json:"static_configs"`
			} `json:"alertmanagers"`
		} `json:"alerting"`
	}
	if err := yaml.Unmarshal([]byte(data["prometheus.yml"]), &config); err != nil {
		t.Fatal(err)
	}
	if am := config.Alerting.Alertmanagers; len(am) != 1 || am[0].Scheme != "https" || am[0].Prefix != "/prefix" || am[0].Targets[0].Targets[0] != "am.example.com" {
		t.Errorf("Alertmanagers %+v", am)
	}
	kept := map[string]int{}
	for _, d := range all {
		var labels map[string]string
		var spec corev1.PodSpec
		switch o := d.(type) {
		case *appsv1.Deployment:
			labels, spec = o.Spec.Template.Labels, o.Spec.Template.Spec
		case *appsv1.DaemonSet:
			labels, spec = o.Spec.Template.Labels, o.Spec.Template.Spec
		}
		for _, c := range spec.Containers {
			for _, p := range c.Ports {
				value := strings.Join([]string{labels["app.kubernetes.io/instance"], labels["app.kubernetes.io/component"], p.Name}, ";")
				for _, job := range config.ScrapeConfigs {
					if regexp.MustCompile("^(?:" + job.Relabel[0].Regex + ")$").MatchString(value) {
						kept[job.JobName]++
					}
				}
			}
		}
	}
	if kept["lethe"] != 1 || kept["fluent-bit"] != 2 {
		t.Errorf("the jobs keep %v, want the query pods, the agents and the events", kept)
	}
}
