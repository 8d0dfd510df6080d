package pipeline

import (
	"errors"

	"github.com/prometheus/prometheus/model/labels"

	"lethe/internal/regex"
)

// Matcher compares the text of a label.
type Matcher struct {
	*labels.Matcher
	// re is the expression of =~ and !~.
	re *regex.Expression
}

// NewMatcher returns the matcher of an operator, one of = != =~ !~.
func NewMatcher(name, op, value string) (*Matcher, error) {
	for _, t := range []labels.MatchType{labels.MatchEqual, labels.MatchNotEqual, labels.MatchRegexp, labels.MatchNotRegexp} {
		if t.String() != op {
			continue
		}
		m := &Matcher{}
		var err error
		if t == labels.MatchRegexp || t == labels.MatchNotRegexp {
			if m.re, err = regex.CompileWhole(value); err != nil {
				return nil, err
			}
		}
		m.Matcher, err = labels.NewMatcher(t, name, value)
		return m, err
	}
	return nil, errors.New("a text is compared by one of = != =~ !~, not by " + op)
}

// holds has a long value searched by what ends with the query; the upstream matcher is faster for others. There may be thousands of labels and
// matchers, so no search begins when the query has ended.
func (m *Matcher) holds(e *Entry, value string) bool {
	if m.re == nil || m.re.Short(len(value)) && e.ctx.Err() == nil {
		return m.Matches(value)
	}
	return m.re.Match(e.ctx, []byte(value)) == (m.Type == labels.MatchRegexp)
}
