package functions_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"lethe/alerting"
)

func TestRules(t *testing.T) {
	o := options(logs(0, nil))
	s := serve(t, o)
	for path, want := range map[string]string{"/api/v1/rules": `"data":{"groups":[]}`, "/api/v1/alerts": `"data":{"alerts":[]}`} {
		if status, _, body := get(t, s, path); status != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("without rules, %s: %d %s", path, status, body)
		}
	}
	at := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	states := []*alerting.State{{File: "a.yml", Group: "g", Evaluated: at, Interval: 60, Rules: []alerting.RuleState{
		{Rule: alerting.RuleInfo{Name: "X", Query: "pod{}", Labels: map[string]string{"severity": "page"}}, Health: alerting.HealthOK, Evaluated: at, Alerts: []alerting.Alert{
			{Labels: labels.FromStrings("alertname", "X"), Phase: alerting.Firing, Value: 3, ActiveAt: at},
		}},
		{Rule: alerting.RuleInfo{Name: "Y", Query: "pod{}"}, Health: alerting.HealthErr, Error: "broken", Evaluated: at},
	}}}
	var broken error
	o = options(logs(0, nil))
	o.Rules = func(context.Context) (*alerting.Status, error) { return alerting.StatusOf(states), broken }
	s = serve(t, o)
	for _, tt := range []struct {
		path      string
		status    int
		has, lack string
	}{
		{"/api/v1/rules", 200, `"state":"firing","name":"X","query":"pod{}"`, ""},
		{"/api/v1/rules", 200, `"health":"err","lastError":"broken"`, ""},
		{"/api/v1/rules?type=alert&rule_name[]=Y", 200, `"name":"Y"`, `"name":"X"`},
		{"/api/v1/rules?rule_group[]=other", 200, `"groups":[]`, "X"},
		{"/api/v1/rules?file[]=a.yml&exclude_alerts=true", 200, `"alerts":[]`, `"activeAt"`},
		{"/api/v1/rules?match[]=%7Bseverity=%22page%22%7D", 200, `"name":"X"`, `"name":"Y"`},
		{"/api/v1/rules?match[]=%7Bseverity=", 400, `invalid parameter \"match[]\"`, ""},
		{"/api/v1/rules?group_limit=1", 200, `"name":"X"`, "groupNextToken"},
		{"/api/v1/rules?group_limit=1&group_next_token=" + alerting.StateHash("a.yml", "g"), 200, `"name":"X"`, "groupNextToken"},
		{"/api/v1/rules?group_limit=1&group_next_token=x", 400, "group_next_token", ""},
		{"/api/v1/rules?group_next_token=x", 400, "group_limit", ""},
		{"/api/v1/rules?group_limit=0", 400, "group_limit", ""},
		{"/api/v1/rules?type=record", 200, `"groups":[]`, "X"},
		{"/api/v1/rules?type=all", 400, `"errorType":"bad_data"`, ""},
		{"/api/v1/rules?exclude_alerts=maybe", 400, `"errorType":"bad_data"`, ""},
		{"/api/v1/alerts", 200, `"alerts":[{"labels":{"alertname":"X"},"annotations":{},"state":"firing","activeAt":"2026-03-01T09:00:00Z","value":"3e+00"}]`, ""},
	} {
		status, _, body := get(t, s, tt.path)
		if status != tt.status || !strings.Contains(body, tt.has) || tt.lack != "" && strings.Contains(body, tt.lack) {
			t.Errorf("%s: %d %s", tt.path, status, body)
		}
	}
	broken = errors.New("the bucket is down")
	for _, path := range []string{"/api/v1/rules", "/api/v1/alerts"} {
		if status, _, body := get(t, s, path); status != http.StatusInternalServerError || !strings.Contains(body, `"status":"error"`) {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
}
