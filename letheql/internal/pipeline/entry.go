package pipeline

import (
	"slices"
	"strings"
)

// Label is a name and its value.
type Label struct{ Name, Value string }

// Base gives the labels that a line has by where it came from; "" for one that it has not.
type Base interface{ Label(name string) string }

// MaxLabels is how many labels may be taken out of one line. The rest is left out, and the line is marked by ErrorLabel.
const MaxLabels = 1000

// Labels that mark a line on which a stage failed, and the values of the first.
const (
	ErrorLabel   = "__error__"
	DetailsLabel = "__error_details__"

	ErrJSON      = "JSONParserErr"
	ErrLogfmt    = "LogfmtParserErr"
	ErrFilter    = "LabelFilterErr"
	ErrTemplate  = "TemplateFormatErr"
	ErrSample    = "SampleExtractionErr"
	ErrMaxLabels = "TooManyLabelsErr"
)

// Entry is a line on its way through a pipeline. One goroutine uses it for one line after the other.
type Entry struct {
	// Line is the text; a stage may replace it but not write into it.
	Line []byte
	// Time is the line's time in Unix nanoseconds.
	Time int64
	// Value is what an unwrap stage found; HasValue is set where the label was there, also if it was not a number.
	Value    float64
	HasValue bool

	base     Base
	reserved func(name string) bool
	labels   []Label
}

// NewEntry returns an entry for lines of a kind. The names for which reserved holds belong to the row: a label that a stage finds
// under such a name is stored with the suffix _extracted.
func NewEntry(reserved func(name string) bool) *Entry { return &Entry{reserved: reserved} }

// Reset begins the next line. The entry does not keep the line or base beyond the next call.
func (e *Entry) Reset(line []byte, t int64, base Base) {
	e.Line, e.Time, e.base = line, t, base
	e.Value, e.HasValue = 0, false
	e.labels = e.labels[:0]
}

// Get returns a label that a stage has set, else one of the row.
func (e *Entry) Get(name string) (string, bool) {
	for i := range e.labels {
		if e.labels[i].Name == name {
			return e.labels[i].Value, true
		}
	}
	v := e.base.Label(name)
	return v, v != ""
}

// Extract stores what a parser found under a key of any form. An empty value is the same as none.
func (e *Entry) Extract(key, value string) {
	name := Sanitize(key)
	if name == "" || value == "" {
		return
	}
	if e.reserved(name) {
		name += "_extracted"
	}
	for i := range e.labels {
		if e.labels[i].Name == name {
			e.labels[i].Value = value
			return
		}
	}
	if len(e.labels) >= MaxLabels {
		e.Fail(ErrMaxLabels, "the line holds more labels than are taken out of one")
		return
	}
	e.labels = append(e.labels, Label{name, value})
}

// Fail marks the line; the first mark stays.
func (e *Entry) Fail(kind, details string) {
	if !e.Failed() {
		e.labels = append(e.labels, Label{ErrorLabel, kind}, Label{DetailsLabel, details})
	}
}

// Failed reports whether a stage has marked the line.
func (e *Entry) Failed() bool {
	for i := range e.labels {
		if e.labels[i].Name == ErrorLabel {
			return true
		}
	}
	return false
}

// Extracted returns the labels that stages have set, sorted by name. The slice is valid until the next Reset; the strings stay.
func (e *Entry) Extracted() []Label {
	slices.SortFunc(e.labels, func(a, b Label) int { return strings.Compare(a.Name, b.Name) })
	return e.labels
}

// Sanitize makes a valid label name of a key: what is no letter, digit or underscore becomes an underscore, and a name does not
// begin with a digit.
func Sanitize(key string) string {
	ok := key != "" && !isDigit(key[0])
	for i := 0; ok && i < len(key); i++ {
		ok = isNameByte(key[i])
	}
	if ok || key == "" {
		return key
	}
	b := make([]byte, 0, len(key)+1)
	if isDigit(key[0]) {
		b = append(b, '_')
	}
	for _, r := range key {
		if r < 0x80 && isNameByte(byte(r)) {
			b = append(b, byte(r))
		} else {
			b = append(b, '_')
		}
	}
	return string(b)
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isNameByte(c byte) bool {
	return c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || isDigit(c)
}
