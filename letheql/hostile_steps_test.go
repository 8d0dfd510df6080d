package letheql_test

import (
	"errors"
	"runtime"
	"strings"
	"testing"

	"lethe/letheql"
)

// allocated returns how many bytes a function allocates in all.
func allocated(run func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	run()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// Expressions that are small each, and a gigabyte together when they are compiled, are refused before most of them are.
func TestExpressionsAreBoundedTogether(t *testing.T) {
	const text = `"a{1000}"`
	for name, tc := range map[string]struct{ before, one, after string }{
		"matchers":            {"pod{", "pod=~" + text + ",", "}"},
		"matchers, negated":   {"pod{", "pod !~ #\n" + text + ",", "}"},
		"quoted labels":       {"{", `"pod"=~` + text + ",", `__name__="pod"}`},
		"selectors":           {"1", " + pod{pod=~" + text + "}", ""},
		"texts of a filter":   {"pod{} |~ " + text, " or " + text, ""},
		"filters":             {"1", " + pod{} |~ " + text, ""},
		"regexp":              {"pod{}", ` | regexp "(?P<x>b)` + text[1:], ""},
		"label filter":        {"pod{} | json | x=~" + text, " or x!~" + text, ""},
		"label filters":       {"pod{} | json", " | x=~" + text, ""},
		"drop":                {"pod{} | json | drop y", ", x=~" + text, ""},
		"keep":                {"pod{} | json | keep y", ", x!~" + text, ""},
		"matchers and stages": {"1", " + pod{pod=~" + text + "} !~ " + text + " | x=~" + text, ""},
	} {
		query := tc.before + strings.Repeat(tc.one, (64<<10)/len(tc.one)) + tc.after
		var err error
		if n := allocated(func() { _, err = letheql.Parse(query) }); n > 64<<20 {
			t.Errorf("%s: %d MiB were allocated", name, n>>20)
		}
		var e *letheql.Error
		if !errors.As(err, &e) || e.Msg != "the expressions of the query need more than 100000 steps together" {
			t.Errorf("%s: %.200v", name, err)
			continue
		}
		if rest := query[e.Pos:]; !strings.HasPrefix(rest, text) && !strings.HasPrefix(rest, `"(?P<x>b)a{1000}"`) {
			t.Errorf("%s: the error points at %.20q", name, rest)
		}
		// What stands before the one that is over the limit is within it.
		if n := strings.Count(query[:e.Pos], "a{1000}"); n < 98 || n > 99 {
			t.Errorf("%s: %d expressions were taken", name, n)
		}
	}
}

// A dashboard may name each pod there is, and text counts for nothing.
func TestPlainTextIsNoExpression(t *testing.T) {
	names := strings.Repeat("nginx-7d4b9c-x2x4z|", 6000) + "x"
	for _, query := range []string{
		`pod{pod=~"` + names + `"}`, `pod{pod="a{1000}"` + strings.Repeat(`,pod!="a{1000}"`, 200) + "}", `pod{} | json` + strings.Repeat(` | x="a{1000}"`, 200),
		"pod{} |= \"a{1000}\"" + strings.Repeat(` or "a{1000}"`, 200),
	} {
		e, err := letheql.Parse(query)
		if err == nil {
			err = e.Validate()
		}
		if err != nil {
			t.Errorf("%.40s…: %.200v", query, err)
		}
	}
}
