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
	_, _, err := regex.Check(m.Value)
	return err
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
