package pipeline

import (
	"strings"

	"lethe/internal/regex"
)

// expressions are those that the templates of a query have compiled; one goroutine uses them.
type expressions struct {
	compiled map[string]*regex.Expression
	steps    int
}

// An expression may come out of a line, and a query may hold hundreds of templates: so the expressions that are remembered are bounded by number, and by
// the sum of their steps, which take some hundred bytes each.
const (
	maxExpressions     = 256
	maxExpressionSteps = 4 * regex.MaxSteps
)

func (x *expressions) compile(text string) (*regex.Expression, error) {
	if re, ok := x.compiled[text]; ok {
		return re, nil
	}
	re, err := regex.Compile(text)
	if err != nil {
		return nil, err
	}
	if x.compiled == nil || len(x.compiled) >= maxExpressions || x.steps+re.Steps() > maxExpressionSteps {
		*x = expressions{compiled: map[string]*regex.Expression{}}
	}
	x.compiled[text] = re
	x.steps += re.Steps()
	return re, nil
}

// replace puts to in the place of each match. It refuses a result that may be longer than a template's text before it is made.
func (b *bound) replace(expr, s, to string, literal bool) (string, error) {
	re, err := b.entry.exprs.compile(expr)
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
	re, err := b.entry.exprs.compile(expr)
	if err != nil {
		return 0, err
	}
	n := 0
	err = re.All(b.entry.ctx, []byte(s), func([]int) bool { n++; return true })
	return n, err
}
