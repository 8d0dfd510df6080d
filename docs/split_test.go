package docs_test

import (
	"strings"
	"testing"
)

// split splits a line into simple commands and their words, with the shell's quotes; a comment, a pipe, && and ; end a command, and files that it is
// redirected to are left out.
func split(t *testing.T, line string) (out [][]string) {
	t.Helper()
	var words []string
	var word strings.Builder
	var quote rune
	in, skip := false, false
	end := func() {
		if in && !skip {
			words = append(words, word.String())
		}
		if in {
			skip = false
		}
		word.Reset()
		in = false
	}
	for _, c := range line {
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(c)
		case c == '\'' || c == '"':
			quote, in = c, true
		case c == ' ' || c == '\t':
			end()
		case c == '#' && !in:
			end()
			return append(out, words)
		case c == '|' || c == '&' || c == ';' || c == '(' || c == ')':
			end()
			out, words, skip = append(out, words), nil, false
		case c == '>' || c == '<':
			end()
			skip = true
		default:
			word.WriteRune(c)
			in = true
		}
	}
	if quote != 0 {
		t.Fatalf("a quote is not closed: %s", line)
	}
	end()
	return append(out, words)
}
