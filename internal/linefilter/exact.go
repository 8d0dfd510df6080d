package linefilter

import (
	"bytes"
	"regexp/syntax"
	"slices"
)

// compileExact returns a link that equals the stripped expression without running it, where there is one.
func compileExact(re *syntax.Regexp, known facts) (link, bool) {
	if known.pure && known.lits != nil {
		return exactSearch(known)
	}
	if re.Op != syntax.OpConcat {
		return link{}, false
	}
	begin, end := re.Sub[0].Op == syntax.OpBeginText, re.Sub[len(re.Sub)-1].Op == syntax.OpEndText
	inner := re.Sub
	if begin {
		inner = inner[1:]
	}
	if end && len(inner) > 0 {
		inner = inner[:len(inner)-1]
	}
	if !begin && !end {
		return link{}, false
	}
	body := analyzeConcat(inner)
	if body.lits == nil || !body.pure || slices.ContainsFunc(body.lits, func(l lit) bool { return l.fold }) {
		return link{}, false
	}
	return link{filter: filter{test: anchored(body.lits, begin, end), cost: 5}, need: body.need}, true
}

// exactSearch is the search for one of the literals that the expression is.
func exactSearch(known facts) (link, bool) {
	l := link{need: known.need}
	if l.need.Op == Any {
		return l, true
	}
	if l.find = finderOf(l.need); l.find == nil {
		return link{}, false
	}
	l.cost = l.find.cost()
	return l, true
}

// anchored tests the start, the end, or the whole of a line.
func anchored(lits []lit, begin, end bool) func([]byte) bool {
	texts := make([][]byte, len(lits))
	for i, l := range lits {
		texts[i] = []byte(l.text)
	}
	return func(line []byte) bool {
		for _, t := range texts {
			switch {
			case begin && end && bytes.Equal(line, t),
				begin && !end && bytes.HasPrefix(line, t),
				end && !begin && bytes.HasSuffix(line, t):
				return true
			}
		}
		return false
	}
}
