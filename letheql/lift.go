package letheql

import (
	"strings"

	"lethe/letheql/internal/pipeline"
)

// lifted is a query of which everything that PromQL does not know was taken out. The text keeps its length and its lines, so
// that a position in it is a position in what the user wrote.
type lifted struct {
	text   string
	chains []chain
	// calls are Lethe's own functions by the offset of their name, where text has a PromQL function of the same signature.
	calls map[int]string
	// words are the names and strings inside of braces, to say where a label stands.
	words []word
	// operators are how many operators, parentheses and brackets there are, those of label filters included.
	operators int
}

// chain is a run of filters and stages.
type chain struct {
	// starts are the offsets at which the selector before the chain may begin; empty where no selector can stand.
	starts []int
	// pos is the offset of the first operator, op the operator.
	pos int
	op  string
	// afterRange: a range stands before the chain.
	afterRange bool
	stages     []pipeline.Stage
}

type word struct {
	pos  int
	text string
}

// ownCalls are the functions that PromQL lacks. Each is handed to the parser as one of the same signature with no longer a name.
var ownCalls = map[string]string{"bytes_over_time": "last_over_time", "bytes_rate": "idelta"}

// prevKind says what stands before the scanner.
type prevKind int

const (
	prevOther prevKind = iota
	prevWord
	prevBrace
	prevBracket
	prevChain
)

// lifter scans a query once. It follows strings, comments and braces as PromQL's lexer does and leaves what is wrong in them to
// the parser, which says it better.
type lifter struct {
	src  string
	out  []byte
	i    int
	prev prevKind
	// wordStart and braceStart are where the last word and the last braces begin, wordStart -1 where the braces have no name.
	wordStart, braceStart int
	// operators counts what makes the tree deeper.
	operators int
	// steps counts those of expressions.
	steps int
	res   *lifted
}

// maxOperators bounds the operators, parentheses and brackets of a query, the comparisons of its label filters, and the labels that its stages name. The upstream parser takes
// time with the square of the depth of its tree, so that a query of 64 KiB, all of it 1+1+1, would take minutes.
const maxOperators = 5000

func tooManyOperators(src string, at int) error {
	return errorAt(src, at, "the query has more than %d operators and parentheses", maxOperators)
}

// lift takes the filters and stages out of a query.
func lift(src string) (*lifted, error) {
	l := &lifter{src: src, out: []byte(src), wordStart: -1, res: &lifted{calls: map[int]string{}}}
	for l.i < len(src) {
		at := l.i
		if err := l.step(); err != nil {
			return nil, err
		}
		if l.operators > maxOperators {
			return nil, tooManyOperators(src, at)
		}
	}
	l.res.text, l.res.operators = string(l.out), l.operators
	return l.res, nil
}

func (l *lifter) step() error {
	c := l.src[l.i]
	switch {
	case isSpace(c) || c == '#':
		l.i = skipSpace(l.src, l.i)
	case isQuote(c):
		l.i, _ = stringEnd(l.src, l.i)
		l.prev = prevOther
	case c == '{' && l.prev == prevChain:
		return errorAt(l.src, l.i, "unexpected { behind filters: labels stand before them, as in pod{…} |= \"x\"")
	case c == '{':
		return l.braces()
	case isDigit(c) || c == '.' && l.i+1 < len(l.src) && isDigit(l.src[l.i+1]):
		for l.i < len(l.src) && (isWord(l.src[l.i]) || l.src[l.i] == '.') {
			l.i++
		}
		l.prev = prevOther
	case isWord(c):
		l.word()
	case c == '|' || c == '!' && l.isFilter():
		return l.chain()
	default:
		l.prev = prevOther
		if c == ']' {
			l.prev = prevBracket
		}
		if strings.IndexByte("+-*/%^<>=!([", c) >= 0 {
			l.operators++
		}
		l.i++
	}
	return nil
}

// isFilter tells a filter from the operator between two vectors: only a filter has a string behind it.
func (l *lifter) isFilter() bool {
	rest := l.src[l.i:]
	if strings.HasPrefix(rest, "!~") || strings.HasPrefix(rest, "!>") {
		return true
	}
	if !strings.HasPrefix(rest, "!=") {
		return false
	}
	next := skipSpace(l.src, l.i+2)
	return next < len(l.src) && isQuote(l.src[next])
}

func (l *lifter) word() {
	start := l.i
	for l.i < len(l.src) && isWord(l.src[l.i]) {
		l.i++
	}
	l.prev, l.wordStart = prevWord, start
	name := l.src[start:l.i]
	if keyword(name) {
		l.operators++
	}
	carrier, ok := ownCalls[name]
	if !ok {
		return
	}
	if next := skipSpace(l.src, l.i); next < len(l.src) && l.src[next] == '(' {
		l.res.calls[start] = name
		blank(l.out, start, l.i)
		copy(l.out[start:], carrier)
	}
}

// braces skips a selector's matchers, and looks at their expressions.
func (l *lifter) braces() error {
	if l.prev != prevWord {
		l.wordStart = -1
	}
	l.braceStart = l.i
	// label is where the last label begins, and expression tells that =~ or !~ stands before the scanner.
	label, expression := l.i, false
	for l.i++; l.i < len(l.src); {
		c := l.src[l.i]
		start := l.i
		switch {
		case c == '}':
			l.i++
			l.prev = prevBrace
			return nil
		case isSpace(c) || c == '#':
			l.i = skipSpace(l.src, l.i)
		case isQuote(c):
			l.i, _ = stringEnd(l.src, l.i)
			if expression {
				if err := l.matcher(label, start, l.i); err != nil {
					return err
				}
			}
			label, expression = start, false
			l.res.words = append(l.res.words, word{start, strings.Trim(l.src[start:l.i], `"'`)})
		case isWord(c):
			for l.i < len(l.src) && isWord(l.src[l.i]) {
				l.i++
			}
			label, expression = start, false
			l.res.words = append(l.res.words, word{start, l.src[start:l.i]})
		default:
			expression = c == '~'
			l.i++
		}
	}
	return nil
}

// chain reads all filters and stages that follow each other and blanks them.
func (l *lifter) chain() error {
	c := chain{pos: l.i, op: l.src[l.i : l.i+1]}
	if two := l.src[l.i:min(l.i+2, len(l.src))]; strings.ContainsAny(two[1:], "=~>") {
		c.op = two
	}
	switch l.prev {
	case prevWord:
		c.starts = []int{l.wordStart}
	case prevBrace:
		if l.wordStart >= 0 {
			c.starts = append(c.starts, l.wordStart)
		}
		c.starts = append(c.starts, l.braceStart)
	case prevBracket:
		c.afterRange = true
	}
	p := &stageParser{src: l.src, i: l.i, operators: l.operators, steps: l.steps}
	end, filters := l.i, 0
	for {
		stage, err := p.next()
		if err != nil {
			return err
		}
		if stage == nil {
			break
		}
		if _, ok := stage.(*pipeline.LineFilter); ok {
			if filters++; filters > MaxFilters {
				return errorAt(l.src, skipSpace(l.src, end), "a selector has more than %d line filters", MaxFilters)
			}
		}
		c.stages = append(c.stages, stage)
		end = p.i
	}
	blank(l.out, c.pos, end)
	l.i, l.prev, l.operators, l.steps = end, prevChain, p.operators, p.steps
	l.res.chains = append(l.res.chains, c)
	return nil
}

// blank overwrites a part of the text with spaces and keeps its line ends.
func blank(b []byte, from, to int) {
	for i := from; i < to; i++ {
		if b[i] != '\n' {
			b[i] = ' '
		}
	}
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }
func isQuote(c byte) bool { return c == '"' || c == '\'' || c == '`' }
func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// isWord holds for the bytes of names and keywords.
func isWord(c byte) bool {
	return c == '_' || c == ':' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || isDigit(c)
}

// skipSpace returns the offset of the next byte that is neither space nor comment.
func skipSpace(s string, i int) int {
	for i < len(s) {
		switch {
		case isSpace(s[i]):
			i++
		case s[i] == '#':
			for i < len(s) && s[i] != '\n' && s[i] != '\r' {
				i++
			}
		default:
			return i
		}
	}
	return i
}

// stringEnd returns the offset behind the string that begins at i, and whether it is closed.
func stringEnd(s string, i int) (int, bool) {
	quote := s[i]
	for i++; i < len(s); i++ {
		switch {
		case s[i] == quote:
			return i + 1, true
		case s[i] == '\\' && quote != '`':
			i++
		case s[i] == '\n' && quote != '`':
			return i, false
		}
	}
	return len(s), false
}
