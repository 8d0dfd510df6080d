package regex

import (
	"context"
	"errors"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestLimits(t *testing.T) {
	for name, text := range map[string]string{
		"bytes": strings.Repeat("x", MaxBytes+1), "steps": strings.Repeat("[ab]{900}", 20), "syntax": "(", "not UTF-8": "\xff",
	} {
		if _, err := Compile(text); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := Compile(strings.Repeat("x", MaxBytes)); err != nil {
		t.Error(err)
	}
}

// slow looks at each byte of a line some thousands of times.
var slow = "(?P<x>" + strings.Repeat("(?:a|b)*c?", 400) + "z)"

// A search ends with its context, however long the line is.
func TestSearchEndsWithTheContext(t *testing.T) {
	x, err := Compile(slow)
	if err != nil {
		t.Fatal(err)
	}
	line := []byte(strings.Repeat("ab", 500_000))
	for name, search := range map[string]func(ctx context.Context) error{
		"match":    func(ctx context.Context) error { x.Match(ctx, line); return ctx.Err() },
		"submatch": func(ctx context.Context) error { x.FindSubmatchIndex(ctx, line); return ctx.Err() },
		"all":      func(ctx context.Context) error { return x.All(ctx, line, func([]int) bool { return true }) },
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		done := make(chan error, 1)
		go func() { done <- search(ctx) }()
		select {
		case err := <-done:
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %v", name, err)
			}
		case <-time.After(5 * time.Second):
			t.Fatalf("%s goes on", name)
		}
		cancel()
	}
}

// Expressions that Go takes alone, but not inside of another, are an error where that is needed; one that ends in plain text is not.
func TestExpressionsAtALimit(t *testing.T) {
	deep := strings.Repeat("(", 999) + "a" + strings.Repeat(")", 999)
	x, err := Compile(deep)
	if err != nil {
		t.Fatal(err)
	}
	count := func(x *Expression, text string) (n int, err error) {
		err = x.All(t.Context(), []byte(text), func([]int) bool { n++; return true })
		return n, err
	}
	if n, err := count(x, "aa"); n != 2 || err != nil {
		t.Error(n, err)
	}
	if n, err := count(x, strings.Repeat("ab", 100)); n != 1 || err == nil || !strings.Contains(err.Error(), "too deep for a text of 200 bytes") {
		t.Error(n, err)
	}
	if x, err = Compile(`b|\Qa|`); err != nil {
		t.Fatal(err)
	}
	if n, err := count(x, strings.Repeat("a|b", 2000)); n != 4000 || err != nil {
		t.Error(n, err)
	}
}

// Steps are those of the program, or a few more.
func TestSteps(t *testing.T) {
	for _, text := range []string{
		"", "a", "[ab]{900}", "a{1000}", "a{0}", "a{0,5}", "a{3,7}", "(ab{2}){3,}", "(a*)*", "(?:)*", "a|b|cd", "(a|bc?)+", "(?i)k{9}", `^\b$`, "(?:(?:a{10}){10}){10}",
		"(|a)*", "(|a)+", "(?:a?){0,20}", `[^\x00-\x{10FFFF}]`, "(?:a{0}){5,}", "((a){2}){2}",
	} {
		n, err := Steps(text)
		if err != nil {
			t.Fatal(err)
		}
		_, prog, err := Check(text)
		if err != nil {
			t.Fatal(err)
		}
		if n < len(prog.Inst) || n > len(prog.Inst)+len(text)+2 {
			t.Errorf("%q: at most %d steps, it has %d", text, n, len(prog.Inst))
		}
	}
	for _, text := range []string{strings.Repeat("x", MaxBytes+1), "a{1000}{2}", "(", strings.Repeat("(?:a{999}b)", 11)} {
		_, _, want := Check(text)
		if _, err := Steps(text); err == nil || want == nil || err.Error() != want.Error() {
			t.Errorf("%.20q: %v, Check says %v", text, err, want)
		}
	}
}

// An expression that is over the limit is not compiled to find that out.
func TestWhatIsTooLargeIsNotCompiled(t *testing.T) {
	text := strings.Repeat("[ab]{1000}", 400)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := Compile(text)
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; err == nil || n > 2<<20 {
		t.Errorf("%v, %d bytes were allocated", err, n)
	}
}

var seeds = []string{
	`a`, `a*`, `\b`, `\B`, `^`, `$`, `(?m)^a`, `(?m)b$`, `\ba|b\b`, `(?P<x>a)(b)?`, `a.*b|a`, ``, `.`, `é`, `(?i)K`, `\x{FFFD}`, `(a)|(b)`, `\Aa`, `b\z`, `(?s).b`, `(?U)a+b*`,
}

func FuzzExpression(f *testing.F) {
	for _, s := range seeds {
		f.Add(s, "aab b\nab éKk\u212a a\xffb")
	}
	f.Fuzz(func(t *testing.T, text, line string) {
		x, err := Compile(text)
		if err != nil || x.steps > 200 || len(line) > 200 {
			return
		}
		if n, err := Steps(text); err != nil || n < x.steps {
			t.Errorf("%q: %d steps at most, it has %d: %v", text, n, x.steps, err)
		}
		re := regexp.MustCompile(text)
		// A program of so many steps is no short search.
		x.steps = maxWork + 1
		l := []byte(line)
		if got, want := x.Match(t.Context(), l), re.Match(l); got != want {
			t.Errorf("%q matches %q: %v", text, line, got)
		}
		if d := cmp.Diff(re.FindSubmatchIndex(l), x.FindSubmatchIndex(t.Context(), l)); d != "" {
			t.Errorf("%q in %q: %s", text, line, d)
		}
		var all [][]int
		if err := x.All(t.Context(), l, func(m []int) bool { all = append(all, m); return true }); err != nil {
			t.Error(err)
		}
		if d := cmp.Diff(re.FindAllSubmatchIndex(l, -1), all); d != "" {
			t.Errorf("%q all in %q: %s", text, line, d)
		}
	})
}
