package rules

import (
	"os"
	"path/filepath"
	"testing"

	"go.yaml.in/yaml/v3"

	"lethe/alerting"
	"lethe/alerting/rulefile"
	"lethe/alerting/ruletest"
)

// Every ready-made rule has a test in which it fires, and all tests pass.
func TestRules(t *testing.T) {
	tests, err := filepath.Glob("tests/*.yaml")
	if err != nil || len(tests) == 0 {
		t.Fatalf("no tests: %v", err)
	}
	fires := map[string]bool{}
	for _, name := range tests {
		checked, failures, err := ruletest.Run(t.Context(), os.DirFS("."), filepath.ToSlash(name))
		if err != nil || checked == 0 {
			t.Fatalf("%s: %d checked, %v", name, checked, err)
		}
		for _, f := range failures {
			t.Errorf("%s: %s", name, f)
		}
		for alert := range expected(t, name) {
			fires[alert] = true
		}
	}
	files, err := filepath.Glob("*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no rules: %v", err)
	}
	for _, name := range files {
		body, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		f, err := rulefile.Parse(name, body, alerting.CheckExpr)
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range f.Groups {
			for _, r := range g.Rules {
				if !fires[r.Alert] {
					t.Errorf("%s: no test in which %s fires", name, r.Alert)
				}
				if r.Labels["severity"] == "" || r.Annotations["summary"] == "" {
					t.Errorf("%s: %s has no severity or no summary", name, r.Alert)
				}
			}
		}
	}
}

// expected returns the names of alerts that a test file expects to fire.
func expected(t *testing.T, name string) map[string]bool {
	t.Helper()
	body, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var f struct {
		Tests []struct {
			Alerts []struct {
				Alertname string `yaml:"alertname"`
				Expected  []any  `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		} `yaml:"tests"`
	}
	if err := yaml.Unmarshal(body, &f); err != nil {
		t.Fatal(err)
	}
	out := map[string]bool{}
	for _, test := range f.Tests {
		for _, a := range test.Alerts {
			out[a.Alertname] = out[a.Alertname] || len(a.Expected) > 0
		}
	}
	return out
}
