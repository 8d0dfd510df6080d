package pipeline

import (
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/prometheus/common/model"
)

// Condition is what a label filter asks for.
type Condition interface {
	// appendText appends the condition as it stands in a query, in parentheses where it binds less than its place needs.
	appendText(b []byte, bind int) []byte
	judge(e *Entry) verdict
	appendLabels(names []string) []string
}

// verdict is what a condition says of a line. Of several that must hold the least counts, of several of which one must hold the greatest.
type verdict int

const (
	no verdict = iota
	// undecided: the line has no number to compare because a stage has failed on it. It is kept.
	undecided
	yes
)

func verdictOf(holds bool) verdict {
	if holds {
		return yes
	}
	return no
}

// How tightly conditions bind.
const (
	bindOr = iota
	bindAnd
)

// LabelFilter keeps lines by their labels.
type LabelFilter struct {
	cond Condition
	// marks: the condition looks at the marks of mistakes.
	marks bool
}

// NewLabelFilter returns a stage.
func NewLabelFilter(c Condition) *LabelFilter {
	return &LabelFilter{c, slices.ContainsFunc(c.appendLabels(nil), isMark)}
}

// String implements Stage.
func (f *LabelFilter) String() string { return string(f.cond.appendText([]byte("| "), bindOr)) }

// Labels implements Stage.
func (f *LabelFilter) Labels() []string { return f.cond.appendLabels(nil) }

// Process implements Stage. What a condition on the marks keeps is wanted as it is.
func (f *LabelFilter) Process(e *Entry) bool {
	v := f.cond.judge(e)
	switch {
	case v == undecided:
		e.undecided = true
	case f.marks:
		e.undecided = false
	}
	return v != no
}

type both struct {
	a, b Condition
	or   bool
}

// And holds where both hold.
func And(a, b Condition) Condition { return both{a, b, false} }

// Or holds where one holds.
func Or(a, b Condition) Condition { return both{a, b, true} }

func (c both) appendText(b []byte, bind int) []byte {
	own, word := bindAnd, " and "
	if c.or {
		own, word = bindOr, " or "
	}
	if bind > own {
		b = append(b, '(')
	}
	// Chains lean to the left, as they are read; on the right, a chain stands in parentheses.
	b = append(c.a.appendText(b, own), word...)
	b = c.b.appendText(b, own+1)
	if bind > own {
		b = append(b, ')')
	}
	return b
}

// judge is no where the context has ended: a filter may have thousands of conditions.
func (c both) judge(e *Entry) verdict {
	if e.ctx.Err() != nil {
		return no
	}
	a := c.a.judge(e)
	if c.or && a == yes {
		return yes
	}
	// The right side of and runs in any case, since it may mark a line that another side of an or keeps.
	b := c.b.judge(e)
	if c.or {
		return max(a, b)
	}
	return min(a, b)
}

func (c both) appendLabels(names []string) []string { return c.b.appendLabels(c.a.appendLabels(names)) }

type stringCondition struct{ m *Matcher }

// MatchLabel compares a label's text by one of = != =~ !~. A label that is not there is empty.
func MatchLabel(name, op, value string) (Condition, error) {
	m, err := NewMatcher(name, op, value)
	return stringCondition{m}, err
}

func (c stringCondition) appendText(b []byte, _ int) []byte {
	return append(b, c.m.Name+c.m.Type.String()+Quote(c.m.Value)...)
}

func (c stringCondition) judge(e *Entry) verdict {
	v, _ := e.Get(c.m.Name)
	return verdictOf(c.m.holds(e, v))
}

func (c stringCondition) appendLabels(names []string) []string { return append(names, c.m.Name) }

type numberCondition struct {
	name, op, literal string
	value             float64
	parse             func(string) (float64, error)
}

// CompareLabel compares a label as a number, a duration (250ms, 1h30m) or a size (20MB, 5KiB), by one of == = != > >= < <=. What kind it is,
// the literal says.
func CompareLabel(name, op, literal string) (Condition, error) {
	if !slices.Contains([]string{"==", "=", "!=", ">", ">=", "<", "<="}, op) {
		return nil, errors.New("a number is compared by one of == != > >= < <=, not by " + op)
	}
	if op == "=" {
		op = "=="
	}
	for _, parse := range []func(string) (float64, error){parseNumber, parseDuration, parseBytes} {
		if v, err := parse(literal); err == nil {
			return numberCondition{name, op, literal, v, parse}, nil
		}
	}
	return nil, errors.New(strconv.Quote(literal) + " is neither number, duration nor size; a text stands in quotes")
}

func (c numberCondition) appendText(b []byte, _ int) []byte {
	return append(b, c.name+" "+c.op+" "+c.literal...)
}

// judge is no for a line without the label, but where a stage has failed on it: what a parser did not get to says nothing. A line whose label is not a
// number is marked, where nothing has marked it before.
func (c numberCondition) judge(e *Entry) verdict {
	s, ok := e.Get(c.name)
	if !ok && e.Failed() {
		return undecided
	}
	if !ok {
		return no
	}
	v, err := c.parse(s)
	if err != nil {
		e.Fail(ErrFilter, err.Error())
		return undecided
	}
	return verdictOf(c.compare(v))
}

func (c numberCondition) compare(v float64) bool {
	switch c.op {
	case "==":
		return v == c.value
	case "!=":
		return v != c.value
	case ">":
		return v > c.value
	case ">=":
		return v >= c.value
	case "<":
		return v < c.value
	}
	return v <= c.value
}

func (c numberCondition) appendLabels(names []string) []string { return append(names, c.name) }

func parseNumber(s string) (float64, error) { return strconv.ParseFloat(s, 64) }

// parseDuration reads Go's and Prometheus's durations, in seconds.
func parseDuration(s string) (float64, error) {
	d, err := time.ParseDuration(s)
	if err == nil {
		return d.Seconds(), nil
	}
	if p, perr := model.ParseDuration(s); perr == nil {
		return time.Duration(p).Seconds(), nil
	}
	return 0, err
}

func parseBytes(s string) (float64, error) {
	n, err := humanize.ParseBytes(s)
	return float64(n), err
}

// Unwrap makes a number of a label.
type Unwrap struct {
	// Label is the name, Conv "" for a number, else duration, duration_seconds or bytes.
	Label, Conv string
	parse       func(string) (float64, error)
}

// NewUnwrap returns a stage, or why the conversion is not known.
func NewUnwrap(label, conv string) (*Unwrap, error) {
	switch conv {
	case "":
		return &Unwrap{label, conv, parseNumber}, nil
	case "duration", "duration_seconds":
		return &Unwrap{label, conv, parseDuration}, nil
	case "bytes":
		return &Unwrap{label, conv, parseBytes}, nil
	}
	return nil, errors.New("unknown conversion " + strconv.Quote(conv) + ": there are duration, duration_seconds and bytes")
}

// String implements Stage.
func (u *Unwrap) String() string {
	if u.Conv != "" {
		return "| unwrap " + u.Conv + "(" + u.Label + ")"
	}
	return "| unwrap " + u.Label
}

// Labels implements Stage.
func (u *Unwrap) Labels() []string { return []string{u.Label} }

// Process implements Stage. A line without the label has no value; one whose label is not a number is marked.
func (u *Unwrap) Process(e *Entry) bool {
	s, ok := e.Get(u.Label)
	if !ok {
		return true
	}
	v, err := u.parse(s)
	if err != nil {
		e.Fail(ErrSample, err.Error())
	}
	e.Value, e.HasValue = v, true
	return true
}
