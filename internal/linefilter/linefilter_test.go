package linefilter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"

	"lethe/internal/regex"
	"lethe/letheql"
)

// naive is what Chain must equal.
func naive(t testing.TB, filters []letheql.LineFilter, line []byte) bool {
	t.Helper()
	for _, f := range filters {
		var hit bool
		switch f.Op {
		case letheql.Contains, letheql.NotContains:
			for _, text := range f.Texts() {
				hit = hit || bytes.Contains(line, []byte(text))
			}
		default:
			re, err := regexp.Compile(f.Text)
			if err != nil {
				t.Fatal(err)
			}
			hit = re.Match(line)
		}
		if hit == (f.Op == letheql.NotContains || f.Op == letheql.NotMatches) {
			return false
		}
	}
	return true
}

// fulfils evaluates a Need by its definition.
func fulfils(n Need, line []byte) bool {
	switch n.Op {
	case Literal:
		if !n.Fold {
			return bytes.Contains(line, n.Literal)
		}
		return regexp.MustCompile("(?i)" + regexp.QuoteMeta(string(n.Literal))).Match(line)
	case And:
		for _, s := range n.Subs {
			if !fulfils(s, line) {
				return false
			}
		}
	case Or:
		for _, s := range n.Subs {
			if fulfils(s, line) {
				return true
			}
		}
		return false
	}
	return true
}

// check compares a chain with naive, line by line and as a page, with all rows and with some.
func check(t testing.TB, filters []letheql.LineFilter, lines [][]byte) {
	t.Helper()
	c, err := Compile(filters)
	if err != nil {
		t.Fatalf("%+v: %v", filters, err)
	}
	var data []byte
	offsets := []uint32{0}
	for _, l := range lines {
		data = append(data, l...)
		offsets = append(offsets, uint32(len(data)))
	}
	all, some, few := Full(len(lines)), NewBitmap(len(lines)), NewBitmap(len(lines))
	for i := range lines {
		if i%3 != 1 {
			some.Set(i)
		}
		if i%40 == 7 {
			few.Set(i)
		}
	}
	search(t, c, data, offsets, all)
	search(t, c, data, offsets, some)
	search(t, c, data, offsets, few)
	for i, l := range lines {
		want := naive(t, filters, l)
		if got := c.Match(l); got != want {
			t.Errorf("%+v: Match(%q) = %v", filters, l, got)
		}
		if got := all.Has(i); got != want {
			t.Errorf("%+v: Search says %v of line %d, %q", filters, got, i, l)
		}
		if got := some.Has(i); got != (want && i%3 != 1) {
			t.Errorf("%+v: Search in some rows says %v of line %d, %q", filters, got, i, l)
		}
		if got := few.Has(i); got != (want && i%40 == 7) {
			t.Errorf("%+v: Search in few rows says %v of line %d, %q", filters, got, i, l)
		}
		if want && !fulfils(c.Need(), l) {
			t.Errorf("%+v: %q matches but does not fulfil %+v", filters, l, c.Need())
		}
	}
}

func search(t testing.TB, c *Chain, data []byte, offsets []uint32, rows Bitmap) {
	t.Helper()
	if err := c.Search(t.Context(), data, offsets, rows); err != nil {
		t.Fatal(err)
	}
}

var expressions = []string{
	`favicon|robots`, `foo|fob|foc`, `(?i)exception`, `(?i)kiosk`, `(?i)sß`, `(?i)ks`, `(?i)é`, `^GET`, `^GET|^PUT`, `\.go$`, `^$`, `^`, `$`, `^abc$`,
	`.*error.*`, `(.*)error(.*)`, `user=\w+.*rhost=[0-9.]+`, `\d{3}`, `[Ee]rror`, `(?i)err(or|no)`, `a*b+c?`, `(a*b)+c`, `x(a*b)+`, `status=[45]\d\d`,
	``, `()`, `a?`, `(?:)`, `\bfoo\b`, `foo\b`, `\Bfoo`, `(?s)a.b`, `a.b`, `(?m)^x`, `(?m)y$`, `[^\x00-\x{10FFFF}]`, `\x{FFFD}`, `é|ü`, `a\x{FFFD}b`, `.`, `^.$`, `^.*foo`,
	`foo(?i)bar`, `(?i)foo(?-i)Bar`, `(?i)12[ab]`, `(foo)?bar`, `(foo|)bar`, `(foo|a*)bar`, `bar(foo|)`, `[a-c]x`, `[a-z]x`, `K`, `(?i)K`, `\pL+=`, `(?U)a+b`, `a{2,3}b{0}`,
	`(a|b)(c|d)(e|f)(g|h)(a|b)(c|d)`, `^(a|b)`, `(a|b)$`, `^(?i)ab`, `(^a|b)c`, `(ab$|c)`, `\Aab\z`, `日本`, `(?i)ſ`, `[a-c]*x[a-c]*`, `x[ab]+$`, `(?:ab)+`, `o[^r]*r`, `\n`,
	`favicon|robots|exception`, `(?i)(favicon|robots|exception)`, `(?i)(foobar|fobfoo|error)`, `exception|except|EXC`, `favicon|icon|robots|bots`, `(?i)(abc|kio|bar)`,
	`(?i)error|Exception`, `foo(bar|fob|foo)+x`, `(?i)fob(oo|ar)\d`, `error404|error500`, `[45]\d\d[ a]`, `\d{3}[a-f]`, `(?i)[a-c]{3}x`, `\d+\.\d+`, `[ab]{2}[cx]+[ab]{2}`,
	`(foo|bar)[xyz]`, `(fob|a|xx)[abc]{3}`, `(?i)kios[ks]x`, `[a-c]{20}`, `^\d{3}`, `\b\d\d\d\b`, `[ab]é[ab]`, `(ab|cd)?\d{3}(x|yy)`, `[a-cé]{3}\d`, `(\d\d|ab|c)x[ab]`,
}

func randomLine(r *rand.Rand) []byte {
	const parts = `GET |PUT|foo|bar|fob|error|Error|ERRNO|exception|EXCEPTION|Exception|status=404|status=500|user=root |rhost=1.2|.go|abc|a|b|ab|c|x|K|` +
		"\u212a|k|ſ|s|S|ß|é|É|ü|日本|\xff|\xe2|\x84|\n| |favicon|robots|12a|kio\u017fk|\ufffd|cdegac|ioſ|x|y|404|5|12.3|00|icon|bots|except|oo"
	list := strings.Split(parts, "|")
	var b []byte
	for range r.IntN(8) {
		b = append(b, list[r.IntN(len(list))]...)
	}
	return b
}

func TestChainEqualsGo(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	lines := make([][]byte, 700)
	for i := range lines {
		lines[i] = randomLine(r)
	}
	texts := []string{"foo", "error", "", "K", "\xff", "é", "GET ", "nowhere to be found", "a", "\n", "日"}
	for _, x := range expressions {
		check(t, []letheql.LineFilter{{Op: letheql.Matches, Text: x}}, lines)
		check(t, []letheql.LineFilter{{Op: letheql.NotMatches, Text: x}}, lines)
	}
	for _, x := range texts {
		check(t, []letheql.LineFilter{{Op: letheql.Contains, Text: x}}, lines)
		check(t, []letheql.LineFilter{{Op: letheql.NotContains, Text: x}}, lines)
	}
	for range 100 {
		var chain []letheql.LineFilter
		for range r.IntN(4) {
			op := letheql.FilterOp(r.IntN(4))
			text := texts[r.IntN(len(texts))]
			if op >= letheql.Matches {
				text = expressions[r.IntN(len(expressions))]
			}
			chain = append(chain, letheql.LineFilter{Op: op, Text: text})
		}
		check(t, chain, lines[:200])
	}
}

// TestManyTextsEqualGo: texts joined by or, few and many, are in a line where one of them is, and the index may ask for just these.
func TestManyTextsEqualGo(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 13))
	lines := make([][]byte, 300)
	for i := range lines {
		lines[i] = randomLine(r)
	}
	kinds := map[string]int{}
	for _, n := range []int{2, 3, 9, 20, 33, 100, 1000} {
		for range 30 {
			texts := make([]string, n)
			for i := range texts {
				// What no line has, what some have, and now and then what is short or in every line.
				texts[i] = fmt.Sprintf("%x", r.Uint64())
				if line := lines[r.IntN(len(lines))]; r.IntN(n) == 0 && len(line) > 1 {
					from := r.IntN(len(line) - 1)
					texts[i] = string(line[from : from+1+r.IntN(len(line)-from)])
				}
			}
			if r.IntN(10) == 0 {
				texts[r.IntN(n)] = ""
			}
			f := letheql.LineFilter{Op: letheql.FilterOp(r.IntN(2)), Text: texts[0], Or: texts[1:]}
			check(t, []letheql.LineFilter{f, {Op: letheql.NotContains, Text: "xx"}}, lines)
			l, err := compileFilter(f)
			if err != nil {
				t.Fatal(err)
			}
			kinds[fmt.Sprintf("%T", l.find)]++
		}
	}
	if kinds["*linefilter.many"] < 50 || kinds["*linefilter.multi"] < 20 || kinds["linefilter.anyOf"] < 1 || kinds["<nil>"] < 5 {
		t.Errorf("searched by %v", kinds)
	}
}

// An expression of many texts leaves out lines by all of them.
func TestManyAlternatives(t *testing.T) {
	var texts []string
	for i := range 50 {
		// No two begin alike, which would be one beginning of many ends.
		texts = append(texts, fmt.Sprintf("%c%d[ab]", 0x4e00+i, i*7919))
	}
	x := strings.Join(texts, "|")
	l, err := compileExpression(x)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := l.find.(*many); !ok {
		t.Errorf("it is searched by %T", l.find)
	}
	check(t, []letheql.LineFilter{{Op: letheql.Matches, Text: x}}, [][]byte{[]byte("\u4e017919a"), []byte("\u4e017919"), []byte("x \u4e0215838b y"), nil})
}

// TestCandidatesSkipTheExpression: what is simplified runs no expression.
func TestCandidatesSkipTheExpression(t *testing.T) {
	for _, x := range []string{`favicon|robots`, `(?i)exception`, `^GET`, `\.go$`, `.*error.*`, `(foo|fob)+`, `[Ee]rror`, `(?i)(kiosk|kiss)x`, `^(a|b)c$`, `日本.*`} {
		l, err := compileExpression(x)
		if err != nil {
			t.Fatal(err)
		}
		if l.cost >= 1000 {
			t.Errorf("%s is run as an expression", x)
		}
	}
	for x, want := range map[string]string{
		`user=\w+.*rhost=[0-9.]+`: `&("user=" "rhost=")`,
		`(foo|bar)\d+baz`:         `&(|("foo" "bar") "baz")`,
		`\d+ (?i)error`:           `" error"i`,
		`\d+`:                     `*`,
		`^/api/v[12]/users`:       `|("/api/v1/users" "/api/v2/users")`,
	} {
		c, err := Compile([]letheql.LineFilter{{Op: letheql.Matches, Text: x}})
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Need().text(); !strings.EqualFold(got, want) {
			t.Errorf("%s needs %s, want %s", x, got, want)
		}
	}
}

func (n Need) text() string {
	if n.Op == Literal {
		s := fmt.Sprintf("%q", n.Literal)
		if n.Fold {
			s += "i"
		}
		return s
	}
	if n.Op == Any {
		return "*"
	}
	var subs []string
	for _, s := range n.Subs {
		subs = append(subs, s.text())
	}
	return map[NeedOp]string{And: "&", Or: "|"}[n.Op] + "(" + strings.Join(subs, " ") + ")"
}

// TestAutomatonGivesUp: an expression whose automaton has too many states gives the same answers.
func TestAutomatonGivesUp(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	lines := make([][]byte, 300)
	for i := range lines {
		lines[i] = make([]byte, 200)
		for j := range lines[i] {
			lines[i][j] = "ab"[r.IntN(2)]
		}
		lines[i][r.IntN(200)] = 'c'
	}
	for _, x := range []string{`a[ab]{18}c`, `(a|b)*a[ab]{14}[ab]{0,3}c$`, `(?i)(a[^c]{12}c|\bab{3})`, `\pL{20}c`} {
		check(t, []letheql.LineFilter{{Op: letheql.Matches, Text: x}}, lines)
	}
}

// TestLongLineEndsWithTheContext: a line that is left to Go's regexp is not searched to its end.
func TestLongLineEndsWithTheContext(t *testing.T) {
	c, err := Compile([]letheql.LineFilter{{Op: letheql.Matches, Text: `a[ab]{900}c[ab]{900}a[ab]{900}c[ab]{900}a`}})
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(5, 5))
	line := make([]byte, 1<<20)
	for i := range line {
		line[i] = "ab"[r.IntN(2)]
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- c.Search(ctx, line, []uint32{0, uint32(len(line))}, Full(1)) }()
	select {
	case err := <-done:
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the search goes on")
	}
}

func TestLimits(t *testing.T) {
	long := strings.Repeat("x", MaxText+1)
	many := make([]letheql.LineFilter, MaxFilters+1)
	for name, filters := range map[string][]letheql.LineFilter{
		"text":       {{Op: letheql.Contains, Text: long}},
		"expression": {{Op: letheql.Matches, Text: long[:regex.MaxBytes+1]}},
		"program":    {{Op: letheql.Matches, Text: strings.Repeat("[ab]{900}", 20)}},
		"many":       many,
		"invalid":    {{Op: letheql.Matches, Text: "("}},
		"not UTF-8":  {{Op: letheql.Matches, Text: "\xff"}},
		"operator":   {{Op: 9}},
		"long or":    {{Op: letheql.Contains, Text: long[:MaxText], Or: []string{"x"}}},
		"many or":    {{Op: letheql.Contains, Text: "a", Or: make([]string, letheql.MaxTexts)}},
	} {
		_, err := Compile(filters)
		var user *letheql.Error
		if !errors.As(err, &user) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNone(t *testing.T) {
	c, err := Compile([]letheql.LineFilter{{Op: letheql.NotContains, Text: ""}, {Op: letheql.Contains, Text: "a"}})
	if err != nil {
		t.Fatal(err)
	}
	if n := c.Need(); n.Op != Or || len(n.Subs) != 0 || c.All() || c.Match([]byte("a")) {
		t.Errorf("a chain that nothing matches: %+v", n)
	}
}

func TestBitmap(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		n := 1 + r.IntN(300)
		b, model := Full(n), make([]bool, n)
		for i := range model {
			model[i] = true
		}
		for range 5 {
			from := r.IntN(n + 1)
			to := from + r.IntN(n+1-from)
			set := r.IntN(3) == 0
			if set {
				b.SetRange(from, to)
			} else {
				b.ClearRange(from, to)
			}
			for i := from; i < to; i++ {
				model[i] = set
			}
		}
		count := 0
		for i := range b.All() {
			if !model[i] {
				t.Fatalf("%d is in", i)
			}
			count++
		}
		for _, in := range model {
			if in {
				count--
			}
		}
		if count != 0 || b.Empty() != (b.Count() == 0) {
			t.Fatalf("off by %d", count)
		}
	}
}

func FuzzChain(f *testing.F) {
	for i, x := range expressions {
		f.Add(x, byte(i%4), "GET foo error status=404\nabc Kiosk", "")
	}
	f.Fuzz(func(t *testing.T, text string, op byte, a, b string) {
		filters := []letheql.LineFilter{{Op: letheql.FilterOp(op % 4), Text: text}}
		if _, err := Compile(filters); err != nil {
			return
		}
		lines := [][]byte{[]byte(a), []byte(b), []byte(a + b), nil, []byte(b + a), []byte(text)}
		check(t, filters, lines)
	})
}
