//go:build promtool

package helm_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// TestPromtoolTestsRules has promtool check the chart's rules on metrics, and run the tests of testdata, where each rule has one.
func TestPromtoolTestsRules(t *testing.T) {
	rules := find[*corev1.ConfigMap](t, objects(t, "prometheus.enabled=true"), "-prometheus").Data["rules.yml"]
	tests, err := os.ReadFile("testdata/metric_rules_test.yml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "rules.yml"), rules)
	write(t, filepath.Join(dir, "test.yml"), string(tests))
	for _, args := range [][]string{{"check", "rules", filepath.Join(dir, "rules.yml")}, {"test", "rules", filepath.Join(dir, "test.yml")}} {
		if out, err := run(t, "LETHE_TEST_PROMTOOL", args...); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	for _, m := range regexp.MustCompile(`(?m)alert: (\w+)$`).FindAllStringSubmatch(rules, -1) {
		// Expected once to fire, and once not to.
		if n := len(regexp.MustCompile(`alertname: `+m[1]+`\b`).FindAll(tests, -1)); n < 2 {
			t.Errorf("%s has %d expectations, want one that it fires and one that it does not", m[1], n)
		}
	}
}
