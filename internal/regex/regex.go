// Package regex runs the regular expressions of users. They are RE2, which takes time with the length of the text times that of the
// program; so both are bounded, and a long search ends with its context.
package regex

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"regexp/syntax"
	"sync"
	"unicode/utf8"
)

// Limits of an expression.
const (
	// MaxBytes of its text.
	MaxBytes = 4 << 10
	// MaxSteps of its program, in instructions of Go's regexp.
	MaxSteps = 10_000
)

const (
	// maxWork is the greatest number of bytes times steps that are searched in one go: some hundredths of a second at worst.
	maxWork = 1 << 21
	// checkWork is how much of a longer search is done before the end of the context is asked for again.
	checkWork = 1 << 19
)

// Expression is a compiled expression. It is immutable and safe for concurrent use.
type Expression struct {
	re    *regexp.Regexp
	steps int
	// behind finds the expression behind one rune, in its first group: it sees what stands before, as a word boundary asks for. It fails where the
	// expression is at a limit of Go's, and this form of it beyond.
	behind func() (*regexp.Regexp, error)
}

// Check parses an expression and returns it simplified, and its program. The error says which limit it is over, or what is wrong with it.
func Check(text string) (*syntax.Regexp, *syntax.Prog, error) {
	if err := checkLength(text); err != nil {
		return nil, nil, err
	}
	return parse(text)
}

func checkLength(text string) error {
	if len(text) > MaxBytes {
		return fmt.Errorf("an expression has %d bytes, the limit is %d", len(text), MaxBytes)
	}
	return nil
}

func parse(text string) (*syntax.Regexp, *syntax.Prog, error) {
	tree, _, err := look(text)
	if err != nil {
		return nil, nil, err
	}
	tree = tree.Simplify()
	prog, err := syntax.Compile(tree)
	if err != nil {
		return nil, nil, err
	}
	return tree, prog, nil
}

// Compile returns an expression within the limits.
func Compile(text string) (*Expression, error) {
	if _, _, err := Check(text); err != nil {
		return nil, err
	}
	return compile(text)
}

// CompileWhole returns an expression that matches a text as a whole, as those of labels do.
func CompileWhole(text string) (*Expression, error) {
	if _, _, err := Check(text); err != nil {
		return nil, err
	}
	return compile("^(?s:" + text + ")$")
}

// compile takes an expression whose text has been looked at.
func compile(text string) (*Expression, error) {
	_, prog, err := parse(text)
	if err != nil {
		return nil, err
	}
	re, err := regexp.Compile(text)
	if err != nil {
		return nil, err
	}
	behind := sync.OnceValues(func() (*regexp.Regexp, error) { return regexp.Compile("(?s:.)(" + ended(text) + ")") })
	return &Expression{re, len(prog.Inst), behind}, nil
}

// ended returns an expression that something may follow: one may leave a \Q open, which takes all that comes for text.
func ended(text string) string {
	if _, err := syntax.Parse("("+text+")", syntax.Perl); err != nil {
		return text + `\E`
	}
	return text
}

// SubexpNames are the names of the groups, "" for the whole and for those without.
func (x *Expression) SubexpNames() []string { return x.re.SubexpNames() }

// Steps is how many steps its program has, at most MaxSteps and a few for what compilation puts around the text.
func (x *Expression) Steps() int { return x.steps }

// Match tells whether there is a match in a line. Where the context has ended, or ends meanwhile, it says no.
func (x *Expression) Match(ctx context.Context, line []byte) bool {
	if ctx.Err() != nil {
		return false
	}
	if x.Short(len(line)) {
		return x.re.Match(line)
	}
	return x.re.MatchReader(x.reader(ctx, line)) && ctx.Err() == nil
}

// FindSubmatchIndex returns the bounds of the first match and its groups, as Go's regexp does; nil where there is none, or where the context
// has ended, or ends meanwhile.
func (x *Expression) FindSubmatchIndex(ctx context.Context, line []byte) []int {
	if ctx.Err() != nil {
		return nil
	}
	if x.Short(len(line)) {
		return x.re.FindSubmatchIndex(line)
	}
	m := x.re.FindReaderSubmatchIndex(x.reader(ctx, line))
	if ctx.Err() != nil {
		return nil
	}
	return m
}

// Short tells whether a text of n bytes is searched at once, whatever happens to the context.
func (x *Expression) Short(n int) bool { return n*x.steps <= maxWork }

// All calls visit for the matches in a text that do not overlap, with their bounds and those of their groups, as Go's FindAllSubmatchIndex
// finds them, until it returns false. It returns why the context has ended, if it has, or that Go takes the expression, but not behind another one
// in a long text.
func (x *Expression) All(ctx context.Context, text []byte, visit func(m []int) bool) error {
	// Each match may be looked for up to the end of the text.
	if len(text) <= maxWork/x.steps/max(1, len(text)) {
		for _, m := range x.re.FindAllSubmatchIndex(text, -1) {
			if !visit(m) {
				break
			}
		}
		return nil
	}
	last := -1
	for at := 0; at <= len(text); {
		m, err := x.from(ctx, text, at)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return err
		}
		if m == nil {
			return nil
		}
		// Nothing is no match directly behind one.
		if m[1] > m[0] || m[0] != last {
			if !visit(m) {
				return nil
			}
		}
		if last = m[1]; m[1] > at {
			at = m[1]
			continue
		}
		_, size := utf8.DecodeRune(text[at:])
		at += max(size, 1)
	}
	return nil
}

// from returns the first match that begins at or behind an offset.
func (x *Expression) from(ctx context.Context, text []byte, at int) ([]int, error) {
	if at == 0 {
		return x.FindSubmatchIndex(ctx, text), nil
	}
	behind, err := x.behind()
	if err != nil {
		return nil, fmt.Errorf("the expression is too deep for a text of %d bytes: %w", len(text), err)
	}
	_, size := utf8.DecodeLastRune(text[:at])
	rest := text[at-size:]
	var m []int
	if x.Short(len(rest)) {
		m = behind.FindSubmatchIndex(rest)
	} else {
		m = behind.FindReaderSubmatchIndex(x.reader(ctx, rest))
	}
	if m == nil {
		return nil, nil
	}
	m = m[2:]
	for i := range m {
		if m[i] >= 0 {
			m[i] += at - size
		}
	}
	return m, nil
}

// Expand appends a template to dst with $1 or ${name} replaced by the groups of a match.
func (x *Expression) Expand(dst, template, text []byte, m []int) []byte {
	return x.re.Expand(dst, template, text, m)
}

func (x *Expression) reader(ctx context.Context, text []byte) *reader {
	return &reader{ctx: ctx, rest: text, every: max(1, checkWork/x.steps)}
}

// reader gives the runes of a text, and ends early where its context does.
type reader struct {
	ctx         context.Context
	rest        []byte
	every, read int
}

// ReadRune implements io.RuneReader.
func (r *reader) ReadRune() (rune, int, error) {
	if r.read++; r.read%r.every == 0 && r.ctx.Err() != nil {
		return 0, 0, io.EOF
	}
	if len(r.rest) == 0 {
		return 0, 0, io.EOF
	}
	c, size := utf8.DecodeRune(r.rest)
	r.rest = r.rest[size:]
	return c, size, nil
}
