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
	networkingv1 "k8s.io/api/networking/v1"
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
	await(ctx, t, "http://"+address+"/-/ready", "")

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
	kept := map[string][]string{}
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
				component := labels["app.kubernetes.io/component"]
				value := strings.Join([]string{labels["app.kubernetes.io/instance"], component, p.Name}, ";")
				for _, job := range config.ScrapeConfigs {
					if regexp.MustCompile("^(?:" + job.Relabel[0].Regex + ")$").MatchString(value) {
						kept[job.JobName] = append(kept[job.JobName], component)
					}
				}
			}
		}
	}
	for job, want := range map[string][]string{"lethe": {"alert", "query"}, "fluent-bit": {"agents", "events"}} {
		if slices.Sort(kept[job]); !slices.Equal(kept[job], want) {
			t.Errorf("the job %s keeps %v, want %v", job, kept[job], want)
		}
	}
}

// TestAlerterListens holds what reaches the alerter against where it listens: its probes, a network policy and the PodMonitor, with the users and
// certificates of the query pods where there are some. One that is a CronJob does not listen.
func TestAlerterListens(t *testing.T) {
	for name, listens := range map[string]bool{"defaults": true, "all on": true, "jobs": false, "all off": false} {
		sets := append(slices.Clone(matrix[name]), "serviceMonitor.enabled=true")
		all := objects(t, sets...)
		var policies, monitors []string
		for _, d := range all {
			if p, ok := d.(*networkingv1.NetworkPolicy); ok && p.Spec.PodSelector.MatchLabels["app.kubernetes.io/component"] == "alert" {
				policies = append(policies, p.Spec.Ingress[0].Ports[0].Port.String())
			}
			if m, ok := d.(*map[string]any); ok && (*m)["kind"] == "PodMonitor" && strings.HasSuffix(nested(*m, "metadata", "name").(string), "-alert") {
				endpoint := nested(*m, "spec", "podMetricsEndpoints").([]any)[0].(map[string]any)
				monitors = append(monitors, endpoint["port"].(string))
				if _, ok := endpoint["basicAuth"]; ok != (name == "all on") {
					t.Errorf("%s: the endpoint is scraped by %v", name, endpoint)
				}
			}
		}
		if !listens {
			if len(policies) > 0 || len(monitors) > 0 {
				t.Errorf("%s: policies %v and monitors %v of what does not listen", name, policies, monitors)
			}
			continue
		}
		c := find[*appsv1.Deployment](t, all, "-alert").Spec.Template.Spec.Containers[0]
		if !slices.Equal(policies, []string{"http"}) || !slices.Equal(monitors, []string{"http"}) || c.Ports[0].Name != "http" || c.Ports[0].ContainerPort != 6060 {
			t.Errorf("%s: policies %v and monitors %v for %v", name, policies, monitors, c.Ports)
		}
		secured := slices.Contains(c.Args, "--web.config.file=/etc/lethe/web/web.yml")
		mounted := slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return m.MountPath == "/etc/lethe/web" })
		if !slices.Contains(c.Args, "--listen=:6060") || secured != (name == "all on") || mounted != secured || (c.ReadinessProbe.HTTPGet == nil) != secured {
			t.Errorf("%s: %v with %v and %v", name, c.Args, c.VolumeMounts, c.ReadinessProbe)
		}
	}
}

// nested returns what lies under keys in maps.
func nested(m map[string]any, keys ...string) any {
	var v any = m
	for _, k := range keys {
		v = v.(map[string]any)[k]
	}
	return v
}
