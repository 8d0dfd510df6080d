package helm_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// TestProbesAreCheap: what each answer costs a LIST is asked twice a minute at most, and yet a pod that starts is ready as soon as it listens.
func TestProbesAreCheap(t *testing.T) {
	for _, name := range []string{"-query", "-alert"} {
		c := find[*appsv1.Deployment](t, objects(t), name).Spec.Template.Spec.Containers[0]
		if c.ReadinessProbe.HTTPGet.Path != "/-/ready" || c.ReadinessProbe.PeriodSeconds < 30 {
			t.Errorf("%s: %s is asked every %d seconds", name, c.ReadinessProbe.HTTPGet.Path, c.ReadinessProbe.PeriodSeconds)
		}
		if c.LivenessProbe.HTTPGet.Path != "/-/healthy" {
			t.Errorf("%s is killed where the store does not answer", name)
		}
		if c.StartupProbe == nil || c.StartupProbe.TCPSocket == nil || c.StartupProbe.PeriodSeconds != 1 || c.ReadinessProbe.InitialDelaySeconds != 0 {
			t.Errorf("%s is not looked at before the first period is over", name)
		}
	}
}

// TestQueriesEndBeforeTheirPod: a pod that is told to stop first leaves the Service, then ends what runs, however long a query may take. Before 1.30
// the API server knows no hook that sleeps, and refuses a pod that has one.
func TestQueriesEndBeforeTheirPod(t *testing.T) {
	for set, timeout := range map[string]time.Duration{"query.timeout=20s": 20 * time.Second, "query.timeout=2m30s": 150 * time.Second, "query.timeout=1500ms": 1500 * time.Millisecond} {
		for version, leaves := range map[string]bool{"1.29.4": false, "1.30.0": true, "v1.34.1-eks-1": true} {
			out, err := run(t, "LETHE_TEST_HELM", "template", "demo", "lethe", "--namespace", "logs", "--kube-version", version, "--set", set)
			if err != nil {
				t.Fatal(err)
			}
			spec := find[*appsv1.Deployment](t, docs(t, out), "-query").Spec.Template.Spec
			grace, drain := gracePeriod(t, spec.Containers[0].Args), preStop(spec)
			if killed := time.Duration(*spec.TerminationGracePeriodSeconds) * time.Second; grace <= timeout || (drain > 0) != leaves || drain+grace >= killed {
				t.Errorf("%s on %s: the pod leaves for %s, has %s for its queries, and is killed after %s", set, version, drain, grace, killed)
			}
		}
	}
}

func gracePeriod(t *testing.T, args []string) time.Duration {
	t.Helper()
	i := slices.IndexFunc(args, func(a string) bool { return strings.HasPrefix(a, "--web.grace_period=") })
	if i < 0 {
		t.Fatal("queries are cut after the default")
	}
	grace, err := time.ParseDuration(strings.TrimPrefix(args[i], "--web.grace_period="))
	if err != nil {
		t.Fatal(err)
	}
	return grace
}

// preStop returns for how long the first container sleeps before it is told to stop.
func preStop(spec corev1.PodSpec) time.Duration {
	if l := spec.Containers[0].Lifecycle; l != nil && l.PreStop != nil && l.PreStop.Sleep != nil {
		return time.Duration(l.PreStop.Sleep.Seconds) * time.Second
	}
	return 0
}
