package letheql_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"

	"lethe/letheql"
)

// readQueries returns the queries of a file, one a line.
func readQueries(t testing.TB, file string) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSuffix(line, "\n"); line != "" && !strings.HasPrefix(line, "# ") {
			out = append(out, line)
		}
	}
	if len(out) == 0 {
		t.Fatalf("%s holds no queries", file)
	}
	return out
}

// What PromQL accepts parses to the same tree, and what it refuses is refused in its words.
func TestPromQLIsUnchanged(t *testing.T) {
	for _, q := range readQueries(t, "testdata/promql.txt") {
		checkAgainstPromQL(t, q)
	}
}

func checkAgainstPromQL(t *testing.T, q string) {
	t.Helper()
	want, werr := parser.NewParser(parser.Options{}).ParseExpr(q)
	got, err := letheql.Parse(q)
	switch {
	case werr == nil && err != nil:
		t.Errorf("%s: PromQL accepts it: %v", q, err)
	case werr != nil && err == nil:
		t.Errorf("%s: PromQL refuses it: %v", q, werr)
	case werr != nil && err.Error() != werr.Error():
		t.Errorf("%s: got %v, want %v", q, err, werr)
	case werr == nil:
		if g, w := parser.Tree(got.Root()), parser.Tree(want); g != w {
			t.Errorf("%s:\n got\n%s\nwant\n%s", q, g, w)
		}
		if got.Root().PositionRange() != want.PositionRange() {
			t.Errorf("%s: positions %v, want %v", q, got.Root().PositionRange(), want.PositionRange())
		}
	}
}

func TestLetheQLRoundTrip(t *testing.T) {
	for _, q := range readQueries(t, "testdata/letheql.txt") {
		e, err := letheql.Parse(q)
		if err != nil {
			t.Errorf("%s: %v", q, err)
			continue
		}
		if err := e.Validate(); err != nil {
			t.Errorf("%s: %v", q, err)
		}
		checkRoundTrip(t, e)
	}
}

// checkRoundTrip: both printed forms parse back to the same tree with the same filters and stages.
func checkRoundTrip(t *testing.T, e letheql.Expr) {
	t.Helper()
	for _, text := range []string{e.String(), e.Pretty()} {
		again, err := letheql.Parse(text)
		if err != nil {
			t.Errorf("%q prints as %q: %v", e.Text(), text, err)
			return
		}
		if again.String() != e.String() {
			t.Errorf("%q prints as %q, which prints as %q", e.Text(), text, again.String())
		}
		if g, w := parser.Tree(again.Root()), parser.Tree(e.Root()); g != w {
			t.Errorf("%q prints as %q, another tree:\n%s\nwant\n%s", e.Text(), text, g, w)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, file := range []string{"testdata/promql.txt", "testdata/letheql.txt"} {
		for _, q := range readQueries(f, file) {
			f.Add(q)
		}
	}
	f.Fuzz(func(t *testing.T, q string) {
		e, err := letheql.Parse(q)
		if _, perr := parser.NewParser(parser.Options{}).ParseExpr(q); perr == nil && err != nil {
			t.Fatalf("PromQL accepts %q: %v", q, err)
		}
		if err == nil {
			checkRoundTrip(t, e)
			err = e.Validate()
		}
		var pe *letheql.Error
		if err != nil && (!errors.As(err, &pe) || pe.Pos > len(q) || pe.Pos >= 0 && (pe.Line < 1 || pe.Col < 1)) {
			t.Fatalf("%q: %#v", q, err)
		}
	})
}
