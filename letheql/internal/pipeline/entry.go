package pipeline

import (
	"context"
	"slices"
	"strings"
	"unicode/utf8"
)

// Label is a name and its value.
type Label struct{ Name, Value string }

// Base gives the labels that a line has by where it came from; "" for one that it has not.
type Base interface{ Label(name string) string }

// MaxLabels is how many labels may be taken out of one line, those that are dropped later or that nobody reads included. The rest is left out,
// and the line is marked by ErrorLabel.
const MaxLabels = 1000

// MaxMade is how many bytes the stages make of one line, all of them together: texts of templates and of each of their functions, values that they
// hold meanwhile, and labels that are taken out. What is over it is left out, and the line is marked by ErrorLabel.
const MaxMade = 8 << 20

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

	// undecided: a comparison of numbers has kept the line for want of a number.
	undecided bool

	ctx    context.Context
	base   Base
	scope  *Scope
	labels []Label
	buf    []byte
	// names are those met before; rare are those of this line that it has no room for.
	names, rare map[string]*name
	// line is the number of the line, count how many names have got a value in it.
	line  uint64
	count int
	// made is how many bytes the stages have made of the line.
	made int
	// exprs are those of templates.
	exprs expressions
}

// Scope says which labels stages may set. It is shared by the entries of a query.
type Scope struct {
	// Reserved names belong to the row: a label that a stage finds under such a name is stored with the suffix _extracted.
	Reserved map[string]bool
	// Wanted are the names that somebody reads; others are not stored. Nil is all.
	Wanted map[string]bool
}

// maxNames and maxNameBytes bound the names that an entry remembers.
const (
	maxNames     = 4096
	maxNameBytes = 256
)

// NewEntry returns an entry for lines of one query. When the context ends, a stage may stop in the midst of its work: what becomes of the line
// then says nothing.
func NewEntry(ctx context.Context, s *Scope) *Entry {
	return &Entry{ctx: ctx, scope: s, names: map[string]*name{}, rare: map[string]*name{}}
}

// Reset begins the next line. The entry does not keep the line or base beyond the next call.
func (e *Entry) Reset(line []byte, t int64, base Base) {
	e.Line, e.Time, e.base = line, t, base
	e.Value, e.HasValue, e.undecided = 0, false, false
	e.labels = e.labels[:0]
	e.line++
	e.count, e.made = 0, 0
	clear(e.rare)
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

// name is what is known of a key met before.
type name struct {
	// text is the name of the label.
	text string
	// wanted: the label is stored; rare: there was no room for the name in names.
	wanted, rare bool
	// line is the number of the line in which it was counted last.
	line uint64
}

// nameOf returns what is known of a key of any form, nil where it gives no name.
func (e *Entry) nameOf(key []byte) *name {
	e.buf = Sanitize(e.buf[:0], key)
	if len(e.buf) == 0 {
		return nil
	}
	if e.scope.Reserved[string(e.buf)] {
		e.buf = append(e.buf, "_extracted"...)
	}
	if n, ok := e.names[string(e.buf)]; ok {
		return n
	}
	if n, ok := e.rare[string(e.buf)]; ok {
		return n
	}
	n := &name{text: string(e.buf)}
	n.wanted = e.scope.Wanted == nil || e.scope.Wanted[n.text]
	if len(e.names) < maxNames && len(n.text) <= maxNameBytes {
		e.names[n.text] = n
		return n
	}
	n.rare = true
	return n
}

// Extract stores what a parser found under a key of any form. An empty value is the same as none.
func (e *Entry) Extract(key, value []byte) {
	if len(value) == 0 {
		return
	}
	if n := e.nameOf(key); e.takes(n, len(value)) && n.wanted {
		e.set(n.text, string(value))
	}
}

// spend reports whether so many bytes more may be made of the line, and counts them.
func (e *Entry) spend(bytes int) bool {
	if bytes > MaxMade-e.made {
		return false
	}
	e.made += bytes
	return true
}

// takes counts a name that gets a value made of the line, wanted or not, and reports whether there is room for both. Where there is none, the line
// is marked. It is false too where the context has ended, since a line may have a label in every third byte.
func (e *Entry) takes(n *name, bytes int) bool {
	if e.ctx.Err() != nil || !e.counted(n) {
		return false
	}
	if !e.spend(bytes) {
		e.Fail(ErrMaxLabels, "the labels of the line hold more bytes than are taken out of one")
		return false
	}
	return true
}

// counted counts a name that gets a value, wanted or not, and reports whether there is room for it. A line with too many is marked.
func (e *Entry) counted(n *name) bool {
	if n == nil {
		return false
	}
	if n.line != e.line {
		if e.count == MaxLabels {
			e.Fail(ErrMaxLabels, "the line holds more labels than are taken out of one")
			return false
		}
		e.count++
		n.line = e.line
		if n.rare {
			e.rare[n.text] = n
		}
	}
	return true
}

// set stores a value under a name that was counted.
func (e *Entry) set(name, value string) {
	for i := range e.labels {
		if e.labels[i].Name == name {
			e.labels[i].Value = value
			return
		}
	}
	e.labels = append(e.labels, Label{name, value})
}

// remove takes a label away that a stage has set.
func (e *Entry) remove(name string) {
	e.labels = slices.DeleteFunc(e.labels, func(l Label) bool { return l.Name == name })
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

// Undecided reports whether a comparison of numbers has kept the line only because a stage had failed on it, and nothing has looked at that mark
// since or taken it away: a row to see, but nothing to count.
func (e *Entry) Undecided() bool { return e.undecided && e.Failed() }

func isMark(name string) bool { return name == ErrorLabel || name == DetailsLabel }

// Extracted returns the labels that stages have set, sorted by name. The slice is valid until the next Reset; the strings stay.
func (e *Entry) Extracted() []Label {
	slices.SortFunc(e.labels, func(a, b Label) int { return strings.Compare(a.Name, b.Name) })
	return e.labels
}

// Sanitize appends to dst the valid label name for a key: what is no letter, digit or underscore becomes an underscore, and a name does
// not begin with a digit. The empty key has no name.
func Sanitize(dst, key []byte) []byte {
	if len(key) > 0 && isDigit(key[0]) {
		dst = append(dst, '_')
	}
	for i, c := range key {
		switch {
		case isNameByte(c):
			dst = append(dst, c)
		case c < utf8.RuneSelf || utf8.RuneStart(c) || i == 0:
			// One underscore a character, however many bytes it has.
			dst = append(dst, '_')
		}
	}
	return dst
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isNameByte(c byte) bool {
	return c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || isDigit(c)
}
