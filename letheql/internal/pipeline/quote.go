package pipeline

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Quote writes a string as a query would: in back quotes where that saves escapes, else in double quotes.
func Quote(s string) string {
	if strings.ContainsAny(s, `\"`) && !strings.Contains(s, "`") && printable(s) {
		return "`" + s + "`"
	}
	return strconv.Quote(s)
}

func printable(s string) bool {
	for _, r := range s {
		// The upstream lexer takes the replacement character for broken UTF-8.
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			return false
		}
	}
	return true
}
