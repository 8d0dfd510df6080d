package alerting

import (
	"errors"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/prometheus/prometheus/model/labels"

	"lethe/alerting/rulefile"
)

func testExpander() *expander {
	return &expander{now: epoch, external: map[string]string{"cluster": "seoul"}, url: &url.URL{Scheme: "https", Host: "lethe.example"}}
}

func TestExpand(t *testing.T) {
	r := &rulefile.Rule{
		Alert: "X", Query: rulefile.Query{Log: true},
		Labels: map[string]string{"severity": "{{ if gt $value 2.0 }}page{{ else }}ticket{{ end }}", "container": ""},
		Annotations: map[string]string{
			"summary": `{{ $labels.pod }} {{ $value | humanize }} {{ $externalLabels.cluster }} {{ $externalURL }} {{ $line }}`, "broken": `{{ index $labels 1 }}`,
		},
	}
	out, err := testExpander().results(t.Context(), r, []sample{
		{labels: labels.FromStrings("__name__", "m", "pod", "p", "container", "a"), value: 3, line: "old", lineTime: 1},
		{labels: labels.FromStrings("pod", "p", "container", "b"), value: 4, line: "new", lineTime: 2},
		{labels: labels.FromStrings("pod", "q", "container", "a"), value: 1, line: "other", lineTime: 1},
	})
	if err != nil || len(out) != 2 {
		t.Fatalf("%v, %v", out, err)
	}
	if want := `{alertname="X", pod="p", severity="page"}`; out[0].labels.String() != want || out[0].value != 7 {
		t.Errorf("%s with %v, want %s", out[0].labels, out[0].value, want)
	}
	if s := out[0].annotations.Get("summary"); s != "p 7 seoul https://lethe.example new" {
		t.Errorf("summary %q", s)
	}
	if s := out[0].annotations.Get(LineAnnotation); s != "new" {
		t.Errorf("last line %q", s)
	}
	if s := out[0].annotations.Get("broken"); !strings.HasPrefix(s, "<error expanding template") {
		t.Errorf("a template that fails: %q", s)
	}
	if out[1].labels.Get("severity") != "ticket" {
		t.Errorf("labels %s", out[1].labels)
	}
}

func TestExpandRefusesEqualSamples(t *testing.T) {
	r := &rulefile.Rule{Alert: "X", Labels: map[string]string{"pod": ""}}
	_, err := testExpander().results(t.Context(), r, []sample{{labels: labels.FromStrings("pod", "p")}, {labels: labels.FromStrings("pod", "q")}})
	if !errors.Is(err, ErrDuplicate) {
		t.Errorf("error %v", err)
	}
}

func TestBounded(t *testing.T) {
	for _, s := range []string{"", "short", strings.Repeat("한", 1000), "a\xff\xfeb", strings.Repeat("\xff", 3000)} {
		got := bounded(s, maxLine)
		if !utf8.ValidString(got) || len(got) > maxLine+len("…") {
			t.Errorf("%d bytes, valid %v", len(got), utf8.ValidString(got))
		}
	}
	if got := bounded("abc", 3); got != "abc" {
		t.Errorf("%q", got)
	}
}
