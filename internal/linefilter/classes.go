package linefilter

import (
	"regexp/syntax"
	"unicode/utf8"
)

// classes are sequences of sets of bytes that stand in each text that an expression matches: at its head, at its tail, and the best one
// anywhere. Where exact is set all three are one, and each text that is matched is of its length.
type classes struct {
	exact            bool
	head, tail, best []bytesAt
}

func exactly(sequence []bytesAt) classes { return classes{true, sequence, sequence, sequence} }

// rateOf estimates how often a sequence stands at a place of a log.
func rateOf(sequence []bytesAt) float64 {
	rate := 1.0
	for i := range sequence {
		rate *= min(1, sequence[i].rate)
	}
	return rate
}

// better returns the rarer one of best and the ends of a run, each of which is a window at most.
func better(best, run []bytesAt) []bytesAt {
	n := min(len(run), maxWindow)
	for _, end := range [][]bytesAt{run[:n], run[len(run)-n:]} {
		if rateOf(end) < rateOf(best) {
			best = end
		}
	}
	return best
}

// classesOf looks at a simplified expression.
func classesOf(re *syntax.Regexp) classes {
	switch re.Op {
	case syntax.OpEmptyMatch, syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText, syntax.OpEndText,
		syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return exactly(nil)
	case syntax.OpLiteral:
		return literalClasses(re)
	case syntax.OpCharClass:
		if set, ok := classSet(re.Rune); ok {
			return exactly([]bytesAt{set})
		}
	case syntax.OpCapture:
		return classesOf(re.Sub[0])
	case syntax.OpPlus:
		c := classesOf(re.Sub[0])
		c.exact = false
		return c
	case syntax.OpConcat:
		return concatClasses(re.Sub)
	case syntax.OpAlternate:
		return alternateClasses(re.Sub)
	}
	return classes{}
}

// classSet returns the bytes of a class of ASCII runes.
func classSet(ranges []rune) (set bytesAt, ok bool) {
	for i := 0; i+1 < len(ranges); i += 2 {
		if ranges[i+1] >= utf8.RuneSelf {
			return set, false
		}
		for r := ranges[i]; r <= ranges[i+1]; r++ {
			set.add(byte(r))
		}
	}
	return set, true
}

func literalClasses(re *syntax.Regexp) classes {
	fold := re.Flags&syntax.FoldCase != 0
	subs := make([]classes, 0, len(re.Rune))
	for _, r := range re.Rune {
		sub := classes{}
		if r < utf8.RuneSelf {
			if set, ok := caseSet(byte(r), fold); ok {
				sub = exactly([]bytesAt{set})
			}
		}
		subs = append(subs, sub)
	}
	return inRow(subs)
}

func concatClasses(res []*syntax.Regexp) classes {
	subs := make([]classes, 0, len(res))
	for _, re := range res {
		subs = append(subs, classesOf(re))
	}
	return inRow(subs)
}

// inRow puts classes one after the other.
func inRow(subs []classes) classes {
	out := classes{exact: true}
	var run []bytesAt
	for _, s := range subs {
		run = append(run[:len(run):len(run)], s.head...)
		if s.exact && len(run) <= maxWindow {
			continue
		}
		if out.exact {
			out.exact, out.head = false, run[:min(len(run), maxWindow)]
		}
		out.best = better(better(out.best, run), s.best)
		if s.exact {
			run = run[len(run)-maxWindow:]
		} else {
			run = s.tail
		}
	}
	if out.exact {
		return exactly(run)
	}
	out.tail, out.best = run, better(out.best, run)
	return out
}

// alternateClasses joins the sets of the alternatives, as far as all of them go from either end.
func alternateClasses(res []*syntax.Regexp) classes {
	out := classesOf(res[0])
	for _, re := range res[1:] {
		c := classesOf(re)
		out.exact = out.exact && c.exact && len(out.head) == len(c.head)
		h, t := min(len(out.head), len(c.head)), min(len(out.tail), len(c.tail))
		out.head = union(out.head[:h], c.head[:h])
		out.tail = union(out.tail[len(out.tail)-t:], c.tail[len(c.tail)-t:])
	}
	if out.exact {
		return exactly(out.head)
	}
	out.best = better(better(nil, out.head), out.tail)
	return out
}

func union(a, b []bytesAt) []bytesAt {
	out := make([]bytesAt, len(a))
	for i := range a {
		out[i] = a[i]
		out[i].or(&b[i])
	}
	return out
}

// maxRate is the greatest rate at which candidates are worth looking for: about one in two lines.
const maxRate = 1.0 / 256

// sequence searches for candidates: places where the bytes of a sequence stand, without which no line matches.
type sequence struct{ *shifter }

// newSequence returns the search for the best sequence of an expression, or nil where there is none worth it.
func newSequence(re *syntax.Regexp) finder {
	c := classesOf(re)
	best := c.best
	if len(best) < minMulti || rateOf(best) > maxRate {
		return nil
	}
	return sequence{newShifter([][]bytesAt{best}, len(best))}
}

type sequenceCursor struct {
	*shifter
	data []byte
}

func (s sequence) in(data []byte) cursor { return sequenceCursor{s.shifter, data} }

func (c sequenceCursor) next(from int) (int, int) {
	at, _ := c.shifter.next(c.data, from)
	return at, at + c.length
}

func (s sequence) found(line []byte) bool {
	at, _ := s.next(line, 0)
	return at >= 0
}

func (s sequence) cost() int { return 10 + len(common) }

// needs returns nothing: the index knows literals only.
func (s sequence) needs() Need { return Need{} }
