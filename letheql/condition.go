package letheql

import (
	"strings"

	"lethe/letheql/internal/pipeline"
)

// maxNesting is how deep the parentheses of a label filter may go.
const maxNesting = 100

// conditions reads a label filter: comparisons with and, or, parentheses, and what means and too: a comma, or nothing but a space. It sets the parser behind it.
func (p *stageParser) conditions(pos int) (pipeline.Condition, error) {
	c := &conditionParser{stageParser: p, pos: pos}
	out, err := c.or()
	if err != nil {
		return nil, err
	}
	p.i = c.pos
	return out, nil
}

type conditionParser struct {
	*stageParser
	pos, depth int
}

func (c *conditionParser) or() (pipeline.Condition, error) {
	left, err := c.and()
	for err == nil && c.operator("or") {
		var right pipeline.Condition
		if right, err = c.and(); err == nil {
			left = pipeline.Or(left, right)
		}
	}
	return left, err
}

func (c *conditionParser) and() (pipeline.Condition, error) {
	left, err := c.term()
	for err == nil && (c.operator("and") || c.operator(",") || c.operator("")) {
		var right pipeline.Condition
		if right, err = c.term(); err == nil {
			left = pipeline.And(left, right)
		}
	}
	return left, err
}

// operator steps over a word that joins two conditions. The word may also be PromQL's, behind the selector: then no comparison follows it.
func (c *conditionParser) operator(word string) bool {
	at := skipSpace(c.src, c.pos)
	if !strings.HasPrefix(c.src[at:], word) {
		return false
	}
	next := at + len(word)
	if word != "," && word != "" && next < len(c.src) && isWord(c.src[next]) {
		return false
	}
	next = skipSpace(c.src, next)
	first := next
	for word != "" && first < len(c.src) && c.src[first] == '(' {
		first = skipSpace(c.src, first+1)
	}
	name := c.ident(first)
	if name == "" || compareOp(c.src[skipSpace(c.src, first+len(name)):]) == "" {
		return false
	}
	c.pos = next
	return true
}

func (c *conditionParser) term() (pipeline.Condition, error) {
	c.pos = skipSpace(c.src, c.pos)
	if !strings.HasPrefix(c.src[c.pos:], "(") {
		return c.comparison()
	}
	if c.depth++; c.depth > maxNesting {
		return nil, errorAt(c.src, c.pos, "a label filter has more than %d parentheses inside of each other", maxNesting)
	}
	c.pos++
	out, err := c.or()
	if err != nil {
		return nil, err
	}
	c.pos = skipSpace(c.src, c.pos)
	if !strings.HasPrefix(c.src[c.pos:], ")") {
		return nil, c.unexpected(c.pos, ")")
	}
	c.pos++
	c.depth--
	return out, nil
}

func (c *conditionParser) comparison() (pipeline.Condition, error) {
	name := c.ident(c.pos)
	if name == "" {
		return nil, c.unexpected(c.pos, "a label")
	}
	if err := c.count(c.pos); err != nil {
		return nil, err
	}
	if stageWord(name) {
		return nil, errorAt(c.src, c.pos, "%s is the name of a stage, and no label that can be compared", name)
	}
	at := skipSpace(c.src, c.pos+len(name))
	op := compareOp(c.src[at:])
	if op == "" {
		return nil, c.unexpected(at, "one of = != =~ !~ == > >= < <=")
	}
	value := skipSpace(c.src, at+len(op))
	if value < len(c.src) && isQuote(c.src[value]) {
		text, end, err := c.str(value)
		if err != nil {
			return nil, err
		}
		if err := c.compares(value, op, text); err != nil {
			return nil, err
		}
		m, err := pipeline.MatchLabel(name, op, text)
		if err != nil {
			return nil, errorAt(c.src, value, "%s", err)
		}
		c.pos = end
		return m, nil
	}
	end := value
	for end < len(c.src) && (isWord(c.src[end]) || strings.IndexByte(".+-", c.src[end]) >= 0) && c.src[end] != ':' {
		end++
	}
	if end == value {
		return nil, c.unexpected(value, "a text in quotes, a number, a duration or a size")
	}
	n, err := pipeline.CompareLabel(name, op, c.src[value:end])
	if err != nil {
		return nil, errorAt(c.src, value, "%s", err)
	}
	c.pos = end
	return n, nil
}

// compareOp returns the comparison at the beginning of s, "" where there is none.
func compareOp(s string) string {
	for _, op := range []string{"=~", "!~", "==", "!=", ">=", "<=", "=", ">", "<"} {
		if strings.HasPrefix(s, op) {
			return op
		}
	}
	return ""
}
