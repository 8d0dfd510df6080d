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
	// Text is searched for, or an RE2 expression that need not match the whole line.
	Text string
	lit  []byte
	re   *regexp.Regexp
}

// NewLineFilter returns a filter, or why its expression does not compile.
func NewLineFilter(op, text string) (*LineFilter, error) {
	f := &LineFilter{Op: op, Text: text, lit: []byte(text)}
	if op == "|~" || op == "!~" {
		re, err := regexp.Compile(text)
		if err != nil {
			return nil, err
		}
		f.re = re
	}
	return f, nil
}

// String implements Stage.
func (f *LineFilter) String() string { return f.Op + " " + Quote(f.Text) }

// Labels implements Stage.
func (f *LineFilter) Labels() []string { return nil }

// Process implements Stage.
func (f *LineFilter) Process(e *Entry) bool { return f.Match(e.Line) }

// Match reports whether the filter keeps a line.
func (f *LineFilter) Match(line []byte) bool {
	var found bool
	if f.re != nil {
		found = f.re.Match(line)
	} else {
		found = bytes.Contains(line, f.lit)
	}
	return found == (f.Op[0] == '|')
}
