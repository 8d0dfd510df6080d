package main

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"lethe/internal/config"
	"lethe/objstore"
	"lethe/objstore/memstore"
)

// rulesOf is a rule file with one group of one rule.
func rulesOf(group, alert string) string {
	return "groups:\n- name: " + group + "\n  rules:\n  - alert: " + alert + "\n    expr: pod{namespace=\"shop\"} |= \"panic\"\n"
}

func put(t *testing.T, b objstore.Bucket, key, body string) {
	t.Helper()
	if _, err := b.Put(t.Context(), key, strings.NewReader(body), int64(len(body)), objstore.Condition{}); err != nil {
		t.Fatal(err)
	}
}

func writeFile(t *testing.T, name, body string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Rules are looked at again before each evaluation. What cannot be used changes nothing, and shows.
func TestRulesAreReadAgain(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	bucket, dir, reg := memstore.New(clock), t.TempDir(), prometheus.NewRegistry()
	var log bytes.Buffer
	p := &program{config: config.New(), args: newArgs(), now: clock, log: slog.New(slog.NewTextHandler(&log, nil))}
	p.config.Alerting.Rules = config.List{filepath.Join(dir, "*.yaml"), "bucket:rules/"}
	writeFile(t, filepath.Join(dir, "a.yaml"), rulesOf("a", "First"))
	writeFile(t, filepath.Join(dir, "skipped.yaml"), "datasourceSelector: {type: prometheus}\n"+rulesOf("no", "NotHere"))
	writeFile(t, filepath.Join(dir, "two.yaml"), "datasourceSelector: {type: prometheus}\n"+rulesOf("no", "NotHere")+"---\n"+rulesOf("two", "Second"))
	put(t, bucket, "rules/b.yml", rulesOf("b", "InBucket"))
	a, err := p.openAlerting(t.Context(), bucket, reg)
	if err != nil {
		t.Fatal(err)
	}
	evaluate := func() {
		t.Helper()
		now = now.Add(time.Minute)
		if _, err := a.Run(t.Context(), now); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(loaded float64, warnings int, rules ...string) {
		t.Helper()
		s := a.Status(t.Context())
		var got []string
		for _, g := range s.Groups {
			for _, r := range g.Rules {
				got = append(got, g.Name+"/"+r.Name)
			}
		}
		if strings.Join(got, " ") != strings.Join(rules, " ") || len(s.Warnings) != warnings || testutil.ToFloat64(a.metrics.ok) != loaded {
			t.Errorf("rules %q, warnings %q, loaded %v; want %q", got, s.Warnings, testutil.ToFloat64(a.metrics.ok), rules)
		}
	}
	evaluate()
	expect(1, 0, "a/First", "two/Second", "b/InBucket")
	good := testutil.ToFloat64(a.metrics.last)

	// A broken file keeps all rules, as often as it is read, and is logged once.
	writeFile(t, filepath.Join(dir, "a.yaml"), rulesOf("a", "Second")+"  exprs: pod{}\n")
	put(t, bucket, "rules/b.yml", rulesOf("b", "Changed"))
	for range 3 {
		evaluate()
		expect(0, 1, "a/First", "two/Second", "b/InBucket")
	}
	if n := strings.Count(log.String(), "rules were not loaded"); n != 1 || !strings.Contains(log.String(), "a.yaml:6:3") {
		t.Errorf("logged %d times:\n%s", n, log.String())
	}
	if testutil.ToFloat64(a.metrics.last) != good {
		t.Error("a load that failed counts as one that did not")
	}

	// The same group twice, a pattern that names nothing any more, and then all is well.
	writeFile(t, filepath.Join(dir, "a.yaml"), rulesOf("a", "Second")+strings.TrimPrefix(rulesOf("a", "Twin"), "groups:\n"))
	evaluate()
	expect(0, 1, "a/First", "two/Second", "b/InBucket")
	if err := bucket.Delete(t.Context(), "rules/b.yml"); err != nil {
		t.Fatal(err)
	}
	evaluate()
	expect(0, 1, "a/First", "two/Second", "b/InBucket")
	writeFile(t, filepath.Join(dir, "a.yaml"), rulesOf("a", "Second"))
	put(t, bucket, "rules/c.yaml", rulesOf("c", "New"))
	evaluate()
	expect(1, 0, "a/Second", "two/Second", "c/New")

	// The group that is gone leaves no series behind, and a file that is skipped is not logged each time.
	all, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		for _, m := range f.Metric {
			if strings.Contains(m.String(), `"b"`) {
				t.Errorf("%s has %s", f.GetName(), m)
			}
		}
	}
	logged := strings.Count(log.String(), "was skipped")
	for range 3 {
		evaluate()
	}
	if n := strings.Count(log.String(), "was skipped"); n != logged {
		t.Errorf("a file that is skipped is logged %d times more", n-logged)
	}
}
