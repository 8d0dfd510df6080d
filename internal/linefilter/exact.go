package linefilter

import (
	"bytes"
	"context"
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
	return link{filter: filter{test: newAnchored(body.lits, begin, end), cost: 5}, need: body.need}, true
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

// anchored tests the start, the end, or the whole of a line for one of some texts.
type anchored struct {
	texts      [][]byte
	begin, end bool
}

func newAnchored(lits []lit, begin, end bool) *anchored {
	a := &anchored{begin: begin, end: end}
	for _, l := range lits {
		a.texts = append(a.texts, []byte(l.text))
	}
	return a
}

// lend implements tester.
func (a *anchored) lend(context.Context) (func([]byte) bool, func()) { return a.match, func() {} }

func (a *anchored) match(line []byte) bool {
	for _, t := range a.texts {
		switch {
		case a.begin && a.end && bytes.Equal(line, t),
			a.begin && !a.end && bytes.HasPrefix(line, t),
			a.end && !a.begin && bytes.HasSuffix(line, t):
			return true
		}
	}
	return false
}
