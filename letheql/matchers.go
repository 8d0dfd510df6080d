package letheql

import (
	"strings"

	"github.com/prometheus/prometheus/model/labels"

	"lethe/internal/regex"
)

// CheckMatcher refuses a matcher whose expression is over the limits of package regex. Plain alternatives are none of these, however many they
// are: a dashboard may name each pod there is.
func CheckMatcher(m *labels.Matcher) error {
	if m.Type != labels.MatchRegexp && m.Type != labels.MatchNotRegexp || plainAlternatives(m.Value) {
		return nil
	}
	_, err := regex.Steps(m.Value)
	return err
}

// CheckSelectors looks at the expressions in the braces of selectors, before an upstream parser compiles them: those that are over the limits of package
// regex, or that need more than 100,000 steps together, are an error of type *Error. All else it leaves to the parser.
func CheckSelectors(texts ...string) error {
	steps := 0
	for _, text := range texts {
		l := &lifter{src: text, res: &lifted{}, steps: steps}
		for l.i < len(text) {
			var err error
			switch c := text[l.i]; {
			case c == '{':
				err = l.braces()
			case isQuote(c):
				l.i, _ = stringEnd(text, l.i)
			case c == '#':
				l.i = skipSpace(text, l.i)
			default:
				l.i++
			}
			if err != nil {
				return err
			}
		}
		steps = l.steps
	}
	return nil
}

// plainAlternatives holds for a|b|c, with what is not plain in them behind a backslash.
func plainAlternatives(text string) bool {
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\\':
			if i++; i == len(text) || isWord(text[i]) && text[i] != '_' {
				return false
			}
		case strings.IndexByte(".+*?()[]{}^$", text[i]) >= 0:
			return false
		}
	}
	return true
}
