package alerting

import (
	"encoding/json"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"

	"lethe/alerting/rulefile"
)

// The answer has the fields of Prometheus's, and a resolved alert is not in it.
func TestStatusAsJSON(t *testing.T) {
	w := newWorld()
	rule := logRule("r")
	rule.For, rule.Labels, rule.Annotations = time.Minute, map[string]string{"severity": "page"}, map[string]string{"summary": "{{ $value }} of {{ $labels.container }}: {{ $line }}"}
	never := rulefile.Rule{Alert: "Never", Expr: "vector(0) > 1", KeepFiringFor: time.Second}
	e := w.evaluator(t, newInbox(w), rule, never)
	e.run(t, w, 0)
	w.put(0, line(0.5, "a"), line(0.6, "b"))
	e.run(t, w, 2)
	w.put(1, line(1.5, "a"), line(1.6, "a"))
	e.run(t, w, 3)
	e.run(t, w, 4)
	got, err := json.MarshalIndent(e.Status(t.Context()), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden := "testdata/status.json"
	if *update {
		if err := os.WriteFile(golden, append(got, '\n'), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// Whoever has the states only answers the same.
	other, err := json.MarshalIndent(StatusOf([]*State{w.state(t)}), "", "  ")
	if err != nil || string(other) != string(got) {
		t.Errorf("%v, other than the evaluator: %s", err, other)
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)+"\n"); d != "" {
		t.Error(d)
	}
}

func TestStatusWhenTheStoreIsDown(t *testing.T) {
	w := newWorld()
	e := w.evaluator(t, nil, logRule("r"))
	if s := e.Status(t.Context()).Groups[0].Rules[0]; s.State != "unknown" || s.Health != HealthUnknown {
		t.Errorf("before the first run: %+v", s)
	}
	e.run(t, w, 0)
	w.hook = func(op string) error {
		if op == "swap" {
			return errInjected
		}
		return nil
	}
	if _, err := e.Run(t.Context(), at(1)); !errors.Is(err, errInjected) {
		t.Fatal(err)
	}
	if s := e.Status(t.Context()).Groups[0].Rules[0]; s.Health != HealthErr || s.LastError == "" {
		t.Errorf("after a run that could not swap: %+v", s)
	}
	w.hook = func(string) error { return nil }
	e.run(t, w, 2)
	if s := e.Status(t.Context()).Groups[0].Rules[0]; s.Health != HealthOK || s.LastError != "" {
		t.Errorf("after a run that could: %+v", s)
	}
	w.put(1, line(0.5, "a"))
	e.run(t, w, 3)
	w.hook = func(string) error { return errInjected }
	s := e.Status(t.Context())
	if g := s.Groups[0]; g.Rules[0].Health != HealthErr || g.Name == "" || !g.LastEvaluation.Equal(at(3)) || len(s.Alerts()) != 1 || s.Alerts()[0].State != Firing {
		t.Errorf("while the store is down: %+v", s)
	}
	w.now = at(3 + maxRemind.Minutes() + 1)
	if s := e.Status(t.Context()); s.Groups[0].Rules[0].Health != HealthErr || len(s.Alerts()) != 0 {
		t.Errorf("while the store is down for long: %+v", s)
	}
}

func TestStatusFilter(t *testing.T) {
	s := &Status{Groups: []GroupStatus{
		{File: "b.yml", Name: "g", Rules: []RuleStatus{{RuleInfo: RuleInfo{Name: "X", Labels: map[string]string{"severity": "page"}}, Alerts: make([]AlertStatus, 2)}, {RuleInfo: RuleInfo{Name: "Y"}}}},
		{File: "a.yml", Name: "g", Rules: []RuleStatus{{RuleInfo: RuleInfo{Name: "Z", Labels: map[string]string{"team": "shop"}}}}},
	}}
	for _, tt := range []struct {
		name   string
		filter StatusFilter
		want   string
	}{
		{"all", StatusFilter{}, "a.yml:Z b.yml:X b.yml:Y "},
		{"by rule", StatusFilter{Rules: []string{"X", "Z"}}, "a.yml:Z b.yml:X "},
		{"by file", StatusFilter{Files: []string{"a.yml"}}, "a.yml:Z "},
		{"by group", StatusFilter{Groups: []string{"other"}}, ""},
		{"by labels", StatusFilter{Matchers: [][]*labels.Matcher{{labels.MustNewMatcher(labels.MatchEqual, "severity", "page")}}}, "b.yml:X "},
		{"without a label", StatusFilter{Matchers: [][]*labels.Matcher{{labels.MustNewMatcher(labels.MatchNotEqual, "severity", "page")}}}, "a.yml:Z b.yml:Y "},
		{"by one or the other", StatusFilter{Matchers: [][]*labels.Matcher{
			{labels.MustNewMatcher(labels.MatchEqual, "severity", "page")}, {labels.MustNewMatcher(labels.MatchEqual, "team", "shop")},
		}}, "a.yml:Z b.yml:X "},
		{"recording rules", StatusFilter{Record: true}, ""},
	} {
		got := ""
		for _, g := range s.Filter(tt.filter).Groups {
			for _, r := range g.Rules {
				got += g.File + ":" + r.Name + " "
			}
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
	if n := len(s.Alerts()); n != 2 {
		t.Errorf("%d alerts", n)
	}
	if n := len(s.Filter(StatusFilter{ExcludeAlerts: true}).Alerts()); n != 0 {
		t.Errorf("%d alerts although none were asked for", n)
	}
}

func TestStatusPages(t *testing.T) {
	s := &Status{Warnings: []string{"w"}}
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		s.Groups = append(s.Groups, GroupStatus{File: "f.yml", Name: name})
	}
	for limit, want := range map[int]string{1: "a|b|c|d|e|", 2: "ab|cd|e|", 5: "abcde|", 6: "abcde|"} {
		got, token := "", ""
		for {
			page, ok := s.Page(limit, token)
			if !ok || len(page.Warnings) != 1 {
				t.Fatalf("%d: %+v, %v", limit, page, ok)
			}
			for _, g := range page.Groups {
				got += g.Name
			}
			got += "|"
			if token = page.Next; token == "" {
				break
			}
		}
		if got != want {
			t.Errorf("%d a page: %s, want %s", limit, got, want)
		}
	}
	if _, ok := s.Page(2, "other"); ok {
		t.Error("a page of a group that there is not")
	}
}
