// Package helm_test renders the chart over a matrix of values and reads what comes out as the API server, Fluent Bit, MinIO
// and the lethe binary would.
package helm_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/yaml"

	"lethe/internal/commandtest"
)

// matrix names the ways in which the chart is installed, each as values over the defaults.
var matrix = map[string][]string{
	"defaults": nil,
	"external S3": {"minio.enabled=false", "s3.endpoint=s3.eu-west-1.amazonaws.com", "s3.region=eu-west-1", "s3.prefix=clusters/a",
		"credentials.agents.existingSecret=a", "credentials.query.existingSecret=q", "credentials.alert.existingSecret=l",
		"credentials.compactor.existingSecret=c"},
	"IRSA": {"minio.enabled=false", "s3.endpoint=s3.eu-west-1.amazonaws.com", "credentials.useServiceAccountRole=true",
		`credentials.query.serviceAccountAnnotations.eks\.amazonaws\.com/role-arn=arn:aws:iam::1:role/q`},
	"all on": {"venti.enabled=true", "venti.usersSecret=users", "venti.alertmanagerURL=http://am:9093", "serviceMonitor.enabled=true",
		"prometheusRule.enabled=true", "grafanaDashboard.enabled=true", "compactor.mode=deployment", "query.ingress.enabled=true", "query.ingress.hosts={logs.example.com}",
		"query.webConfigSecret=web", "query.authSecret=auth", "query.caSecret=query-ca", "query.fanout.pieces=4", "query.fanout.bytes=500MB", "s3.caSecret=ca", "prometheus.enabled=true",
		"alertmanager.enabled=true", "query.autoscaling.enabled=true", "query.networkPolicy.from[0].podSelector.matchLabels.app=grafana",
		"venti.dashboards.mine\\.yml.title=mine", "venti.alertRules.mine\\.yml.groups[0].name=g",
		"fluentBit.extraVolumes[0].name=docker", "fluentBit.extraVolumes[0].hostPath.path=/var/lib/docker",
		"fluentBit.extraVolumeMounts[0].name=docker", "fluentBit.extraVolumeMounts[0].mountPath=/var/lib/docker", "alert.alertmanagers={http://am:9093,https://am2:9093}",
		"alert.rules.mine\\.yaml=groups: []", "fluentBit.journalPath=/run/log/journal", "imagePullSecrets[0].name=pull",
		"query.nodeSelector.disk=ssd", "commonLabels.team=logs", "fullnameOverride=l"},
	"jobs": {"query.fanout.pieces=2", "compactor.shards=4", "alert.mode=cronjob", "query.webConfigSecret=web", "query.tls=false", "venti.enabled=true"},
	"all off": {"fluentBit.enabled=false", "minio.enabled=false", "s3.endpoint=minio.store:9000", "s3.insecure=true",
		"credentials.useServiceAccountRole=true", "compactor.enabled=false", "alert.enabled=false",
		"query.podDisruptionBudget.enabled=false", "query.networkPolicy.enabled=false"},
}

// run runs a tool that the Makefile installs, named by an environment variable.
func run(t *testing.T, variable string, args ...string) (string, error) {
	t.Helper()
	tool := os.Getenv(variable)
	if tool == "" {
		t.Fatalf("%s names no binary: run the tests by `make test`, which installs it", variable)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, tool, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%w: %s", err, errs.String())
	}
	return out.String(), nil
}

// rendered keeps what helm made of which values: many tests look at the same.
var rendered sync.Map

func render(t *testing.T, sets ...string) (string, error) {
	t.Helper()
	key := strings.Join(sets, "\x00")
	if out, ok := rendered.Load(key); ok {
		return out.(string), nil
	}
	out, err := renderNow(t, sets...)
	if err == nil {
		rendered.Store(key, out)
	}
	return out, err
}

func renderNow(t *testing.T, sets ...string) (string, error) {
	t.Helper()
	commandtest.Watch(t, "lethe")
	commandtest.Watch(t, "../rules")
	return run(t, "LETHE_TEST_HELM", append([]string{"template", "demo", "lethe", "--namespace", "logs"}, setFlags(sets)...)...)
}

func setFlags(sets []string) (args []string) {
	for _, s := range sets {
		args = append(args, "--set", s)
	}
	return args
}

// docs decodes every rendered manifest strictly into its API type. Types of other projects' CRDs stay maps.
func docs(t *testing.T, rendered string) []any {
	t.Helper()
	var out []any
	for doc := range strings.SplitSeq(rendered, "\n---\n") {
		var head struct {
			APIVersion, Kind string
		}
		if err := yaml.Unmarshal([]byte(doc), &head); err != nil {
			t.Fatalf("not YAML: %v\n%s", err, doc)
		}
		if head.Kind == "" {
			continue
		}
		v := typeOf(head.APIVersion + " " + head.Kind)
		if v == nil {
			t.Fatalf("the tests know no type for %s %s", head.APIVersion, head.Kind)
		}
		if err := yaml.UnmarshalStrict([]byte(doc), v); err != nil {
			t.Errorf("%s %s: %v\n%s", head.APIVersion, head.Kind, err, doc)
		}
		out = append(out, v)
	}
	return out
}

func typeOf(kind string) any {
	switch kind {
	case "v1 ConfigMap":
		return &corev1.ConfigMap{}
	case "v1 Secret":
		return &corev1.Secret{}
	case "v1 Service":
		return &corev1.Service{}
	case "v1 ServiceAccount":
		return &corev1.ServiceAccount{}
	case "v1 PersistentVolumeClaim":
		return &corev1.PersistentVolumeClaim{}
	case "v1 Pod":
		return &corev1.Pod{}
	case "apps/v1 Deployment":
		return &appsv1.Deployment{}
	case "apps/v1 DaemonSet":
		return &appsv1.DaemonSet{}
	case "apps/v1 StatefulSet":
		return &appsv1.StatefulSet{}
	case "batch/v1 Job":
		return &batchv1.Job{}
	case "batch/v1 CronJob":
		return &batchv1.CronJob{}
	case "autoscaling/v2 HorizontalPodAutoscaler":
		return &autoscalingv2.HorizontalPodAutoscaler{}
	case "networking.k8s.io/v1 Ingress":
		return &networkingv1.Ingress{}
	case "networking.k8s.io/v1 NetworkPolicy":
		return &networkingv1.NetworkPolicy{}
	case "policy/v1 PodDisruptionBudget":
		return &policyv1.PodDisruptionBudget{}
	case "rbac.authorization.k8s.io/v1 ClusterRole":
		return &rbacv1.ClusterRole{}
	case "rbac.authorization.k8s.io/v1 ClusterRoleBinding":
		return &rbacv1.ClusterRoleBinding{}
	case "rbac.authorization.k8s.io/v1 Role":
		return &rbacv1.Role{}
	case "rbac.authorization.k8s.io/v1 RoleBinding":
		return &rbacv1.RoleBinding{}
	case "monitoring.coreos.com/v1 ServiceMonitor", "monitoring.coreos.com/v1 PodMonitor", "monitoring.coreos.com/v1 PrometheusRule":
		return &map[string]any{}
	}
	return nil
}

// podOf returns the pod that an object makes, and its name; nil for one that makes none.
func podOf(v any) (string, *corev1.PodSpec) {
	switch o := v.(type) {
	case *appsv1.Deployment:
		return o.Name, &o.Spec.Template.Spec
	case *appsv1.DaemonSet:
		return o.Name, &o.Spec.Template.Spec
	case *appsv1.StatefulSet:
		return o.Name, &o.Spec.Template.Spec
	case *batchv1.Job:
		return o.Name, &o.Spec.Template.Spec
	case *batchv1.CronJob:
		return o.Name, &o.Spec.JobTemplate.Spec.Template.Spec
	case *corev1.Pod:
		return o.Name, &o.Spec
	}
	return "", nil
}

func TestLint(t *testing.T) {
	if out, err := run(t, "LETHE_TEST_HELM", "lint", "--strict", "lethe"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func TestMatrixDecodesStrictly(t *testing.T) {
	for name, sets := range matrix {
		t.Run(name, func(t *testing.T) {
			out, err := render(t, sets...)
			if err != nil {
				t.Fatal(err)
			}
			if n := len(docs(t, out)); n < 5 {
				t.Errorf("only %d objects", n)
			}
		})
	}
}

func TestValuesThatAreRefused(t *testing.T) {
	for sets, want := range map[string]string{
		"minio.enabled=false":                     "s3.endpoint is needed where minio.enabled is false",
		"query.replica=3":                         "replica",
		"compactor.mode=job":                      "compactor",
		"query.fanout.pieces=65":                  "pieces",
		"query.fanout.bytes=many":                 "bytes",
		"s3.endpoint=https://s3:1":                "endpoint",
		"s3.endpoint=s3:1&insecure=true":          "endpoint",
		"s3.region=a&insecure=true":               "region",
		"s3.region=":                              "region",
		"s3.prefix=a//b":                          "s3.prefix \"a//b\" has a segment that is empty",
		"s3.prefix=a/../b":                        "which keys of the bucket cannot have",
		"s3.prefix=.lethe/a":                      "which keys of the bucket cannot have",
		"s3.prefix=a%d":                           "prefix",
		"s3.caSecret=a,s3.caConfigMap=b":          "s3.caSecret and s3.caConfigMap are both given",
		"fullnameOverride=My_Name":                "fullnameOverride",
		`commonLabels.app\.kubernetes\.io/name=x`: "commonLabels has app.kubernetes.io/name",
		"retention.time=forever":                  "retention",
		"image.digest=latest":                     "digest",
		"alert.resources.limits.memory=512MB":     "alert.resources.limits.memory \"512MB\": give it as 512Mi",
		"minio.persistence.size=50GB":             "size",
		"s3.endpoint=s3.example.com:443":          "does not know the users of this chart's MinIO: give credentials.",
		"s3.endpoint=s3.example.com:443,fluentBit.enabled=false,alert.enabled=false,compactor.enabled=false": "give credentials.query.existingSecret",
		"minio.enabled=false,s3.endpoint=a":                              "existingSecret is needed",
		"query.ingress.enabled=true":                                     "query.ingress.hosts is empty",
		"alert.alertmanagers={am:9093}":                                  "alertmanagers",
		"alert.alertmanagers={https://me:secret@am.example.com}":         "LETHE_ALERTING_ALERTMANAGERS",
		"alert.rules.mine=groups: []":                                    "at '/alert/rules': additional properties 'mine' not allowed",
		"venti.dashboards.mine=title":                                    "at '/venti/dashboards': additional properties 'mine' not allowed",
		"alert.readyMadeRules=false":                                     "there is nothing to evaluate",
		"venti.enabled=true,venti.queryTimeout=20s":                      "venti.queryTimeout 20s must be more than query.timeout 20s",
		"venti.enabled=true,query.timeout=1m30s":                         "venti.queryTimeout 30s must be more than query.timeout 1m30s",
		"credentials.useServiceAccountRole=true":                         "MinIO has users",
		"compactor.mode=deployment,compactor.shards=2":                   "compactor.shards is for compactor.mode=cronjob",
		"query.autoscaling.enabled=true,query.autoscaling.maxReplicas=1": "maxReplicas is less than",
	} {
		if _, err := render(t, sets); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want an error with %q", sets, err, want)
		}
	}
}

// TestRestricted holds every pod but the agents' against what pod security "restricted" asks for.
func TestRestricted(t *testing.T) {
	for name, sets := range matrix {
		out, err := render(t, sets...)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range docs(t, out) {
			pod, spec := podOf(d)
			if spec == nil {
				continue
			}
			if spec.HostNetwork || spec.HostPID || spec.HostIPC {
				t.Errorf("%s: %s shares the host's namespaces", name, pod)
			}
			for _, c := range append(spec.InitContainers, spec.Containers...) {
				if c.Resources.Limits.Memory().IsZero() || c.Resources.Requests.Memory().IsZero() {
					t.Errorf("%s: %s/%s has no memory request or limit", name, pod, c.Name)
				}
				if !*c.SecurityContext.ReadOnlyRootFilesystem || *c.SecurityContext.AllowPrivilegeEscalation {
					t.Errorf("%s: %s/%s may write its root or gain privileges", name, pod, c.Name)
				}
			}
			if !strings.HasSuffix(pod, "-fluent-bit") {
				restricted(t, name+": "+pod, spec)
			}
		}
	}
}

func restricted(t *testing.T, name string, spec *corev1.PodSpec) {
	t.Helper()
	sc := spec.SecurityContext
	if sc == nil || sc.RunAsNonRoot == nil || !*sc.RunAsNonRoot || sc.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
		t.Errorf("%s may run as root or without seccomp", name)
	}
	for _, v := range spec.Volumes {
		if v.HostPath != nil {
			t.Errorf("%s mounts the host's %s", name, v.HostPath.Path)
		}
	}
	for _, c := range append(spec.InitContainers, spec.Containers...) {
		caps := c.SecurityContext.Capabilities
		if len(caps.Add) > 0 || len(caps.Drop) != 1 || caps.Drop[0] != "ALL" {
			t.Errorf("%s/%s keeps capabilities %v", name, c.Name, caps)
		}
	}
	if (spec.AutomountServiceAccountToken == nil || *spec.AutomountServiceAccountToken) && !readsAPI(name) {
		t.Errorf("%s has a service account token that it does not need", name)
	}
}

// readsAPI tells whether a pod has something to ask of the API server: events, or which pods to scrape.
func readsAPI(name string) bool {
	return strings.HasSuffix(name, "-events") || strings.HasSuffix(name, "-prometheus")
}

// TestMinIOBesideAnotherStore: it keeps what it has, and is told nothing of the other's credentials.
func TestMinIOBesideAnotherStore(t *testing.T) {
	all := objects(t, append(slices.Clone(matrix["external S3"]), "minio.enabled=true")...)
	find[*appsv1.StatefulSet](t, all, "-minio")
	for _, d := range all {
		pod, spec := podOf(d)
		if spec == nil {
			continue
		}
		for _, v := range spec.Volumes {
			if v.Secret != nil && slices.Contains([]string{"a", "q", "l", "c"}, v.Secret.SecretName) {
				t.Errorf("%s mounts the credentials of the store", pod)
			}
		}
		if strings.Contains(pod, "-minio-setup") {
			t.Errorf("%s makes users in a MinIO that nobody asks", pod)
		}
	}
	for _, d := range all {
		if s, ok := d.(*corev1.Secret); ok && strings.HasSuffix(s.Name, "-credentials") {
			t.Errorf("%s is generated, and nobody knows it", s.Name)
		}
	}
}

func TestRetentionSizeIsFourFifthsOfTheVolume(t *testing.T) {
	for set, want := range map[string]string{
		"minio.persistence.size=100Gi": "--retention.size=81920MB",
		"minio.persistence.size=1Ti":   "--retention.size=838860MB",
		"retention.size=500GB":         "--retention.size=500GB",
	} {
		out, err := render(t, set)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out, want+"\n") {
			t.Errorf("%s: no %s", set, want)
		}
	}
}

// TestGracesFollowTheTimeout: what a query may still read is not deleted, however long the chart lets a query take, and the compactor starts with
// the graces that it is given.
func TestGracesFollowTheTimeout(t *testing.T) {
	bin := commandtest.Build(t)
	for sets, want := range map[string][]string{
		"query.timeout=20s": {"--query.timeout=20s"},
		"query.timeout=3m":  {"--query.timeout=3m", "--compactor.grace=390s"},
		"query.timeout=12m": {"--query.timeout=12m", "--compactor.grace=1470s", "--compactor.raw_grace=1470s"},
		"query.timeout=12m,compactor.extraArgs={--compactor.grace=30m},compactor.extraEnv[0].name=LETHE_COMPACTOR_RAW_GRACE,compactor.extraEnv[0].value=40m": {
			"--query.timeout=12m", "--compactor.grace=30m"},
	} {
		c := find[*batchv1.CronJob](t, objects(t, sets), "-compactor").Spec.JobTemplate.Spec.Template.Spec.Containers[0]
		var got []string
		for _, a := range c.Args {
			if strings.HasPrefix(a, "--query.timeout") || strings.Contains(a, "grace") {
				got = append(got, a)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", sets, got, want)
		}
		cmd := exec.CommandContext(t.Context(), string(bin), append([]string{"--bucket", "file://" + t.TempDir()}, c.Args...)...)
		cmd.Env = os.Environ()
		for _, e := range c.Env {
			if e.ValueFrom == nil && e.Name != "LETHE_BUCKET" {
				cmd.Env = append(cmd.Env, e.Name+"="+e.Value)
			}
		}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", sets, err, out)
		}
	}
}

// TestNames renders releases of names that a Service, a CronJob or a second release in the namespace could not have as they are.
func TestNames(t *testing.T) {
	commandtest.Watch(t, "lethe")
	long := strings.Repeat("release-", 6)
	seen := map[string]string{}
	for _, release := range []string{"a", "my.release", long + "one", long + "two"} {
		out, err := run(t, "LETHE_TEST_HELM", append([]string{"template", release, "lethe", "--namespace", "logs"}, setFlags(matrix["all on"][:len(matrix["all on"])-1])...)...)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range docs(t, out) {
			named, ok := d.(interface{ GetName() string })
			if !ok {
				continue // a map, of a type that the tests do not know
			}
			kind, name := fmt.Sprintf("%T", d), named.GetName()
			limit := validation.DNS1123SubdomainMaxLength
			errs := validation.IsDNS1123Subdomain(name)
			switch d.(type) {
			case *corev1.Service:
				errs = validation.IsDNS1035Label(name)
			case *batchv1.CronJob:
				limit = 52
			case *batchv1.Job, *appsv1.Deployment, *appsv1.StatefulSet, *corev1.Pod:
				limit = validation.DNS1123LabelMaxLength
			}
			if len(errs) > 0 || len(name) > limit {
				t.Errorf("%s: %s %s: %v", release, kind, name, errs)
			}
			if other, ok := seen[kind+name]; ok && other != release {
				t.Errorf("%s and %s both have a %s %s", other, release, kind, name)
			}
			seen[kind+name] = release
		}
	}
	if _, err := run(t, "LETHE_TEST_HELM", "template", "1st", "lethe"); err == nil || !strings.Contains(err.Error(), "give fullnameOverride") {
		t.Errorf("a name that begins with a digit: %v", err)
	}
}

// TestFilesOfTheChartCanBeReplaced: a key that stood twice in a ConfigMap would be no YAML to a strict reader.
func TestFilesOfTheChartCanBeReplaced(t *testing.T) {
	all := objects(t, "venti.enabled=true", `alert.rules.kubernetes\.yaml=groups: []`, `venti.dashboards.lethe\.yml=title: mine`)
	rules, dashboards := find[*corev1.ConfigMap](t, all, "-rules").Data, find[*corev1.ConfigMap](t, all, "-venti-dashboards").Data
	if rules["kubernetes.yaml"] != "groups: []\n" && rules["kubernetes.yaml"] != "groups: []" || rules["lethe.yaml"] == "" || !strings.HasPrefix(dashboards["lethe.yml"], "title: mine") {
		t.Errorf("rules %v and dashboards %v", rules, dashboards)
	}
}
