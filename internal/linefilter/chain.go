package linefilter

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp/syntax"
	"slices"

	"lethe/internal/regex"
	"lethe/letheql"
)

// Limits of a chain.
const (
	// MaxFilters of a chain.
	MaxFilters = letheql.MaxFilters
	// MaxText is the longest text of a filter in bytes, all that are joined by or together. Expressions have the limits of package regex.
	MaxText = 64 << 10
)

// Chain is a compiled chain of line filters, all of which must hold. It is immutable and safe for concurrent use.
type Chain struct {
	filters []filter
	need    Need
	// none: no line can match.
	none bool
}

// filter is one link. A line fulfils it when there is a hit of find in it (every line, where find is nil) and test holds
// (always, where test is nil); or when that is not so, with negate.
type filter struct {
	negate bool
	find   finder
	// also are further searches that must hit before test is worth its time.
	also []finder
	test tester
	cost int
}

// tester decides what no search proves.
type tester interface {
	// lend returns a test of lines for one goroutine, which calls done when it is through. It says anything where the context has ended.
	lend(ctx context.Context) (test func(line []byte) bool, done func())
}

// Compile compiles filters. Errors are of type *letheql.Error and say which filter cannot be used and why.
func Compile(filters []letheql.LineFilter) (*Chain, error) {
	if len(filters) > MaxFilters {
		return nil, userError("%d line filters, the limit is %d", len(filters), MaxFilters)
	}
	c := &Chain{}
	var needs []Need
	for _, f := range filters {
		l, err := compileFilter(f)
		if err != nil {
			return nil, err
		}
		switch {
		case l.negate && l.always():
			c.none = true
		case !l.always():
			c.filters = append(c.filters, l.filter)
		}
		if !l.negate {
			needs = append(needs, l.need)
		}
	}
	c.need = join(And, needs)
	if c.none {
		c.need = Need{Op: Or}
	}
	slices.SortStableFunc(c.filters, func(a, b filter) int { return cmp.Compare(a.cost, b.cost) })
	return c, nil
}

// link is a filter with what the index needs to know of it.
type link struct {
	filter
	need Need
}

func (l *link) always() bool { return l.find == nil && l.test == nil }

func compileFilter(f letheql.LineFilter) (link, error) {
	negate := f.Op == letheql.NotContains || f.Op == letheql.NotMatches
	size := 0
	for _, text := range f.Texts() {
		size += len(text)
	}
	switch {
	case size > MaxText:
		return link{}, userError("the text of a line filter has %d bytes, the limit is %d", size, MaxText)
	case len(f.Or) >= letheql.MaxTexts:
		return link{}, userError("a line filter has %d texts, the limit is %d", len(f.Or)+1, letheql.MaxTexts)
	}
	switch f.Op {
	case letheql.Contains, letheql.NotContains:
		l := compileTexts(f.Texts())
		l.negate = negate
		return l, nil
	case letheql.Matches, letheql.NotMatches:
		l, err := compileExpression(f.Text)
		l.negate = negate
		return l, err
	}
	return link{}, userError("unknown line filter operator %d", f.Op)
}

// compileTexts returns the search for one of some texts.
func compileTexts(texts []string) link {
	var subs []Need
	for _, text := range texts {
		if text == "" {
			return link{}
		}
		subs = append(subs, Need{Op: Literal, Literal: []byte(text)})
	}
	l := link{need: join(Or, subs)}
	l.find = finderOf(l.need)
	l.cost = l.find.cost()
	return l
}

func userError(format string, args ...any) error {
	return &letheql.Error{Pos: -1, Msg: fmt.Sprintf(format, args...)}
}

// compileExpression finds the cheapest search that equals the expression, else one that candidates for it pass.
func compileExpression(text string) (link, error) {
	tree, _, err := regex.Check(text)
	if err != nil {
		return link{}, expressionError(err)
	}
	short := strip(tree)
	known := analyze(short)
	if l, ok := compileExact(short, known); ok {
		return l, nil
	}
	re, err := regex.Compile(text)
	if err != nil {
		return link{}, expressionError(err)
	}
	l := link{need: known.need}
	l.find, l.also = prefilter(known.need)
	if l.find == nil {
		l.find = newSequence(short)
	}
	prog, err := syntax.Compile(short)
	if err != nil {
		return link{}, expressionError(err)
	}
	l.test = newExpression(re, prog)
	l.cost = 1000 + len(prog.Inst)
	if l.find == nil {
		l.cost += 10_000
	}
	return l, nil
}

func expressionError(err error) error {
	var s *syntax.Error
	if errors.As(err, &s) {
		return userError("invalid expression: %s: `%s`", s.Code, s.Expr)
	}
	return userError("%v", err)
}

// prefilter returns the search for the best of what a line needs, and searches for the rest. What nearly every line has is left out.
func prefilter(n Need) (finder, []finder) {
	subs := []Need{n}
	if n.Op == And {
		subs = n.Subs
	}
	var all []finder
	for _, s := range subs {
		if f := finderOf(s); f != nil && frequencyOf(s) <= maxRate {
			all = append(all, f)
		}
	}
	if len(all) == 0 {
		return nil, nil
	}
	slices.SortStableFunc(all, func(a, b finder) int { return cmp.Compare(shortest(b.needs()), shortest(a.needs())) })
	return all[0], all[1:min(len(all), 4)]
}

// frequencyOf estimates how often what n asks for stands at a place of a log.
func frequencyOf(n Need) float64 {
	switch n.Op {
	case Literal:
		rate := 1.0
		for _, b := range n.Literal {
			rate *= frequency(b)
		}
		return rate
	case And:
		rate := 1.0
		for _, s := range n.Subs {
			rate = min(rate, frequencyOf(s))
		}
		return rate
	case Or:
		rate := 0.0
		for _, s := range n.Subs {
			rate += frequencyOf(s)
		}
		return rate
	}
	return 1
}

// shortest returns the length of the shortest literal: the longer it is, the fewer lines have it.
func shortest(n Need) int {
	if n.Op == Literal {
		return len(n.Literal)
	}
	least := MaxText
	for _, s := range n.Subs {
		least = min(least, shortest(s))
	}
	return least
}

// finderOf returns a search that hits in every line that fulfils n, or nil.
func finderOf(n Need) finder {
	switch n.Op {
	case Literal:
		if !n.Fold {
			return newLiteral(n.Literal)
		}
		f, ok := newFolded(string(n.Literal))
		if !ok {
			return nil
		}
		if m, ok := newMulti([]lit{{string(n.Literal), true}}, anyOf{f}); ok {
			return m
		}
		return f
	case And:
		f, _ := prefilter(n)
		return f
	case Or:
		return choiceOf(n.Subs)
	}
	return nil
}

// choiceOf returns a search that hits in every line that fulfils one of subs, or nil.
func choiceOf(subs []Need) finder {
	texts := make([][]byte, 0, len(subs))
	for _, s := range subs {
		if s.Op == Literal && !s.Fold {
			texts = append(texts, s.Literal)
		}
	}
	plain := len(texts) == len(subs)
	switch {
	case len(subs) == 0 || len(subs) > maxLits && !plain:
		return nil
	case len(subs) > maxLits:
		return newMany(texts)
	}
	var any anyOf
	var lits []lit
	literals := true
	for _, s := range subs {
		f := finderOf(s)
		if f == nil {
			return nil
		}
		any = append(any, f)
		lits = append(lits, lit{string(s.Literal), s.Fold})
		literals = literals && s.Op == Literal
	}
	if literals {
		if m, ok := newMulti(lits, any); ok {
			return m
		}
	}
	if plain && len(texts) > fewLits {
		return newMany(texts)
	}
	return any
}

// Need returns what every matching line fulfils.
func (c *Chain) Need() Need { return c.need }

// All tells whether every line matches.
func (c *Chain) All() bool { return len(c.filters) == 0 && !c.none }

// Match tells whether a line fulfils all filters, as Go's bytes.Contains and regexp say. A line is searched as a whole, line ends
// inside it included.
func (c *Chain) Match(line []byte) bool {
	if c.none {
		return false
	}
	for i := range c.filters {
		p, done := c.filters[i].prover(context.Background())
		holds := p.holds(line)
		if done(); !holds {
			return false
		}
	}
	return true
}

// prover is a filter at work in one goroutine.
type prover struct {
	*filter
	test func(line []byte) bool
	// tested counts the bytes of lines that test has seen since the end of the context was asked for.
	tested int
}

// prover returns one, and what ends its work.
func (f *filter) prover(ctx context.Context) (*prover, func()) {
	if f.test == nil {
		return &prover{filter: f}, func() {}
	}
	test, done := f.test.lend(ctx)
	return &prover{filter: f, test: test}, done
}

func (p *prover) holds(line []byte) bool { return p.matches(line) != p.negate }

func (p *prover) matches(line []byte) bool {
	return (p.find == nil || p.find.found(line)) && p.proven(line)
}

// proven tells of a line with a hit whether it matches.
func (p *prover) proven(line []byte) bool {
	if p.test == nil {
		return true
	}
	for _, a := range p.also {
		if !a.found(line) {
			return false
		}
	}
	p.tested += len(line)
	return p.test(line)
}
