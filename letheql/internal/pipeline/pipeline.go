// Package pipeline runs what follows a selector: filters on the line, parsers that take labels out of it, filters on labels,
// and formatting. A stage is made once from the query and used by many goroutines; all state is in the Entry.
package pipeline

import (
	"bytes"
	"regexp"
	"strings"
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

// Process runs the stages until one of them drops the entry.
func (p Pipeline) Process(e *Entry) bool {
	for _, s := range p {
		if !s.Process(e) {
			return false
		}
	}
	return true
}

// LineFilter keeps lines by their text.
type LineFilter struct {
	// Op is one of |= != |~ !~.
	Op string
	// Texts are searched for, or RE2 expressions that need not match the whole line. A line that holds one of them holds the filter.
	Texts []string
	lit   []byte
	re    *regexp.Regexp
}

// NewLineFilter returns a filter. An expression that does not compile gives its index and why.
func NewLineFilter(op string, texts ...string) (f *LineFilter, bad int, err error) {
	f = &LineFilter{Op: op, Texts: texts, lit: []byte(texts[0])}
	if f.isRegexp() {
		for i, text := range texts {
			if _, err := regexp.Compile(text); err != nil {
				return nil, i, err
			}
		}
	}
	if op, text := f.Single(); op == "|~" || op == "!~" {
		f.re, err = regexp.Compile(text)
	}
	return f, 0, err
}

func (f *LineFilter) isRegexp() bool { return f.Op == "|~" || f.Op == "!~" }

// Single returns the filter as one of a single text: several are an expression of alternatives.
func (f *LineFilter) Single() (op, text string) {
	if len(f.Texts) == 1 {
		return f.Op, f.Texts[0]
	}
	parts := make([]string, len(f.Texts))
	for i, t := range f.Texts {
		parts[i] = "(?:" + t + ")"
		if !f.isRegexp() {
			parts[i] = regexp.QuoteMeta(t)
		}
	}
	return map[bool]string{true: "|~", false: "!~"}[f.Op[0] == '|'], strings.Join(parts, "|")
}

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
	if f.re != nil {
		found = f.re.Match(e.Line)
	} else {
		found = bytes.Contains(e.Line, f.lit)
	}
	return found == (f.Op[0] == '|')
}
