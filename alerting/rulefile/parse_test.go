package rulefile

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

var errBad = errors.New("1:1: parse error: BAD")

func check(expr string) (Query, error) {
	if strings.HasPrefix(expr, "BAD") {
		return Query{}, errBad
	}
	return Query{Log: !strings.Contains(expr, "(")}, nil
}

func parseFile(t *testing.T, path string) (*File, error) {
	t.Helper()
	body, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return Parse(filepath.Base(path), body, check)
}

func TestParseGoodFiles(t *testing.T) {
	silence := map[string]string{"rulefile": "shop-v1", "severity": "silence", "hello": "world"}
	critical := map[string]string{"rulefile": "shop-v1", "severity": "critical"}
	offset := time.Minute
	rate := Rule{
		Alert: "ErrorRate", Expr: "sum by (namespace, pod) (\n  count_over_time(pod{namespace=~\".+\"} |= \"error\" [5m])\n) > 10\n",
		For: 90 * time.Minute, KeepFiringFor: 48 * time.Hour, Labels: map[string]string{"team": "infra", "tier": "2"},
		Annotations: map[string]string{"summary": "{{ $labels.pod }}: {{ $value | humanize }} errors; {{ .Line }}{{ $line }}"},
		Line:        9, Col: 5,
	}
	again := rate
	again.Labels = map[string]string{"tier": "2"}
	want := map[string]*File{
		"venti.yml": {Groups: []Group{{Name: "shop", Rules: []Rule{
			{Alert: "S00-Always", Expr: "vector(1)", Labels: silence, Annotations: map[string]string{"summary": "always value={{ $value }}"}, Line: 10, Col: 5},
			{Alert: "S01-Panic", Expr: `pod{namespace="shop"} |= "panic"`, Query: Query{Log: true}, For: 3 * time.Second, KeepFiringFor: DefaultKeepFiring, Labels: critical,
				Annotations: map[string]string{"summary": "labels={{ $labels }} namespace={{ $labels.namespace }} value={{ $value }}"}, Line: 17, Col: 5},
		}}}},
		"venti-no-kind.yaml": {Groups: []Group{{Name: "sample", Rules: []Rule{
			{Alert: "Mounts", Expr: `node{process="kubelet"} |= "MountVolume.SetUp failed"`, Query: Query{Log: true}, KeepFiringFor: DefaultKeepFiring, Line: 4, Col: 5},
		}}}},
		"venti-prometheus.yml": {Skipped: "datasourceSelector.type is prometheus"},
		"documents.yml": {Skipped: "datasourceSelector.type is prometheus", Groups: []Group{{Name: "sample", Rules: []Rule{
			{Alert: "Mounts", Expr: "pod{}", Query: Query{Log: true}, KeepFiringFor: DefaultKeepFiring, Line: 11, Col: 5},
		}}}},
		"prometheus.yml": {Groups: []Group{
			{Name: "rates", Interval: 30 * time.Second, QueryOffset: &offset, Limit: 20, Rules: []Rule{rate}},
			{Name: "again", Rules: []Rule{again}},
			{Name: "quick", Rules: []Rule{{Alert: "LogQuick", Expr: "pod{}", Query: Query{Log: true}, Line: 28, Col: 5}}},
		}},
	}
	files, err := filepath.Glob("testdata/good/*")
	if err != nil || len(files) != len(want) {
		t.Fatalf("%d files, want %d: %v", len(files), len(want), err)
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			got, err := parseFile(t, path)
			if err != nil {
				t.Fatal(err)
			}
			w := want[filepath.Base(path)]
			w.Name = filepath.Base(path)
			for i := range w.Groups {
				w.Groups[i].File = w.Name
			}
			if d := cmp.Diff(w, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestParseBadFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			_, err := parseFile(t, path)
			if err == nil {
				t.Fatal("no error")
			}
			var e *Error
			if !errors.As(err, &e) {
				t.Errorf("%T is not an *Error", err)
			}
			golden := strings.TrimSuffix(path, ".yml") + ".txt"
			if *update {
				if err := os.WriteFile(golden, []byte(err.Error()+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err2 := os.ReadFile(golden)
			if err2 != nil {
				t.Fatal(err2)
			}
			if d := cmp.Diff(string(want), err.Error()+"\n"); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestParseBounds(t *testing.T) {
	if _, err := Parse("big.yml", make([]byte, MaxFileBytes+1), check); !errors.Is(err, errFileTooBig) {
		t.Errorf("a file over the limit: %v", err)
	}
	many := "groups:\n- name: a\n  rules:\n" + strings.Repeat("  - {alert: X, expr: pod}\n", MaxRules+1)
	if _, err := Parse("many.yml", []byte(many), check); !errors.Is(err, errTooManyRule) {
		t.Errorf("more rules than the limit: %v", err)
	}
	if f, err := Parse("empty.yml", nil, check); err != nil || len(f.Groups) != 0 {
		t.Errorf("an empty file: %v, %v", f, err)
	}
	if _, err := Parse("x.yml", []byte("groups:\n- {name: a, rules: [{alert: X, expr: BAD}]}\n"), check); !errors.Is(err, errBad) {
		t.Errorf("the error of the expression is not wrapped: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*/*.y*ml")
	if err != nil || len(files) == 0 {
		f.Fatalf("no corpus: %v", err)
	}
	for _, path := range files {
		body, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		file, err := Parse("fuzz.yml", body, check)
		if (file == nil) == (err == nil) {
			t.Fatalf("file %v, error %v", file, err)
		}
	})
}
