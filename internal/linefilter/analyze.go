package linefilter

import (
	"regexp/syntax"
	"slices"
	"unicode"
	"unicode/utf8"
)

const (
	// maxLits bounds the literals that an expression is expanded to, and maxClass the runes of a class that is.
	maxLits  = 32
	maxClass = 4
)

// lit is a string that an expression matches, under case folding where fold is set.
type lit struct {
	text string
	fold bool
}

// facts are what is known of the texts that an expression matches.
type facts struct {
	// lits, where not nil: each match is one of these.
	lits []lit
	// pure: each occurrence of one of lits, anywhere, is a match.
	pure bool
	// need holds for every line with a match.
	need Need
}

func unknown() facts { return facts{} }

func ofLits(lits []lit, pure bool) facts {
	return facts{lits: lits, pure: pure, need: needOf(lits)}
}

func needOf(lits []lit) Need {
	subs := make([]Need, 0, len(lits))
	for _, l := range lits {
		if l.text == "" {
			return Need{}
		}
		subs = append(subs, Need{Op: Literal, Literal: []byte(l.text), Fold: l.fold})
	}
	return join(Or, subs)
}

// join builds an And or an Or of more than one, without nesting a kind in itself.
func join(op NeedOp, subs []Need) Need {
	flat := make([]Need, 0, len(subs))
	for _, s := range subs {
		switch {
		case s.Op == op:
			flat = append(flat, s.Subs...)
		case s.Op != Any:
			flat = append(flat, s)
		case op == Or:
			return Need{}
		}
	}
	if op == And && len(flat) == 0 {
		return Need{}
	}
	if len(flat) == 1 {
		return flat[0]
	}
	return Need{Op: op, Subs: flat}
}

// analyze looks at a simplified expression.
func analyze(re *syntax.Regexp) facts {
	switch re.Op {
	case syntax.OpNoMatch:
		return facts{need: Need{Op: Or}}
	case syntax.OpEmptyMatch:
		return ofLits([]lit{{}}, true)
	case syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText, syntax.OpEndText,
		syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return ofLits([]lit{{}}, false)
	case syntax.OpLiteral:
		return analyzeLiteral(re)
	case syntax.OpCharClass:
		return analyzeClass(re)
	case syntax.OpCapture:
		return analyze(re.Sub[0])
	case syntax.OpPlus:
		return facts{need: analyze(re.Sub[0]).need}
	case syntax.OpConcat:
		return analyzeConcat(re.Sub)
	case syntax.OpAlternate:
		return analyzeAlternate(re.Sub)
	}
	return unknown()
}

func analyzeLiteral(re *syntax.Regexp) facts {
	l := lit{fold: false}
	for _, r := range re.Rune {
		if r == utf8.RuneError || !utf8.ValidRune(r) {
			// A byte that is not UTF-8 matches U+FFFD too.
			return unknown()
		}
		if re.Flags&syntax.FoldCase != 0 && unicode.SimpleFold(r) != r {
			l.fold = true
		}
	}
	l.text = string(re.Rune)
	return ofLits([]lit{l}, true)
}

// spread returns lits with folded single runes as one literal for each case, where they meet one that is not folded: [Ee]rror is
// two literals that way.
func spread(lits, neighbours []lit) []lit {
	if !slices.ContainsFunc(neighbours, func(l lit) bool { return !l.fold && cased(l.text) }) {
		return lits
	}
	var out []lit
	for _, l := range lits {
		r, n := utf8.DecodeRuneInString(l.text)
		if out = append(out, l); !l.fold || n != len(l.text) {
			continue
		}
		out[len(out)-1].fold = false
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			out = append(out, lit{text: string(f)})
		}
	}
	return out
}

func analyzeClass(re *syntax.Regexp) facts {
	var lits []lit
	for i := 0; i+1 < len(re.Rune); i += 2 {
		for r := re.Rune[i]; r <= re.Rune[i+1]; r++ {
			if len(lits) == maxClass || r == utf8.RuneError || !utf8.ValidRune(r) {
				return unknown()
			}
			lits = append(lits, lit{text: string(r)})
		}
	}
	return ofLits(lits, true)
}

func analyzeAlternate(subs []*syntax.Regexp) facts {
	all := facts{pure: true}
	needs := make([]Need, 0, len(subs))
	known := true
	for _, s := range subs {
		f := analyze(s)
		needs = append(needs, f.need)
		all.pure = all.pure && f.pure
		if known = known && f.lits != nil && len(all.lits)+len(f.lits) <= maxLits; known {
			all.lits = append(all.lits, f.lits...)
		}
	}
	if known {
		return ofLits(all.lits, all.pure)
	}
	return facts{need: join(Or, needs)}
}

// analyzeConcat multiplies the literals of neighbours while it can; what it cannot join becomes a further need.
func analyzeConcat(subs []*syntax.Regexp) facts {
	run := []lit{{}}
	whole, pure := true, true
	var needs []Need
	for _, s := range subs {
		f := analyze(s)
		pure = pure && f.pure
		if f.lits != nil {
			if p, same := product(spread(run, f.lits), spread(f.lits, run)); p != nil {
				run, pure = p, pure && same
				continue
			}
		}
		needs = append(needs, needOf(run))
		whole = false
		run = []lit{{}}
		if f.lits != nil {
			run = f.lits
		} else {
			needs = append(needs, f.need)
		}
	}
	if whole {
		return ofLits(run, pure)
	}
	return facts{need: join(And, append(needs, needOf(run)))}
}

// product returns each of a followed by each of b, or nil where that is too many. It is not the same set of matches where a
// literal that is folded meets one that is not: the result is folded then.
func product(a, b []lit) (out []lit, same bool) {
	if len(a)*len(b) > maxLits {
		return nil, false
	}
	same = true
	out = make([]lit, 0, len(a)*len(b))
	for _, x := range a {
		for _, y := range b {
			if x.fold != y.fold && ((!x.fold && cased(x.text)) || (!y.fold && cased(y.text))) {
				same = false
			}
			out = append(out, lit{x.text + y.text, x.fold || y.fold})
		}
	}
	return out, same
}

// cased tells whether s has a rune with another case.
func cased(s string) bool {
	for _, r := range s {
		if unicode.SimpleFold(r) != r {
			return true
		}
	}
	return false
}

// strip takes off what cannot change whether there is a match somewhere in a line: what may be empty at either end, and
// repetitions there.
func strip(re *syntax.Regexp) *syntax.Regexp {
	for {
		switch re.Op {
		case syntax.OpCapture, syntax.OpPlus:
			re = re.Sub[0]
		case syntax.OpStar, syntax.OpQuest:
			return &syntax.Regexp{Op: syntax.OpEmptyMatch}
		case syntax.OpConcat:
			return stripConcat(re)
		default:
			return re
		}
	}
}

func stripConcat(re *syntax.Regexp) *syntax.Regexp {
	subs := re.Sub
	for len(subs) > 0 && optional(subs[0]) {
		subs = subs[1:]
	}
	for len(subs) > 0 && optional(subs[len(subs)-1]) {
		subs = subs[:len(subs)-1]
	}
	switch len(subs) {
	case 0:
		return &syntax.Regexp{Op: syntax.OpEmptyMatch}
	case 1:
		return strip(subs[0])
	}
	out := append([]*syntax.Regexp(nil), subs...)
	out[0] = stripEnd(out[0], true)
	out[len(out)-1] = stripEnd(out[len(out)-1], false)
	return &syntax.Regexp{Op: syntax.OpConcat, Flags: re.Flags, Sub: out}
}

// stripEnd strips the outer end of the first (or the last) of a concatenation; its inner end must stay.
func stripEnd(re *syntax.Regexp, first bool) *syntax.Regexp {
	switch re.Op {
	case syntax.OpPlus:
		return stripEnd(re.Sub[0], first)
	case syntax.OpCapture:
		return stripEnd(re.Sub[0], first)
	case syntax.OpConcat:
		subs := append([]*syntax.Regexp(nil), re.Sub...)
		for len(subs) > 0 {
			end := len(subs) - 1
			if first {
				end = 0
			}
			if !optional(subs[end]) {
				subs[end] = stripEnd(subs[end], first)
				break
			}
			subs = append(subs[:end], subs[end+1:]...)
		}
		return &syntax.Regexp{Op: syntax.OpConcat, Flags: re.Flags, Sub: subs}
	}
	return re
}

// optional tells whether re matches the empty text at every place.
func optional(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpEmptyMatch, syntax.OpStar, syntax.OpQuest:
		return true
	case syntax.OpCapture, syntax.OpPlus:
		return optional(re.Sub[0])
	case syntax.OpConcat, syntax.OpAlternate:
		return optionalAll(re)
	}
	return false
}

func optionalAll(re *syntax.Regexp) bool {
	all := re.Op == syntax.OpConcat
	for _, s := range re.Sub {
		if optional(s) != all {
			return !all
		}
	}
	return all
}
