package letheql_test

import (
	"errors"
	"testing"

	"lethe/letheql"
)

// What is wrong is said with its place in the text that the user wrote.
func TestErrors(t *testing.T) {
	for _, tc := range []struct{ query, want string }{
		{`pod{namespace="default"`, `1:24: parse error: unexpected end of input inside braces`},
		{`pod{namespace="default"} |= `, `1:29: parse error: unexpected end of input, expected a string in quotes`},
		{`pod{} |= x`, `1:10: parse error: unexpected "x", expected a string in quotes`},
		{`pod{} |= "x`, `1:10: parse error: unterminated quoted string`},
		{"pod{}\n  |= \"a\"\n  |~ \"(\"", "3:6: parse error: error parsing regexp: missing closing ): `(`"},
		{`pod{} |= "a\q"`, `1:10: parse error: unknown escape sequence U+0071 'q'`},
		{`pod{namespase="default"} |= "x"`, `1:5: parse error: unknown label "namespase": pod{…} has the labels namespace, pod, container, stream, node`},
		{`node{namespace="default"}`, `1:6: parse error: unknown label "namespace": node{…} has the labels node, process`},
		{`count_over_time(pod{pod="a",nod="pod"}[5m])`, `1:29: parse error: unknown label "nod": pod{…} has the labels namespace, pod, container, stream, node`},
		{`logs{a="b"}`, `1:1: parse error: unknown selector "logs": there are pod{…} and node{…}`},
		{`{namespace="default"}`, `1:1: parse error: the selector has no kind: write pod{…} or node{…}`},
		{`{__name__=~"pod|node"}`, `1:1: parse error: a selector is of one kind, pod{…} or node{…}`},
		{`pod{pod=~"("}`, "1:5: parse error: error parsing regexp: missing closing ): `(`"},
		{`count_over_time(pod{}[5m] |= "x")`, `1:27: parse error: unexpected "|=" behind a range: filters and stages stand before it, as in pod{} |= "x" [5m]`},
		{`pod{} offset 5m |= "x"`, `1:17: parse error: unexpected "|=": filters and stages stand directly behind a selector, before a range, offset or @`},
		{`sum(count_over_time(pod{}[5m])) != "x"`, `1:33: parse error: unexpected "!=": filters and stages stand directly behind a selector, before a range, offset or @`},
		{`1 |= "x"`, `1:3: parse error: unexpected "|=": filters and stages stand directly behind a selector, before a range, offset or @`},
		{`pod |= "x" {pod="a"}`, `1:12: parse error: unexpected { behind filters: labels stand before them, as in pod{…} |= "x"`},
		{`rate |= "x" (pod{}[5m])`, `1:6: parse error: unexpected "|=": filters and stages stand directly behind a selector, before a range, offset or @`},
		{`sum by (pod |= "x") (rate(pod{}[5m]))`, `1:13: parse error: unexpected "|=": filters and stages stand directly behind a selector, before a range, offset or @`},
		{`pod{} | json | status >`, `1:24: parse error: unexpected end of input, expected a text in quotes, a number, a duration or a size`},
		{`pod{} | json | status > abc`, `1:25: parse error: "abc" is neither number, duration nor size; a text stands in quotes`},
		{`pod{} | jsn`, `1:9: parse error: unknown stage "jsn": there are json, logfmt, regexp, pattern, line_format, label_format, decolorize, drop, keep, unwrap, line filters as |= "text", and label filters as level="error"`},
		{`pod{} |`, `1:8: parse error: unexpected end of input, expected a filter or stage: json, logfmt, regexp, pattern, line_format, label_format, decolorize, drop, keep, unwrap, line filters as |= "text", and label filters as level="error"`},
		{`pod{} | (json!="x")`, `1:10: parse error: json is the name of a stage, and no label that can be compared`},
		{`pod{} | json a="b[", c`, `1:14: parse error: invalid path "b[": write keys as in request.headers[0], and other keys as in ["x y"]`},
		{"pod{} | regexp\n `a(b)`", "2:2: parse error: regexp: the expression names no label: write a group as (?P<name>…)"},
		{`pod{} | line_format "{{range 5}}x{{end}}"`, `1:21: parse error: line_format: "{{range 5}}x{{end}}" is not available in line_format`},
		{`pod{} | unwrap size`, `1:1: parse error: unwrap makes numbers of lines: put a function around it, as in avg_over_time(pod{} | unwrap size [5m])`},
		{`pod{} | unwrap days(size)`, `1:16: parse error: unknown conversion "days": there are duration, duration_seconds and bytes`},
		{`pod{} | (a="b"`, `1:15: parse error: unexpected end of input, expected )`},
		{`sum_over_time(pod{}[5m])`, `1:1: parse error: sum_over_time needs numbers, as in sum_over_time(pod{} | json | unwrap size [5m]); for lines there are count_over_time, rate, bytes_over_time, bytes_rate, absent_over_time, present_over_time`},
		{`bytes_rate(pod{} | unwrap a [5m])`, `1:1: parse error: bytes_rate does not apply to unwrapped numbers: there are sum_over_time, avg_over_time, min_over_time, max_over_time, first_over_time, last_over_time, quantile_over_time, stddev_over_time, stdvar_over_time, rate, count_over_time, absent_over_time, present_over_time`},
		{`quantile_over_time(scalar(vector(1)), pod{} | unwrap a [5m])`, `1:20: parse error: the quantile of lines is a number that is written out, as 0.99 or 99 / 100`},
		{`pod{} |~ "a" or "("`, "1:17: parse error: error parsing regexp: missing closing ): `(`"},
		{`rate(pod{}[5m] | json)`, `1:16: parse error: unexpected "|" behind a range: filters and stages stand before it, as in pod{} |= "x" [5m]`},
		{`pod{} @ 5`, `1:1: parse error: @ does not apply to a query for lines: set the time of the query`},
		{`sum(pod{} |= "x")`, "1:5: parse error: a log selector stands for lines, not for numbers: count them, as in count_over_time(pod{} |= \"x\" [5m])"},
		{`pod{} > 1`, `1:1: parse error: a log selector stands for lines, not for numbers: count them, as in count_over_time(pod{} [5m])`},
		{`max_over_time(pod{}[5m:1m])`, `1:15: parse error: a log selector stands for lines, not for numbers: count them, as in count_over_time(pod{} [5m])`},
		{`increase(pod{}[5m])`, `1:1: parse error: increase does not apply to lines: there are count_over_time, rate, bytes_over_time, bytes_rate, absent_over_time, present_over_time`},
		{`bytes_over_time(pod{})`, `1:17: parse error: expected type range vector in call to function "bytes_over_time", got instant vector`},
		{`bytes_rate()`, `1:1: parse error: expected 1 argument(s) in call to "bytes_rate", got 0`},
		{``, `1:1: parse error: no expression found in input`},
	} {
		expr, err := letheql.Parse(tc.query)
		if err == nil {
			err = expr.Validate()
		}
		var pe *letheql.Error
		if !errors.As(err, &pe) {
			t.Errorf("%s: got %v, want an *Error", tc.query, err)
		} else if pe.Error() != tc.want {
			t.Errorf("%s:\n got %s\nwant %s", tc.query, pe, tc.want)
		}
	}
}

func TestCanonicalForm(t *testing.T) {
	for _, tc := range []struct{ query, want string }{
		{`pod`, `pod{}`},
		{`pod  {pod=~'a.*' , namespace="x",}  |="GET"!~"favicon|robots"`, `pod{namespace="x",pod=~"a.*"} |= "GET" !~ "favicon|robots"`},
		{"count_over_time(pod{} # all\n |= \"a\" # some\n |~ `\\d\"` [5m] offset 1h @ 7)", "count_over_time(pod{} |= \"a\" |~ `\\d\"` [5m] @ 7.000 offset 1h)"},
		{`bytes_over_time  (pod != "a" != "b" [1h30m]) > bytes_rate(node{}[5m])`, `bytes_over_time(pod{} != "a" != "b" [1h30m]) > bytes_rate(node{}[5m])`},
		{`rate(pod{}[5m]) != rate(node{}[5m])`, `rate(pod{}[5m]) != rate(node{}[5m])`},
		{`label_replace(rate(pod{}[5m]), "a", "|= \"$1\"", "pod", "(.*)#|")`, `label_replace(rate(pod{}[5m]), "a", "|= \"$1\"", "pod", "(.*)#|")`},
		{`up{job="x"} or up |= "y"`, `up{job="x"} or up |= "y"`},
	} {
		expr, err := letheql.Parse(tc.query)
		if err != nil {
			t.Errorf("%s: %v", tc.query, err)
			continue
		}
		if got := expr.String(); got != tc.want {
			t.Errorf("%s:\n got %s\nwant %s", tc.query, got, tc.want)
		}
		again, err := letheql.Parse(expr.String())
		if err != nil || again.String() != expr.String() {
			t.Errorf("%s: parsed back: %v, %v", expr, again, err)
		}
	}
}
