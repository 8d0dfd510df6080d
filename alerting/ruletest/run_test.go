package ruletest

import (
	"errors"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"lethe/alerting/rulefile"
)

func TestRun(t *testing.T) {
	checked, failures, err := Run(t.Context(), os.DirFS("testdata"), "shop_test.yaml")
	if err != nil || checked != 6 || Failed(failures) != nil {
		t.Errorf("%d checked, %v, %v", checked, failures, err)
	}
}

func runWith(t *testing.T, body string) (int, []Failure, error) {
	t.Helper()
	rules, err := os.ReadFile("testdata/shop.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return Run(t.Context(), fstest.MapFS{"d/x.yaml": {Data: rules}, "d/t.yaml": {Data: []byte(body)}, "d/bad.yaml": {Data: []byte("groups: 1")}}, "d/t.yaml")
}

// A test fails when something else fires than what it expects.
func TestFailures(t *testing.T) {
	const head = `
rule_files: [x.yaml]
tests:
- name: t
  input_lines:
  - {series: 'pod{namespace="shop", pod="p", container="c"}', log: 'panic: x', at: 10s}
  alert_rule_test:
`
	for name, tt := range map[string]struct{ body, want string }{
		"not expected":     {"  - {eval_time: 1m, alertname: CheckoutPanic}", "firing but not expected"},
		"not firing":       {"  - {eval_time: 1m, alertname: Disk, exp_alerts: [{exp_labels: {node: n}}]}", "firing is nothing"},
		"other labels":     {"  - {eval_time: 1m, alertname: CheckoutPanic, exp_alerts: [{exp_labels: {pod: p}}]}", "expected {"},
		"other value":      {"  - {eval_time: 1m, alertname: CheckoutPanic, exp_alerts: [{exp_labels: {severity: critical, namespace: shop, pod: p, container: c}, exp_value: 2}]}", "the value is"},
		"other annotation": {"  - {eval_time: 1m, alertname: CheckoutPanic, exp_alerts: [{exp_labels: {severity: critical, namespace: shop, pod: p, container: c}, exp_annotations: {summary: x}}]}", "the annotation summary is"},
	} {
		_, failures, err := runWith(t, head+tt.body)
		if err != nil || len(failures) == 0 || !strings.Contains(Failed(failures).Error(), tt.want) {
			t.Errorf("%s: %v, %v", name, failures, err)
		}
	}
}

func TestRefusedFiles(t *testing.T) {
	const test = "rule_files: [x.yaml]\ntests:\n- name: t\n"
	const expects = "  alert_rule_test: [{eval_time: 1m, alertname: Disk}]\n"
	for name, body := range map[string]string{
		"no rules":         "tests: [{name: t}]",
		"no tests":         "rule_files: [x.yaml]",
		"unknown key":      "rule_file: [x.yaml]",
		"expects nothing":  test,
		"unknown alert":    test + "  alert_rule_test: [{eval_time: 1m, alertname: Other}]",
		"regular selector": test + expects + "  input_lines: [{series: 'pod{namespace=~\"a\"}', log: x, at: 1s}]",
		"no namespace":     test + expects + "  input_lines: [{series: 'pod{pod=\"a\"}', log: x, at: 1s}]",
		"bad series":       test + expects + "  input_lines: [{series: 'pod{', log: x, at: 1s}]",
		"no time":          test + expects + "  input_lines: [{series: 'pod{namespace=\"a\"}', log: x}]",
		"no number":        test + expects + "  input_lines: [{series: 'pod{namespace=\"a\"}', log: x, every: 1s}]",
		"arrives early":    test + expects + "  input_lines: [{series: 'pod{namespace=\"a\"}', log: x, at: 2s, arrives: 1s}]",
		"two documents":    test + expects + "---\n" + test + "  alert_rule_test: [{eval_time: 1m, alertname: Other}]",
		"absolute path":    "rule_files: [/d/x.yaml]\ntests: [{name: t}]",
		"too long":         "evaluation_interval: 1ms\n" + test + "  alert_rule_test: [{eval_time: 1h, alertname: Disk}]",
	} {
		if _, _, err := runWith(t, body); !errors.Is(err, ErrFile) {
			t.Errorf("%s: %v", name, err)
		}
	}
	var bad *rulefile.Error
	if _, _, err := runWith(t, "rule_files: [bad.yaml]\ntests: [{name: t}]"); !errors.As(err, &bad) {
		t.Errorf("bad rules: %v", err)
	}
	if _, _, err := runWith(t, "rule_files: [none.yaml]\ntests: [{name: t}]"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing rules: %v", err)
	}
}
