package letheql

import "lethe/internal/regex"

// maxSteps bounds the steps of all expressions of a query together. Each step takes some hundred bytes while its expression is compiled, and a few bytes of
// text may stand for a thousand of them.
const maxSteps = 100_000

// spend adds the steps of the expression at pos to those of the query. Of one that is over a limit of its own, or none at all, nothing is compiled, and
// who tries to says it.
func spend(src string, pos int, text string, steps *int) error {
	n, err := regex.Steps(text)
	if err != nil {
		return nil //nolint:nilerr // see above
	}
	if *steps += n; *steps > maxSteps {
		return errorAt(src, pos, "the expressions of the query need more than %d steps together", maxSteps)
	}
	return nil
}

// spend counts the expression at pos.
func (p *stageParser) spend(pos int, text string) error { return spend(p.src, pos, text, &p.steps) }

// compares counts the expression at pos, where the operator is one that takes an expression.
func (p *stageParser) compares(pos int, op, text string) error {
	if op != "=~" && op != "!~" {
		return nil
	}
	return p.spend(pos, text)
}

// matcher looks at the expression of a matcher, the string from start to end: the upstream parser compiles it while it reads. What is wrong with it is said
// at its label.
func (l *lifter) matcher(label, start, end int) error {
	text, err := unquote(l.src, start, end)
	if err != nil || plainAlternatives(text) {
		return nil //nolint:nilerr // the parser says it better
	}
	if _, err := regex.Steps(text); err != nil {
		return errorAt(l.src, label, "%s", err)
	}
	return spend(l.src, start, text, &l.steps)
}
