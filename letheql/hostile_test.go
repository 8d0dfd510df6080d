package letheql_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"
	"time"

	"lethe/internal/record"
	"lethe/letheql"
)

// Queries whose tree would take the square of their length are refused before anything looks at the tree.
func TestDeepQueriesAreRefused(t *testing.T) {
	for _, query := range []string{
		"1" + strings.Repeat("+1", 30_000), strings.Repeat("(", 30_000) + "1" + strings.Repeat(")", 30_000),
		"vector(1)" + strings.Repeat(" or vector(1)", 5000), strings.Repeat("-", 60_000) + "1", "vector(1)" + strings.Repeat("[1s:1s]", 6000),
		`pod{} | a="1"` + strings.Repeat(` or a="1"`, 5000), "pod{}" + strings.Repeat(" | json | a > 1", 6000),
		"pod{} | json a" + strings.Repeat(",a", 5000), "pod{} | logfmt a" + strings.Repeat(`,a="b"`, 5000), "pod{} | drop a" + strings.Repeat(",a", 5000),
	} {
		_, err := letheql.Parse(query)
		var e *letheql.Error
		if !errors.As(err, &e) || !strings.HasSuffix(e.Msg, "more than 5000 operators and parentheses") || e.Line != 1 {
			t.Errorf("%.30s…: %v", query, err)
		}
	}
	if _, err := letheql.Parse(`pod{} |= "` + strings.Repeat("(+", 5000) + `"`); err != nil {
		t.Error("text of a filter has no operators:", err)
	}
	if _, err := letheql.Parse("1" + strings.Repeat(" + 1", 1000)); err != nil {
		t.Error(err)
	}
}

// Long queries are printed in one line: breaking them takes the cube of their depth. What is left takes a moment, not minutes.
func TestLongQueriesArePrintedInOneLine(t *testing.T) {
	for _, query := range []string{
		"1" + strings.Repeat(" + 1", 4900), strings.Repeat("(", 4900) + "1" + strings.Repeat(")", 4900), "pod{} | a=\"1\"" + strings.Repeat(` or a="1"`, 4900),
	} {
		e, err := letheql.Parse(query)
		if err != nil {
			t.Fatal(err)
		}
		if got := e.Pretty(); got != query {
			t.Errorf("%.30s…: %.60s…", query, got)
		}
	}
	short, err := letheql.Parse("1" + strings.Repeat(" + 1", 90))
	if err != nil {
		t.Fatal(err)
	}
	if got := short.Pretty(); strings.Count(got, "\n") < 50 {
		t.Error("not broken into lines:", got)
	}
}

// endless has many lines at hand, and does not look at the context: fetching does, and it has nothing to fetch.
type endless struct {
	letheql.Source
	rows   int
	cancel context.CancelFunc
}

func (s *endless) Lines(context.Context, letheql.Select, *letheql.Stats) iter.Seq2[record.Row, error] {
	return func(yield func(record.Row, error) bool) {
		for i := range s.rows {
			if i == 10 {
				s.cancel()
			}
			if !yield(record.Row{Time: noon.UnixNano(), Namespace: "a", Log: []byte("x")}, nil) {
				return
			}
		}
	}
}

func (s *endless) Visit(_ context.Context, _ letheql.Select, _ *letheql.Stats, visit func(*letheql.Batch) error) error {
	b := &letheql.Batch{Namespace: "a"}
	for range s.rows {
		b.Times, b.Logs = append(b.Times, noon.UnixNano()), append(b.Logs, []byte("x"))
	}
	s.cancel()
	return visit(b)
}

// Stages end with their query, also where the lines are there already.
func TestStagesEndWithTheContext(t *testing.T) {
	for _, query := range []string{`pod{} | json | line_format "y"`, `sum(count_over_time(pod{} | json [1m]))`} {
		ctx, cancel := context.WithCancel(t.Context())
		engine := newEngine(t, &endless{rows: 1000, cancel: cancel}, letheql.Options{})
		forward, all := letheql.Forward, 0
		res, err := engine.Query(ctx, letheql.Request{Query: query, Time: noon, Now: noon, Direction: &forward, Limit: &all})
		rows := 0
		if err == nil && res.Rows != nil {
			for _, rowErr := range res.Rows {
				if err = rowErr; err == nil {
					rows++
				}
			}
		}
		if !errors.Is(err, context.Canceled) || rows > 10 {
			t.Errorf("%s: %v after %d rows", query, err, rows)
		}
	}
}

// slowExpression is within the limits, and looks at each byte some thousands of times.
var slowExpression = "(?:" + strings.Repeat("(?:a|b)*c?", 350) + "z)"

// A stage over a long line ends with the time of the query.
func TestExpressionsEndWithTheContext(t *testing.T) {
	text := `{"x":"` + strings.Repeat("ab", 400_000) + `"}`
	src := podLines(1, "a")
	src.Pod[0].Log = []byte(text)
	engine := newEngine(t, src, letheql.Options{Timeout: 50 * time.Millisecond})
	for name, stages := range map[string]string{
		"regexp": `regexp "(?P<y>` + slowExpression + `)"`, "line filter": `decolorize |~ "` + slowExpression + `"`, "label filter": `json | x=~"` + slowExpression + `"`, "drop": `json | drop x!~"` + slowExpression + `" | x="y"`,
		"replace": `line_format "{{ regexReplaceAll ` + "`" + slowExpression + "`" + ` __line__ ` + "``" + ` }}"`, "count": `label_format n="{{ count ` + "`(?:a.*z|b)`" + ` __line__ }}"`,
		"many stages": "json" + strings.Repeat(" | json", 5000),
	} {
		for _, query := range []string{"pod{} | " + stages, "sum(count_over_time(pod{} | " + stages + " [1m]))"} {
			done := make(chan error, 1)
			go func() {
				_, err := engine.Query(t.Context(), letheql.Request{Query: query, Time: noon, Now: noon})
				done <- err
			}()
			select {
			case err := <-done:
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%s: %v", name, err)
				}
			case <-time.After(10 * time.Second):
				t.Fatalf("%s goes on", name)
			}
		}
	}
}

// What an expression may cost is known before a line is read, and the error says where it stands.
func TestExpressionsAreBounded(t *testing.T) {
	long, steps := strings.Repeat("x", 5000), strings.Repeat("[ab]{900}", 20)
	const tooLong = "an expression has 5000 bytes, the limit is 4096"
	tooMany := fmt.Sprintf("the expression %q needs 18002 steps, the limit is 10000", steps[:60])
	for query, want := range map[string]string{
		`pod{} |~ "` + long + `"`:                               "1:10: parse error: " + tooLong,
		`pod{} |= "a" !~ "b" or "` + steps + `"`:                "1:24: parse error: " + tooMany,
		`pod{} | regexp "(?P<x>` + long[:4993] + `)"`:           "1:16: parse error: regexp: " + tooLong,
		`pod{} | line_format "x" |~ "` + long + `"`:             "1:28: parse error: " + tooLong,
		`pod{} | json | x=~"` + long + `"`:                      "1:19: parse error: " + tooLong,
		`pod{} | json | drop x=~"` + steps + `"`:                "1:24: parse error: " + tooMany,
		`pod{} | decolorize` + strings.Repeat(` |= "a"`, 101):   "1:720: parse error: a selector has more than 100 line filters",
		`pod{}` + strings.Repeat(` |= "a" | json | x="y"`, 101): "parse error: a selector has more than 100 line filters",
	} {
		_, err := letheql.Parse(query)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40s…: %.100v, want %s", query, err, want)
		}
	}
	texts := `pod{} |= "` + long + `"` + strings.Repeat(` or "(x"`, 999)
	for query, want := range map[string]string{texts: "", texts + ` or "y"`: "1:13008: parse error: a line filter has more than 1000 texts"} {
		e, err := letheql.Parse(query)
		if (err == nil) != (want == "") || err != nil && err.Error() != want || err == nil && len(e.Selectors()[0].Filters[0].Or) != 999 {
			t.Errorf("many texts: %v, want %q", err, want)
		}
	}
	many := strings.Repeat("ip-10-0-0-1\\\\.internal|", 300) + "x"
	for query, want := range map[string]string{
		`sum(rate(node{process="a",node=~"` + long + `.*"}[1m]))`:   "1:27: parse error: an expression has 5002 bytes, the limit is 4096",
		`pod{pod!~"` + steps + `"}`:                                 "1:5: parse error: " + tooMany,
		`node{node=~"` + many + `"}`:                                "",
		`node{node=~"` + strings.ReplaceAll(many, `\\.`, "") + `"}`: "",
		`node{node=~"` + many + `\\d"}`:                             "1:6: parse error: an expression has",
	} {
		e, err := letheql.Parse(query)
		if err == nil {
			err = e.Validate()
		}
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%.40s…: %.100v, want %s", query, err, want)
		}
	}
	if _, err := letheql.Parse(`pod{} | decolorize` + strings.Repeat(` |= "a"`, 100)); err != nil {
		t.Error(err)
	}
}
