package pipeline

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"lethe/internal/record"
)

type row map[string]string

func (r row) Label(name string) string { return r[name] }

func newEntry(line string) *Entry {
	e := NewEntry(context.Background(), &Scope{Reserved: map[string]bool{"pod": true, "log": true}})
	e.Reset([]byte(line), time.Date(2026, 3, 1, 9, 0, 0, 5, time.UTC).UnixNano(), row{"pod": "web-1"})
	return e
}

// labelsOf writes labels as a=b c=d.
func labelsOf(e *Entry) string {
	var out []string
	for _, l := range e.Extracted() {
		out = append(out, l.Name+"="+l.Value)
	}
	return strings.Join(out, " ")
}

func must[S any](t *testing.T) func(S, error) S {
	return func(s S, err error) S {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
}

func TestParsers(t *testing.T) {
	json := must[*JSON](t)(NewJSON(nil))
	paths := must[*JSON](t)(NewJSON([]Extraction{{Name: "a_0", Path: "a[0]"}, {Name: "c_d_1_e", Path: `c["d"][1].e`}, {Name: "quoted", Path: `["[0]"]`}}))
	cut, cutMark := fmt.Sprintf(record.CutMark, 17), "__error__=JSONParserErr __error_details__=the line was cut"
	pattern := func(s string) Stage { return must[*Pattern](t)(NewPattern(s)) }
	for _, tc := range []struct {
		stage      Stage
		line, want string
	}{
		{json, `{"a":1,"b":{"c":{"d":"x"},"e":[1,{"f":2}]},"g":false,"h":null,"i":""}`, "a=1 b_c_d=x g=false"},
		{json, ` {"a":"ä\n\"","pod":"p","pod_extracted":"q","log":"l","":"none"} `, "a=ä\n\" log_extracted=l pod_extracted=q"},
		{json, `{"a":1} x`, "__error__=JSONParserErr __error_details__=the line is not a JSON object"},
		{json, `["a"]`, "__error__=JSONParserErr __error_details__=the line is not a JSON object"},
		{json, ``, "__error__=JSONParserErr __error_details__=the line is not a JSON object"},
		{json, `{"9a":1,"a.b-c":2,"A":3,"日本":4}`, "A=3 _9a=1 __=4 a_b_c=2"},
		{json, `{"a":1e400,"b":12345678901234567890}`, "a=1e400 b=12345678901234567890"},
		{
			must[*JSON](t)(NewJSON([]Extraction{{Name: "x", Path: `a.b[1]["c d"]`}, {Name: "n", Path: "none"}, {Name: "o", Path: "a"}})),
			`{"a":{"b":[0,{"c d":"deep"}]}}`, `o={"b":[0,{"c d":"deep"}]} x=deep`,
		},
		// Of a line that was cut, nothing is lost that stands whole before its end.
		{paths, `{"a":null,"b":[1]}`, ""},
		{paths, `{"a":"x","b":[1],"c":{"d":"z","f":[2]}}`, ""},
		{paths, `{"a":[[],2],"c":{"d":["x",{"e":"y"}]}}`, "a_0=[] c_d_1_e=y"},
		{paths, `{"a":[3],"a":[4,5],"c":{"d":1},"c":{"d":["x",{"e":"y"},"z"]}}`, "a_0=4 c_d_1_e=y"},
		{paths, `{"a":[],"[0]":"k","c":[{"d":[1,2]}]}`, "quoted=k"},
		{json, `{"a":1,"b":{"c":"x","d":[1,{"e":"y` + cut, cutMark + " a=1 b_c=x"},
		{json, `{"a":"\"{[","b":{"c":2},"d":tru` + cut, cutMark + ` a="{[ b_c=2`},
		{json, `{"a":1,"b":12` + cut, cutMark + " a=1"},
		{json, `{"a":{"b":1}` + cut, cutMark + " a_b=1"},
		{json, `{"a":1,"b` + cut, cutMark + " a=1"},
		{json, `{` + cut, cutMark},
		{json, `]} "` + cut, "__error__=JSONParserErr __error_details__=the line is not a JSON object"},
		{json, `{"a":1]` + cut, "__error__=JSONParserErr __error_details__=the line was cut"},
		{json, cut, "__error__=JSONParserErr __error_details__=the line is not a JSON object"},
		{must[*JSON](t)(NewJSON([]Extraction{{Name: "x", Path: "a.b"}, {Name: "y", Path: "c"}})), `{"a":{"b":1,"d":2},"c":3` + cut, cutMark + " x=1"},
		{NewLogfmt(nil, false), `a=1 b="x y" c= d e.f=2`, "a=1 b=x y e_f=2"},
		{NewLogfmt([]Extraction{{Name: "n", Path: "b"}}, false), "a=1 b=2\nb=3", "n=3"},
		{NewLogfmt(nil, false), "a=1 " + strings.Repeat("x", 70_000) + " b=2", "a=1 b=2"},
		{NewLogfmt(nil, false), `level=info path=/a?b=c status=500`, "level=info status=500"},
		{NewLogfmt(nil, false), `I0301 10:00:01 1 kubelet.go:12] "Started" pod="x" status=500`, "pod_extracted=x status=500"},
		{NewLogfmt(nil, false), `=x "a b" c=1"2 d="\q" e=5 f="open g=6`, "e=5"},
		{NewLogfmt(nil, true), `a=1 path=/a?b=c d=2`, "__error__=LogfmtParserErr __error_details__=at byte 14: unexpected '=' a=1"},
		{NewLogfmt(nil, true), `a=1 d="open`, "__error__=LogfmtParserErr __error_details__=at byte 12: unterminated quoted value a=1"},
		{must[*Regexp](t)(NewRegexp(`(?P<m>\w+) (\d+) (?P<p>/\S*)?`)), "GET 12 /x", "m=GET p=/x"},
		{must[*Regexp](t)(NewRegexp(`(?P<m>\w+)!`)), "no", ""},
		{pattern("<a> <b>"), "x y z", "a=x b=y z"},
		{pattern("[<a>] <_>: <b>;"), "[x] skip: y; rest", "a=x b=y"},
		{pattern("[<a>]"), "x]", ""},
		{pattern("<a>|<b>|<c>"), "1|2", "a=1 b=2"},
		{pattern("a<b c<d>"), "a<b c1", "d=1"},
	} {
		e := newEntry(tc.line)
		if !tc.stage.Process(e) {
			t.Errorf("%s drops %q", tc.stage, tc.line)
		}
		if got := labelsOf(e); got != tc.want {
			t.Errorf("%s of %.80q:\n got %q\nwant %q", tc.stage, tc.line, got, tc.want)
		}
	}
}

func TestMistakesInStages(t *testing.T) {
	for name, err := range map[string]error{
		"no group":        second(NewRegexp("a(b)")),
		"bad regexp":      second(NewRegexp("(")),
		"no capture":      second(NewPattern("a <_> b")),
		"touching":        second(NewPattern("<a><b>")),
		"empty path":      second(NewJSON([]Extraction{{Name: "a"}})),
		"open index":      second(NewJSON([]Extraction{{Name: "a", Path: "b[1"}})),
		"word as index":   second(NewJSON([]Extraction{{Name: "a", Path: "b[x]"}})),
		"empty key":       second(NewJSON([]Extraction{{Name: "a", Path: "b..c"}})),
		"conversion":      second(NewUnwrap("a", "minutes")),
		"text with >":     second(MatchLabel("a", ">", "x")),
		"number with =~":  second(CompareLabel("a", "=~", "1")),
		"not a number":    second(CompareLabel("a", ">", "abc")),
		"bad expression":  second(MatchLabel("a", "=~", "(")),
		"template":        second(NewLineFormat("{{.a")),
		"loop":            second(NewLineFormat("{{range 1000000000}}x{{end}}")),
		"print":           second(NewLineFormat(`{{print 1}}`)),
		"define":          second(NewLineFormat(`{{define "x"}}{{template "x"}}{{end}}{{template "x"}}`)),
		"template itself": second(NewLineFormat(`{{template "line_format"}}`)),
		"call":            second(NewLineFormat(`{{call .a}}`)),
		"many parts":      second(NewLineFormat(strings.Repeat(`{{len .a}}`, MaxFormatParts/2+1))),
		"loop in if":      second(NewLineFormat("{{if .a}}{{else}}{{range 5}}x{{end}}{{end}}")),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestLineFormat(t *testing.T) {
	for text, want := range map[string]string{
		`{{.a}} {{.pod}} {{.none}}.`:                                                                   "Value web-1 .",
		`{{.a | lower | trunc 3}}{{trunc -2 .a}}`:                                                      "value"[:3] + "ue",
		`{{if eq .a "Value"}}y{{else}}n{{end}}{{with .b}}{{.}}{{end}}`:                                 "yb",
		`{{__line__ | replace "i" "o"}}`:                                                               "a lone",
		`{{__timestamp__ | date "15:04:05.000000000"}}`:                                                "09:00:00.000000005",
		`{{default "d" .none}}{{substr 1 3 .a}}{{substr 4 99 .a}}`:                                     "dale",
		`{{regexReplaceAll "[aeiou]" .a "_"}}{{title .b}}`:                                             "V_l__B",
		`{{regexReplaceAll "(l)" .a "<$1>"}}{{regexReplaceAllLiteral "l" .a "$1"}}{{count "[ae]" .a}}`: "Va<l>ueVa$1ue2",
		`{{title "écoles d'été_x y2z"}}{{trunc 2 "한글날"}}{{trunc -1 "한글날"}}{{substr 1 2 "한글날"}}{{substr 2 1 "abc"}}{{trunc -9 "ab"}}{{substr 2 -1 .a}}{{substr -1 2 .a}}{{substr -1 -1 .a}}{{substr 9 -1 .a}}`: "Écoles D'été_x Y2z한글날글ablueVa",
		`{{alignLeft 3 .b}}|{{alignRight 3 .b}}|{{alignLeft 2 "한글날"}}|{{alignRight 2 "한글날"}}`:                                                                                                                 "b  |  b|한글|글날",
		`{{"a b/&" | urlencode}}{{urldecode "a%20b"}}{{b64enc "é"}}{{b64dec "w6k="}}`:                                                                                                                         "a+b%2F%26a bw6k=é",
		`{{add "2" 3}} {{sub 1 "2"}} {{mul 2 2.9}} {{div 7 2}} {{mod 7 "4"}} {{divf 1 4}} {{round "2.345" 2}} {{ceil 1.2}} {{floor "x"}} {{int "7.9"}}`:                                                       "5 -1 4 3 3 0.25 2.35 2 0 7",
		`{{add 1 2 3}} {{add}} {{mul 2 3 "4"}} {{addf 1 2.5 3}} {{subf 9 1 2}} {{mulf 2 2 .5}} {{divf 8 2 2}} {{max 1 "3" 2}} {{min 2}} {{maxf 1 2.5}} {{minf 1 "0.5"}}`:                                      "6 0 24 6.5 6 2 2 3 2 2.5 0.5",
		`{{printf "%-7s|%5.2f|%d%%" .a 2.345 7}} {{repeat 3 .b}}{{repeat 0 .a}} {{indent 2 "a\nb"}}{{nindent 1 "c"}}`:                                                                                         "Value  |" + " 2.35|7%" + " bbb   a\n  b\n c",
		`{{(fromJson "{\"a\":{\"b\":[1,\"x\"]}}").a.b}}{{with fromJson "{\"x\":5}"}}{{.x}}{{end}}{{with fromJson "no"}}{{.}}{{else}}-{{end}}`:                                                                 "[1 x]5-",
		`{{toDate "2006-01-02" "2026-03-01" | unixEpoch}} {{unixToTime "1772355600123" | unixEpochMillis}} {{unixToTime "20000" | date "2006-01-02"}}`:                                                        "1772323200 1772355600123 2024-10-04",
		`{{duration_seconds "1h30m"}} {{bytes "2KB"}} {{__timestamp__ | unixEpoch}} {{__timestamp__ | unixEpochNanos}}`:                                                                                       "5400 2000 1772355600 1772355600000000005",
		`{{trim "  x "}}{{trimAll "-" "--y-"}}{{trimPrefix "V" .a}}{{trimSuffix "e" .a}}{{len .a}}`:                                                                                                           "xyalueValu5",
		`{{$x := .a}}{{$x}}{{$.b}}{{contains "al" .a}}{{hasPrefix "V" .a}}{{hasSuffix "V" .a}}`:                                                                                                               "Valuebtruetruefalse",
		`{{index (fromJson "{\"a\":[1,\"x\"]}") "a" 1}}{{slice .a 1 3}}{{fromJson "[1,{},null]" | printf "%v %d" "x"}}{{add (fromJson "[1]") .a}}`:                                                            "xalx [%!d(float64=1) map[] <nil>]0",
		``: "",
	} {
		s := must[*LineFormat](t)(NewLineFormat(text))
		e := newEntry("a line")
		e.Extract([]byte("a"), []byte("Value"))
		e.Extract([]byte("b"), []byte("b"))
		if !s.Process(e) || string(e.Line) != want {
			t.Errorf("%s: got %q %s, want %q", text, e.Line, labelsOf(e), want)
		}
	}
}

// Matches are replaced as Go's regexp does.
func TestReplaceEqualsGo(t *testing.T) {
	b := &bound{entry: newEntry("")}
	for _, expr := range []string{"a", "a*", "", "^", "$", `\b`, "(a)(b)?", "(?P<x>.)b", "é|x"} {
		for _, to := range []string{"", "-", "<$1>", "${x}$2$$", "$0$0"} {
			for _, text := range []string{"", "aab ab", "b\xffaé", "xxaxx"} {
				re := regexp.MustCompile(expr)
				got, err := b.replace(expr, text, to, false)
				if want := re.ReplaceAllString(text, to); err != nil || got != want {
					t.Errorf("%q in %q by %q: %q %v, want %q", expr, text, to, got, err, want)
				}
				got, err = b.replace(expr, text, to, true)
				if want := re.ReplaceAllLiteralString(text, to); err != nil || got != want {
					t.Errorf("%q in %q by the text %q: %q %v, want %q", expr, text, to, got, err, want)
				}
				if n, err := b.count(expr, text); err != nil || n != len(re.FindAllString(text, -1)) {
					t.Errorf("%q in %q: %d matches, %v", expr, text, n, err)
				}
			}
		}
	}
}

// A template that fails leaves the line as it was.
func TestLineFormatFails(t *testing.T) {
	long := strings.Repeat("y", 2000)
	for _, text := range []string{
		// Nothing is made that is longer than a line may be, whatever becomes of it.
		`{{replace "x" "` + long + `" .a | trunc 1}}`, `{{regexReplaceAll "x" .a "` + long + `" | trunc 1}}`,
		`{{regexReplaceAll ".*" .a "` + strings.Repeat("$0", 2000) + `" | trunc 1}}`, `{{alignLeft 99999999 .a | trunc 1}}`, `{{div 1 .none}}`,
		`{{replace "" "x" .a}}`, `{{repeat 2000000 "x" | trunc 1}}`, `{{repeat -1 "x"}}`, `{{repeat 900000 "a" | repeat 2 | trunc 1}}`, `{{indent 500000 "a\nb\nc" | trunc 1}}`,
		`{{printf "%999999999d" 1 | trunc 1}}`, `{{printf "%.999999999f" 1.0 | trunc 1}}`, `{{printf "%*d" 999999999 1}}`, `{{printf "%[1]s%[1]s" .a}}`,
		`{{printf (repeat 500000 "%d") | trunc 1}}`, `{{unixToTime "12"}}`, `{{toDate "2006" "x"}}`,
		`{{regexReplaceAll "(" .a ""}}`, `{{.a.b}}`, `{{repeat 2 .a}}` + strings.Repeat(`{{repeat 900 .a}}`, 2), strings.Repeat(`{{.a}}`, 1000) + strings.Repeat("x", 50_000),
		`{{.a` + strings.Repeat(` | b64enc`, 40) + ` | trunc 1}}`, `{{alignLeft 500000 .a | replace " " "%" | urlencode | trunc 1}}`,
	} {
		s := must[*LineFormat](t)(NewLineFormat(text))
		e := newEntry("a line")
		e.Extract([]byte("a"), []byte(strings.Repeat("x", 1000)))
		if !s.Process(e) || string(e.Line) != "a line" || !e.Failed() {
			t.Errorf("%.60s: got %.60q, failed is %v", text, e.Line, e.Failed())
		}
	}
}

// Texts are texts, however many they are and whatever bytes they have.
func TestFilterOfManyTexts(t *testing.T) {
	var many []string
	for i := range 900 {
		many = append(many, fmt.Sprintf("text (%d", i))
	}
	for _, tc := range []struct {
		texts []string
		line  string
		want  bool
	}{
		{many, "a text (899 b", true}, {many, "a text 899", false}, {many, "", false}, {append([]string{""}, many...), "", true},
		{[]string{"\xff", "x"}, "a\xff", true}, {[]string{"\xff", "x"}, "\ufffd", false}, {[]string{""}, "", true}, {[]string{"b"}, "a", false},
	} {
		for op, want := range map[string]bool{"|=": tc.want, "!=": !tc.want} {
			f, _, err := NewLineFilter(op, tc.texts...)
			if err != nil {
				t.Fatal(err)
			}
			if got := f.Process(newEntry(tc.line)); got != want {
				t.Errorf("%.40s keeps %q: %v", f, tc.line, got)
			}
		}
	}
}

func TestConditions(t *testing.T) {
	text := func(name, op, v string) Condition { return must[Condition](t)(MatchLabel(name, op, v)) }
	number := func(name, op, v string) Condition { return must[Condition](t)(CompareLabel(name, op, v)) }
	for _, tc := range []struct {
		c    Condition
		want bool
		mark string
	}{
		{text("a", "=", "5"), true, ""},
		{text("a", "!=", "5"), false, ""},
		{text("a", "=~", "5|6"), true, ""},
		{text("none", "=", ""), true, ""},
		{text("none", "!~", "x"), true, ""},
		{text("pod", "=", "web-1"), true, ""},
		{number("a", "=", "5.0"), true, ""},
		{number("a", "!=", "5"), false, ""},
		{number("a", ">", "4"), true, ""},
		{number("a", ">=", "5"), true, ""},
		{number("a", "<", "5"), false, ""},
		{number("a", "<=", "5"), true, ""},
		{number("none", "!=", "5"), false, ""},
		{number("took", ">", "1s"), true, ""},
		{number("took", "<", "1h30m"), true, ""},
		{number("took", "<", "1d"), true, ""},
		{number("size", ">", "1KB"), true, ""},
		{number("size", ">=", "2KiB"), false, ""},
		{number("word", ">", "1"), true, ErrFilter},
		{And(text("a", "=", "5"), number("a", ">", "9")), false, ""},
		{Or(text("a", "=", "6"), number("a", "<", "9")), true, ""},
		{Or(text("a", "=", "5"), number("word", ">", "9")), true, ""},
		{Or(text("a", "=", "6"), number("word", ">", "9")), true, ErrFilter},
		{And(number("word", ">", "9"), text("a", "=", "6")), false, ErrFilter},
		{And(text("a", "=", "6"), number("word", ">", "9")), false, ErrFilter},
	} {
		e := newEntry("")
		for k, v := range map[string]string{"a": "5", "took": "90s", "size": "2KB", "word": "w"} {
			e.Extract([]byte(k), []byte(v))
		}
		f := NewLabelFilter(tc.c)
		got := f.Process(e)
		if mark, _ := e.Get(ErrorLabel); got != tc.want || mark != tc.mark {
			t.Errorf("%s: got %v %q, want %v %q", f, got, mark, tc.want, tc.mark)
		}
	}
}

// A comparison that has no number because of a mistake before keeps the line, but decides nothing.
func TestUndecided(t *testing.T) {
	text := func(name, op, v string) Condition { return must[Condition](t)(MatchLabel(name, op, v)) }
	number := func(name, op, v string) Condition { return must[Condition](t)(CompareLabel(name, op, v)) }
	marked, unmarked := text(ErrorLabel, "!=", ""), text(ErrorLabel, "=", "")
	for _, tc := range []struct {
		conds           []Condition
		kept, undecided bool
	}{
		{[]Condition{number("none", ">", "5")}, true, true},
		{[]Condition{number("none", "!=", "5")}, true, true},
		{[]Condition{number("a", ">", "5")}, false, false},
		{[]Condition{number("a", "<", "6")}, true, false},
		{[]Condition{number("word", "<", "6")}, true, true},
		{[]Condition{number("none", ">", "5"), text("a", "=", "5")}, true, true},
		{[]Condition{number("none", ">", "5"), unmarked}, false, false},
		{[]Condition{number("none", ">", "5"), marked}, true, false},
		{[]Condition{marked, number("none", ">", "5")}, true, true},
		{[]Condition{Or(number("none", ">", "5"), marked)}, true, false},
		{[]Condition{Or(marked, number("none", ">", "5"))}, true, false},
		{[]Condition{Or(number("none", ">", "5"), text("a", "=", "6"))}, true, true},
		{[]Condition{Or(text("a", "=", "6"), number("none", ">", "5"))}, true, true},
		{[]Condition{And(number("none", ">", "5"), text("a", "=", "6"))}, false, false},
		{[]Condition{And(text("a", "=", "5"), number("none", ">", "5"))}, true, true},
		{[]Condition{Or(And(number("none", ">", "5"), text("a", "=", "6")), text("a", "=", "5"))}, true, false},
	} {
		e := newEntry("")
		e.Extract([]byte("a"), []byte("5"))
		e.Extract([]byte("word"), []byte("w"))
		e.Fail(ErrJSON, "the line is not a JSON object")
		var p Pipeline
		for _, c := range tc.conds {
			p = append(p, NewLabelFilter(c))
		}
		if kept := p.Process(e); kept != tc.kept || e.Undecided() != tc.undecided {
			t.Errorf("%s: kept %v, undecided %v", p, kept, e.Undecided())
		}
		e.remove(ErrorLabel)
		if e.Undecided() {
			t.Errorf("%s: undecided without a mark", p)
		}
		if e.Reset(nil, 0, nil); e.undecided {
			t.Error("the next line is undecided from the start")
		}
	}
}

func TestUnwrap(t *testing.T) {
	for _, tc := range []struct {
		conv, value string
		want        float64
		has, failed bool
	}{
		{"", "1.5", 1.5, true, false},
		{"", "1.5s", 0, true, true},
		{"", "", 0, false, false},
		{"duration", "1m30s", 90, true, false},
		{"duration_seconds", "250ms", 0.25, true, false},
		{"duration", "1d", 86400, true, false},
		{"bytes", "2KiB", 2048, true, false},
	} {
		u := must[*Unwrap](t)(NewUnwrap("a", tc.conv))
		e := newEntry("")
		e.Extract([]byte("a"), []byte(tc.value))
		if !u.Process(e) || e.Value != tc.want || e.HasValue != tc.has || e.Failed() != tc.failed {
			t.Errorf("%s of %q: got %v %v %v", u, tc.value, e.Value, e.HasValue, e.Failed())
		}
	}
}

// Only wanted labels are stored, and no more than the greatest number.
func TestBoundsOfAnEntry(t *testing.T) {
	e := NewEntry(context.Background(), &Scope{Reserved: map[string]bool{"pod": true}, Wanted: map[string]bool{"b": true, "pod_extracted": true}})
	e.Reset([]byte(`{"a":1,"b":2,"pod":3}`), 0, row{})
	must[*JSON](t)(NewJSON(nil)).Process(e)
	if got := labelsOf(e); got != "b=2 pod_extracted=3" {
		t.Errorf("got %s", got)
	}
	var line strings.Builder
	for i := range MaxLabels + 10 {
		fmt.Fprintf(&line, "k%d=v ", i)
	}
	e = newEntry(line.String())
	NewLogfmt(nil, false).Process(e)
	if mark, _ := e.Get(ErrorLabel); mark != ErrMaxLabels || len(e.Extracted()) != MaxLabels+2 {
		t.Errorf("%d labels, %s", len(e.Extracted()), mark)
	}
	// What nobody reads counts as well, so that a count sees the marks that the lines have; a name counts once a line.
	var object strings.Builder
	for i := range MaxLabels + 10 {
		fmt.Fprintf(&object, `"k%d":"v","%0300d":null,"b":0,`, i, i)
	}
	for _, text := range []string{"{" + object.String() + `"b":2}`, "{" + strings.ReplaceAll(object.String(), ":null", ":1") + `"b":2}`} {
		few := NewEntry(context.Background(), &Scope{Wanted: map[string]bool{"b": true}})
		for range 2 {
			few.Reset([]byte(text), 0, row{})
			must[*JSON](t)(NewJSON(nil)).Process(few)
			if got := labelsOf(few); got != "__error__="+ErrMaxLabels+" __error_details__=the line holds more labels than are taken out of one b=2" {
				t.Errorf("got %s", got)
			}
		}
		few.Reset([]byte(`{"a":"","b":1}`), 0, row{})
		must[*JSON](t)(NewJSON([]Extraction{{Name: "b", Path: "b"}})).Process(few)
		if got := labelsOf(few); got != "b=1" {
			t.Errorf("got %s", got)
		}
	}
	// A label that is to get another name keeps its own where the line has no room for that.
	rename := &LabelFormat{}
	if err := rename.Rename("new", "k0"); err != nil {
		t.Fatal(err)
	}
	rename.Process(e)
	if v, _ := e.Get("k0"); v != "v" {
		t.Error("a label is lost by its renaming")
	}
	// The entry forgets one line with the next.
	e.Reset([]byte("x"), 0, row{})
	if labelsOf(e) != "" || e.Failed() {
		t.Errorf("labels of the line before: %s", labelsOf(e))
	}
}

// A line that is nested deeper than labels are made of takes no more time and memory than another.
func TestDeepJSON(t *testing.T) {
	e := newEntry(strings.Repeat(`{"k":`, MaxJSONDepth+1) + "1" + strings.Repeat("}", MaxJSONDepth) + `,"b":2}`)
	must[*JSON](t)(NewJSON(nil)).Process(e)
	if got := labelsOf(e); got != "b=2" {
		t.Errorf("got %s", got)
	}
	e = newEntry(strings.Repeat(`{"k":`, MaxJSONDepth) + "1" + strings.Repeat("}", MaxJSONDepth))
	must[*JSON](t)(NewJSON(nil)).Process(e)
	if got := labelsOf(e); got != strings.Repeat("k_", MaxJSONDepth-1)+"k=1" {
		t.Errorf("got %s", got)
	}
	key := strings.Repeat("k", 95)
	e = newEntry(strings.Repeat(`{"`+key+`":`, 9000) + "1" + strings.Repeat("}", 9000))
	stage := must[*JSON](t)(NewJSON(nil))
	perLine := testing.AllocsPerRun(1, func() { stage.Process(e) })
	if perLine > 200 || e.Failed() {
		t.Errorf("%v allocations, %s", perLine, labelsOf(e))
	}
}

func TestQuote(t *testing.T) {
	got := map[string]string{}
	for _, s := range []string{"a", `a"b`, `\d`, "a`\\", "a\nb\\", "\xff\\", "ä\"", "\ufffd\\"} {
		got[s] = Quote(s)
	}
	want := map[string]string{
		"a": `"a"`, `a"b`: "`a\"b`", `\d`: "`\\d`", "a`\\": "\"a`\\\\\"", "a\nb\\": `"a\nb\\"`, "\xff\\": `"\xff\\"`, "ä\"": "`ä\"`", "\ufffd\\": "\"\ufffd\\\\\"",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func FuzzStages(f *testing.F) {
	f.Add(`{"a":{"b":[1,"x"]},"c":"\u00e4"}`, "<a> <b>")
	f.Add(`level=info msg="a b" x=`, "level=<l> ")
	f.Add("\xff=\"\\", "<")
	f.Fuzz(func(t *testing.T, line, text string) {
		stages := Pipeline{NewLogfmt(nil, false), must[*JSON](t)(NewJSON(nil))}
		if p, err := NewPattern(text); err == nil {
			stages = append(stages, p)
		}
		if s, err := NewLineFormat(text); err == nil {
			stages = append(stages, s)
		}
		e := newEntry(line)
		stages.Process(e)
		for _, l := range e.Extracted() {
			if !utf8.ValidString(l.Name) || string(Sanitize(nil, []byte(l.Name))) != l.Name {
				t.Errorf("%q has the label %q", line, l.Name)
			}
		}
	})
}
