// Package pipeline runs what follows a selector: filters on the line, parsers that take labels out of it, filters on labels,
// and formatting. A stage is made once from the query and used by many goroutines; all state is in the Entry.
package pipeline

import (
	"bytes"
	"errors"
	"regexp"
	"strings"

	"lethe/internal/literals"
	"lethe/internal/regex"
)

// Stage is one step. Its methods may be called from several goroutines.
type Stage interface {
	// String is the stage as it stands in a query, with its operator.
	String() string
	// Process works on the entry and reports whether it is kept.
	Process(e *Entry) bool
	// Labels are the names that the stage reads.
	Labels() []string
}

// Pipeline is a run of stages.
type Pipeline []Stage

// String is the stages as they stand in a query, each after a space.
func (p Pipeline) String() string {
	var b strings.Builder
	for _, s := range p {
		b.WriteByte(' ')
		b.WriteString(s.String())
	}
	return b.String()
}

// Process runs the stages until one of them drops the entry, or its context ends.
func (p Pipeline) Process(e *Entry) bool {
	for _, s := range p {
		if e.ctx.Err() != nil || !s.Process(e) {
			return false
		}
	}
	return true
}

// LineFilter keeps lines by their text.
type LineFilter struct {
	// Op is one of |= != |~ !~ |> !>.
	Op string
	// Texts are searched for, or RE2 expressions that need not match the whole line, or patterns that do. A line that holds one of them holds the
	// filter.
	Texts []string
	// lit is the text that is searched for, any are several; always: one of them is empty.
	lit    []byte
	any    *literals.Set
	always bool
	re     *regex.Expression
}

// NewLineFilter returns a filter. An expression that does not compile gives its index and why.
func NewLineFilter(op string, texts ...string) (f *LineFilter, bad int, err error) {
	f = &LineFilter{Op: op, Texts: texts}
	if op[1] == '=' {
		f.literals()
		return f, 0, nil
	}
	for i := range texts {
		if _, err := f.expression(i); err != nil {
			return nil, i, err
		}
	}
	_, joined := f.Joined()
	f.re, err = regex.Compile(joined[0])
	return f, 0, err
}

// literals prepares the search for texts.
func (f *LineFilter) literals() {
	var lits [][]byte
	for _, text := range f.Texts {
		lits = append(lits, []byte(text))
		f.always = f.always || text == ""
	}
	switch {
	case f.always:
	case len(lits) == 1:
		f.lit = lits[0]
	default:
		f.any = literals.New(lits)
	}
}

// expression is a text as an RE2 expression.
func (f *LineFilter) expression(i int) (string, error) {
	text := f.Texts[i]
	if f.Op[1] == '>' {
		return patternExpression(text)
	}
	_, _, err := regex.Check(text)
	return text, err
}

// Joined returns the filter as one by |= != with its texts, or by |~ !~ with a single one: several expressions become one of alternatives.
func (f *LineFilter) Joined() (op string, texts []string) {
	if f.Op[1] == '=' {
		return f.Op, f.Texts
	}
	parts := make([]string, len(f.Texts))
	for i := range f.Texts {
		// The constructor has looked at each.
		parts[i], _ = f.expression(i)
		if f.Op[1] == '~' && len(parts) > 1 {
			parts[i] = "(?:" + parts[i] + ")"
		}
	}
	return f.Op[:1] + "~", []string{strings.Join(parts, "|")}
}

// patternExpression is a pattern as an expression for the whole line: <_> stands for at least one character.
func patternExpression(text string) (string, error) {
	lits := strings.Split(text, "<_>")
	for i, lit := range lits {
		if capture.MatchString(lit) {
			return "", errors.New("a pattern filter names no labels: write <_>, or use the stage pattern")
		}
		if lit == "" && i > 0 && i < len(lits)-1 {
			return "", errors.New("two <_> need a text between them")
		}
		lits[i] = regexp.QuoteMeta(lit)
	}
	return `\A(?s:` + strings.Join(lits, ".+") + `)\z`, nil
}

var capture = regexp.MustCompile(`<[a-zA-Z_][a-zA-Z0-9_]*>`)

// String implements Stage.
func (f *LineFilter) String() string {
	parts := make([]string, len(f.Texts))
	for i, t := range f.Texts {
		parts[i] = Quote(t)
	}
	return f.Op + " " + strings.Join(parts, " or ")
}

// Labels implements Stage.
func (f *LineFilter) Labels() []string { return nil }

// Process implements Stage.
func (f *LineFilter) Process(e *Entry) bool {
	var found bool
	switch {
	case f.re != nil:
		found = f.re.Match(e.ctx, e.Line)
	case f.any != nil:
		found = f.any.In(e.Line)
	default:
		found = f.always || bytes.Contains(e.Line, f.lit)
	}
	return found == (f.Op[0] == '|')
}
