package config_test

import (
	"strings"
	"testing"
	"time"

	"lethe/internal/config"
)

func noEnv(string) (string, bool) { return "", false }

func TestDefaultsAreThoseOfTheDocumentation(t *testing.T) {
	c := config.New()
	for key, want := range map[string]string{
		"retention.time": "15d", "retention.size": "0", "query.limit": "1000", "query.timeout": "20s", "query.ingest_delay": "2m",
		"web.listen_address": ":6060", "storage.bucket": "", "compactor.every": "1m", "compactor.target_size": "256MB",
	} {
		if got := c.Setting(key).Value.String(); got != want {
			t.Errorf("%s: %q, want %q", key, got, want)
		}
	}
}

func TestPrecedence(t *testing.T) {
	file := []byte("query:\n  limit: 1\n  timeout: 1s\n  max_points: 1\nretention:\n  time: 1d\n")
	env := map[string]string{"LETHE_QUERY_LIMIT": "2", "LETHE_QUERY_TIMEOUT": "2s", "LETHE_BUCKET": "file:///env", "LETHE_RETENTION_SIZE": ""}
	c := config.New()
	if err := c.Setting("query.limit").SetFlag("3"); err != nil {
		t.Fatal(err)
	}
	if err := c.LoadEnv(func(k string) (string, bool) { v, ok := env[k]; return v, ok }); err != nil {
		t.Fatal(err)
	}
	if _, err := c.LoadFile("lethe.yaml", file); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"query.limit": "3", "query.timeout": "2s", "query.max_points": "1", "retention.time": "1d", "storage.bucket": "file:///env", "retention.size": "0",
	} {
		if got := c.Setting(key).Value.String(); got != want {
			t.Errorf("%s: %q, want %q", key, got, want)
		}
	}
}

func TestListsAreReplacedNotJoined(t *testing.T) {
	file := []byte("alerting:\n  rules:\n    - a.yaml\n    - b.yaml\n  alertmanagers: http://one\n")
	c := config.New()
	if err := c.Setting("alerting.alertmanagers").SetFlag("http://x"); err != nil {
		t.Fatal(err)
	}
	if err := c.Setting("alerting.alertmanagers").SetFlag("http://y"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.LoadFile("f", file); err != nil {
		t.Fatal(err)
	}
	if got := c.Alerting.Rules.String(); got != "a.yaml,b.yaml" {
		t.Error(got)
	}
	if got := c.Alerting.Alertmanagers.String(); got != "http://x,http://y" {
		t.Error(got)
	}
	c = config.New()
	if err := c.LoadEnv(func(k string) (string, bool) { return "p, q", k == "LETHE_ALERTING_RULES" }); err != nil {
		t.Fatal(err)
	}
	if got := c.Alerting.Rules.String(); got != "p,q" {
		t.Error(got)
	}
}

func TestFileErrors(t *testing.T) {
	for _, c := range []struct{ name, file, want string }{
		{"unknown", "query:\n  limit: 5\n  limmit: 6\n", "lethe.yaml:3:3: unknown key query.limmit (there are query.concurrency"},
		{"unknown section", "foo: 1\n", "lethe.yaml:1:1: unknown key foo"},
		{"doubled", "query:\n  limit: 5\nquery.limit: 6\n", "lethe.yaml:3:1: the key query.limit stands in line 2 already"},
		{"bad value", "\nretention:\n  time: tomorrow\n", "lethe.yaml:3:9: retention.time: "},
		{"bad size", "retention:\n  size: 5 bananas\n", "lethe.yaml:2:9: retention.size: "},
		{"bad choice", "log:\n  level: loud\n", "lethe.yaml:2:10: log.level: \"loud\" is none of debug, info, warn, error"},
		{"below", "query:\n  concurrency: 0\n", "lethe.yaml:2:16: query.concurrency: 0 is less than 1"},
		{"list for one", "query:\n  limit: [1]\n", "lethe.yaml:2:10: query.limit: it takes one value"},
		{"not a mapping", "query: 5\n", "lethe.yaml:1:1: unknown key query (there are"},
		{"list", "- a\n", "lethe.yaml:1:1: the file is not a mapping"},
		{"two documents", "query:\n  limit: 5\n---\nquery:\n  limit: 6\n", "more than one document"},
		{"syntax", "query: [\n", "lethe.yaml: yaml: "},
		{"alias", "a: &x 1\nquery:\n  limit: *x\n", "lethe.yaml:3:3: a key is a plain word, and aliases are not taken"},
		{"override", "retention:\n  overrides:\n    - selector: pod{}\n      tme: 3d\n", "lethe.yaml:4:7: retention.overrides: the key \"tme\" is unknown"},
		{"override's value", "retention:\n  overrides:\n    - selector: pod{}\n      time: long\n", "lethe.yaml:4:13: retention.overrides: time: "},
		{"override twice", "retention:\n  overrides:\n    - {selector: 'pod{}', time: 3d, time: 4d}\n", "lethe.yaml:3:37: retention.overrides: the key time stands twice"},
		{"list in a list", "alerting:\n  rules:\n    - a.yaml\n    - [b.yaml]\n", "lethe.yaml:4:7: alerting.rules: the list holds something else"},
		{"empty in a list", "alerting:\n  rules: [a.yaml, '']\n", "lethe.yaml:2:19: alerting.rules: it is empty"},
		{"unknown section's place", "query:\n  limit: 5\nfoo:\n  - 1\n", "lethe.yaml:3:1: unknown key foo"},
		{"empty override", "retention:\n  overrides:\n    - selector: pod{}\n", "lethe.yaml:3:7: retention.overrides: an override needs a selector, and a time or a size"},
		{"too large", "#" + strings.Repeat("x", config.MaxFileBytes), "the limit is"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := config.New().LoadFile("lethe.yaml", []byte(c.file))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

func TestLegacyKeysAreIgnoredWithAWarning(t *testing.T) {
	c := config.New()
	warnings, err := c.LoadFile("lethe.yaml", []byte("retention:\n  size: 300Gi\n  size_strategy: file\nstorage:\n  driver: filesystem\n  log_data_path: /data/log\nweb:\n  gin_mode: release\n"))
	if err != nil {
		t.Fatal(err)
	}
	if len(warnings) != 4 || !strings.Contains(warnings[0], "lethe.yaml:3:3: the key retention.size_strategy of the original Lethe is ignored") {
		t.Error(warnings)
	}
	if c.Retention.Size != 300<<30 {
		t.Error(c.Retention.Size)
	}
}

func TestEmptyFileAndNull(t *testing.T) {
	for _, s := range []string{"", "# nothing\n", "query:\n", "query:\n  limit:\n", "---\n"} {
		if w, err := config.New().LoadFile("f", []byte(s)); err != nil || len(w) > 0 {
			t.Errorf("%q: %v %v", s, w, err)
		}
	}
}

func TestOverrides(t *testing.T) {
	c := config.New()
	if _, err := c.LoadFile("f", []byte("retention:\n  overrides:\n    - selector: 'pod{namespace=~\"dev-.*\"}'\n      time: 3d\n      size: 50GB\n")); err != nil {
		t.Fatal(err)
	}
	want := config.Override{Selector: `pod{namespace=~"dev-.*"}`, Time: config.Duration(72 * time.Hour), Size: 50 << 30}
	if len(c.Retention.Overrides) != 1 || c.Retention.Overrides[0] != want {
		t.Error(c.Retention.Overrides)
	}
	c = config.New()
	if err := c.Setting("retention.overrides").SetFlag(`[{selector: 'pod{namespace=~"dev-.*"}', time: 3d, size: 50GB}]`); err != nil {
		t.Fatal(err)
	}
	if len(c.Retention.Overrides) != 1 || c.Retention.Overrides[0] != want {
		t.Error(c.Retention.Overrides)
	}
}

func TestEnvErrorsNameTheVariable(t *testing.T) {
	err := config.New().LoadEnv(func(k string) (string, bool) { return "many", k == "LETHE_QUERY_LIMIT" })
	if err == nil || !strings.Contains(err.Error(), `LETHE_QUERY_LIMIT: "many" is not a whole number`) {
		t.Error(err)
	}
	if err := config.New().LoadEnv(noEnv); err != nil {
		t.Error(err)
	}
}

func TestSizes(t *testing.T) {
	for s, want := range map[string]int64{
		"0": 0, "17": 17, "17B": 17, "7g": 7 << 30, "7G": 7 << 30, "7GB": 7 << 30, "7GiB": 7 << 30, "300Gi": 300 << 30, "1000GB": 1000 << 30,
		"1.5k": 1536, "512m": 512 << 20, "2T": 2 << 40, " 1 KB ": 1024, "7EiB": 7 << 60,
	} {
		var z config.Size
		if err := z.Set(s); err != nil || int64(z) != want {
			t.Errorf("%q: %d %v, want %d", s, z, err, want)
		}
		var back config.Size
		if err := back.Set(z.String()); err != nil || back != z {
			t.Errorf("%q prints as %q, which is %d %v", s, z.String(), back, err)
		}
	}
	for _, s := range []string{"", "-1", "g", "1x", "1gg", "8EB", "99999999999999999999", "1e3", "0x10", "1i", "NaN"} {
		var z config.Size
		if err := z.Set(s); err == nil {
			t.Errorf("%q is %d, want an error", s, z)
		}
	}
}

func TestDurations(t *testing.T) {
	for s, want := range map[string]time.Duration{"0": 0, "15d": 15 * 24 * time.Hour, "1w": 7 * 24 * time.Hour, "1y": 365 * 24 * time.Hour, "1h30m": 90 * time.Minute, "500ms": 500 * time.Millisecond} {
		var d config.Duration
		if err := d.Set(s); err != nil || d.Std() != want {
			t.Errorf("%q: %v %v, want %v", s, d.Std(), err, want)
		}
	}
	for _, s := range []string{"", "5", "-1h", "1h1d", "abc"} {
		var d config.Duration
		if err := d.Set(s); err == nil {
			t.Errorf("%q is %v, want an error", s, d.Std())
		}
	}
}

func TestParseTime(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for s, want := range map[string]string{
		"now": "2026-03-01T12:00:00Z", "now-1h": "2026-03-01T11:00:00Z", "now+1d": "2026-03-02T12:00:00Z", "now-0": "2026-03-01T12:00:00Z",
		"2026-03-01T09:00:00Z": "2026-03-01T09:00:00Z", "2026-03-01T18:00:00.123456789+09:00": "2026-03-01T09:00:00.123456789Z",
		"1772355600": "2026-03-01T09:00:00Z", "1772355600.000000001": "2026-03-01T09:00:00.000000001Z", "1.7723556e9": "2026-03-01T09:00:00Z",
		"1772355600.5": "2026-03-01T09:00:00.5Z", "-1": "1969-12-31T23:59:59Z", "0": "1970-01-01T00:00:00Z",
		"-292273086-05-16T16:47:06Z": "1677-09-21T00:12:43.145224192Z", "-292273086-05-16T16:47:06.000Z": "1677-09-21T00:12:43.145224192Z",
		"292277025-08-18T07:12:54.999999999Z": "2262-04-11T23:47:16.854775807Z", "+292277025-08-18T07:12:54.999Z": "2262-04-11T23:47:16.854775807Z",
	} {
		got, err := config.ParseTime(s, now)
		if err != nil || got.Format(time.RFC3339Nano) != want {
			t.Errorf("%q: %v %v, want %s", s, got, err, want)
		}
	}
	for _, s := range []string{"", "yesterday", "now1h", "now-", "now-x", "NaN", "Inf", "1e999999999", "1e99", "9999999999999", "1/2", "0x10", "2026-03-01", "292277025-08-18T07:12:54", "292277025-08-18T07:12:54.xZ", "now--1h", strings.Repeat("1", 100)} {
		if got, err := config.ParseTime(s, now); err == nil {
			t.Errorf("%q is %v, want an error", s, got)
		}
	}
	if _, err := config.ParseTime("1772355600123", now); err == nil || !strings.HasSuffix(err.Error(), "are these milliseconds? In seconds it is 1772355600.123") {
		t.Error(err)
	}
}

func TestEveryEnvironmentVariableIsUnique(t *testing.T) {
	seen := map[string]string{}
	for _, s := range config.New().Settings() {
		if other, ok := seen[s.Env()]; ok {
			t.Errorf("%s and %s share %s", s.Key, other, s.Env())
		}
		seen[s.Env()] = s.Key
		if s.Usage == "" {
			t.Errorf("%s has no usage", s.Key)
		}
	}
}
