package pipeline

import (
	"strings"

	"lethe/internal/regex"
)

// expressions are those that a template has compiled; one goroutine uses them at a time.
type expressions map[string]*regex.Expression

// maxExpressions bounds how many are remembered: an expression may come out of a line.
const maxExpressions = 64

func (x *expressions) compile(text string) (*regex.Expression, error) {
	if re, ok := (*x)[text]; ok {
		return re, nil
	}
	re, err := regex.Compile(text)
	if err != nil {
		return nil, err
	}
	if *x == nil || len(*x) >= maxExpressions {
		*x = expressions{}
	}
	(*x)[text] = re
	return re, nil
}

// replace puts to in the place of each match. It refuses a result that may be longer than a template's text before it is made.
func (b *bound) replace(expr, s, to string, literal bool) (string, error) {
	re, err := b.exprs.compile(expr)
	if err != nil {
		return "", err
	}
	groups := strings.Count(to, "$")
	if literal {
		groups = 0
	}
	text, with := []byte(s), []byte(to)
	var out []byte
	var tooLong error
	at := 0
	err = re.All(b.entry.ctx, text, func(m []int) bool {
		// A group is no longer than its match.
		if len(out)+m[0]-at+len(with)+groups*(m[1]-m[0]) > MaxFormatBytes {
			tooLong = errLong
			return false
		}
		out = append(out, text[at:m[0]]...)
		if literal {
			out = append(out, with...)
		} else {
			out = re.Expand(out, with, text, m)
		}
		at = m[1]
		return true
	})
	if err == nil {
		err = tooLong
	}
	if err != nil {
		return "", err
	}
	if len(out)+len(text)-at > MaxFormatBytes {
		return "", errLong
	}
	return string(append(out, text[at:]...)), nil
}

func (b *bound) count(expr, s string) (int, error) {
	re, err := b.exprs.compile(expr)
	if err != nil {
		return 0, err
	}
	n := 0
	err = re.All(b.entry.ctx, []byte(s), func([]int) bool { n++; return true })
	return n, err
}
