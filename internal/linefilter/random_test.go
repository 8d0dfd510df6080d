package linefilter

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"lethe/letheql"
)

// textAtoms and classAtoms are what texts, and what sequences of classes, are put together from.
func textAtoms() []string {
	return []string{
		"foo", "bar", "fob", "error", "favicon", "icon", "robots", "bots", "except", "kios", "404", "a", "b", "c", "x", " ", "é", "日本", `\d`, `[45]`, `[ab]`, `[a-c]`,
		`[x-z ]`, `\w`, `[^a]`, `.`, `[aé]`, `\.`, `(?i:abc)`, `(?i:bar)`, `(?i:kiosk)`, `(?i:error)`, "^", "$", `\b`,
	}
}

func classAtoms() []string {
	return []string{`\d`, `[45]`, `[a-f]`, `[a-c]`, `[ab][xc]`, `[a-c]{2}`, `[f-o]{3}`, `\d\d`, `[04]{2}`, `(?:fo|ob)[bo]`, `[x-z ]`, `[r-t]+`, `(?i:[a-f]{3})`, `\b`, `.`}
}

// randomExpression puts together what the searches tell apart: texts, texts in any case, classes, choices, repetitions and places.
func randomExpression(r *rand.Rand, depth int, atoms []string) string {
	if depth == 0 || r.IntN(3) == 0 {
		return atoms[r.IntN(len(atoms))]
	}
	var parts []string
	for range 1 + r.IntN(4) {
		parts = append(parts, randomExpression(r, depth-1, atoms))
	}
	switch r.IntN(6) {
	case 0:
		return "(" + strings.Join(parts, "|") + ")"
	case 1:
		return "(?i:" + strings.Join(parts, "|") + ")"
	case 2:
		return "(" + strings.Join(parts, "") + ")" + []string{"*", "+", "?", "{2}", "{1,3}"}[r.IntN(5)]
	}
	return strings.Join(parts, "")
}

// TestRandomExpressionsEqualGo compares chains of random expressions with Go's regexp over random lines.
func TestRandomExpressionsEqualGo(t *testing.T) {
	r := rand.New(rand.NewPCG(17, 4))
	lines := make([][]byte, 120)
	for i := range lines {
		lines[i] = randomLine(r)
	}
	sequences, choices := 0, 0
	for i := range 1200 {
		atoms := textAtoms()
		if i%2 == 0 {
			atoms = classAtoms()
		}
		text := randomExpression(r, 3, atoms)
		if _, err := regexp.Compile(text); err != nil {
			continue
		}
		l, err := compileExpression(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		switch l.find.(type) {
		case sequence:
			sequences++
		case *multi:
			choices++
		}
		check(t, []letheql.LineFilter{{Op: letheql.FilterOp(int(letheql.Matches) + r.IntN(2)), Text: text}}, lines)
		if t.Failed() {
			return
		}
	}
	if sequences < 50 || choices < 50 {
		t.Errorf("only %d expressions are searched by a sequence and %d by a choice of texts", sequences, choices)
	}
}
