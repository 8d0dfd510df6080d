package helm_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// TestGoKeepsBelowTheLimit: Go collects before the kernel kills, in every unit that a limit can be given in.
func TestGoKeepsBelowTheLimit(t *testing.T) {
	for _, limit := range []string{"", "512Mi", "1.5Gi", "800M", "2G", "1073741824", "900000Ki"} {
		var sets []string
		for _, role := range []string{"query", "compactor", "alert"} {
			if limit != "" {
				sets = append(sets, role+".resources.limits.memory="+limit)
			}
		}
		seen := 0
		for _, d := range objects(t, sets...) {
			pod, spec := podOf(d)
			if spec == nil {
				continue
			}
			for _, c := range spec.Containers {
				i := slices.IndexFunc(c.Env, func(e corev1.EnvVar) bool { return e.Name == "GOMEMLIMIT" })
				if i < 0 {
					continue
				}
				seen++
				// Go and Kubernetes write MiB differently.
				told, err := resource.ParseQuantity(strings.Replace(c.Env[i].Value, "MiB", "Mi", 1))
				if err != nil {
					t.Fatalf("%s: %q: %v", pod, c.Env[i].Value, err)
				}
				share := told.AsApproximateFloat64() / c.Resources.Limits.Memory().AsApproximateFloat64()
				if math.Abs(share-0.9) > 0.005 {
					t.Errorf("%s with a limit of %s: Go is told %s, %.2f of it", pod, c.Resources.Limits.Memory(), c.Env[i].Value, share)
				}
			}
		}
		if seen != 3 {
			t.Errorf("limits of %q: %d containers are told, want query, compactor and alert", limit, seen)
		}
	}
	for _, d := range objects(t, "query.resources.limits=null") {
		if pod, spec := podOf(d); spec != nil && strings.HasSuffix(pod, "-query") && slices.ContainsFunc(spec.Containers[0].Env, func(e corev1.EnvVar) bool { return e.Name == "GOMEMLIMIT" }) {
			t.Error("without a limit Go is told of one")
		}
	}
}
