package helm_test

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
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
