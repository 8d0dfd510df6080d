package regex

import (
	"fmt"
	"regexp/syntax"
)

// Steps returns how many steps an expression has at most, without compiling it: a few bytes may stand for thousands of steps, which take a hundred
// bytes each. Errors are those of Check.
func Steps(text string) (int, error) {
	if err := checkLength(text); err != nil {
		return 0, err
	}
	_, n, err := look(text)
	return n, err
}

// look parses an expression and counts its steps. Nothing that is counted is written out yet.
func look(text string) (*syntax.Regexp, int, error) {
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, 0, err
	}
	const ends = 2 // each program has one that fails and one that matches
	n := ends + steps(tree)
	if n > MaxSteps {
		return nil, 0, fmt.Errorf("the expression %.60q needs %d steps, the limit is %d", text, n, MaxSteps)
	}
	return tree, n, nil
}

// steps is at least how many instructions a tree is compiled to. The parser refuses counts that are over 1,000, and those inside of each other whose
// product is, so that the sum is at most some thousand times the text's length.
func steps(re *syntax.Regexp) int {
	n := 0
	for _, sub := range re.Sub {
		n += steps(sub)
	}
	switch re.Op {
	case syntax.OpLiteral:
		n = len(re.Rune)
	case syntax.OpCapture, syntax.OpStar: // a star around what may be empty takes two
		n += 2
	case syntax.OpPlus, syntax.OpQuest:
		n++
	case syntax.OpAlternate:
		n += len(re.Sub) - 1
	case syntax.OpRepeat:
		n = repeated(n, re.Min, re.Max)
	}
	return max(n, 1)
}

// repeated is how many instructions n of them make that are repeated, without an end where the most is -1.
func repeated(n, least, most int) int {
	if most < 0 {
		return n*max(least, 1) + 2
	}
	return n*most + most - least
}
