package pipeline

import (
	"fmt"
	"strings"
	"testing"

	"lethe/internal/regex"
)

// noLabels is where a line comes from that has none.
type noLabels struct{}

func (noLabels) Label(string) string { return "" }

// What all templates of a query remember of expressions is bounded by what they take, however many templates there are.
func TestExpressionsOfTemplatesAreBounded(t *testing.T) {
	var p Pipeline
	for i := range 100 {
		f, err := NewLineFormat(fmt.Sprintf(`{{ regexReplaceAll "a{1000}%d" __line__ "" }}`, i))
		if err != nil {
			t.Fatal(err)
		}
		p = append(p, f)
	}
	e := NewEntry(t.Context(), &Scope{})
	e.Reset([]byte("line"), 0, noLabels{})
	if !p.Process(e) || string(e.Line) != "line" {
		t.Fatalf("%q", e.Line)
	}
	sum := 0
	for _, re := range e.exprs.compiled {
		sum += re.Steps()
	}
	if sum == 0 || sum > maxExpressionSteps || sum != e.exprs.steps {
		t.Errorf("expressions of %d steps are remembered, counted as %d", sum, e.exprs.steps)
	}
	first, err := e.exprs.compile("x")
	if again, _ := e.exprs.compile("x"); err != nil || again != first {
		t.Errorf("an expression is compiled again: %v", err)
	}
	for i := range 2 * maxExpressions {
		if _, err := e.exprs.compile(fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(e.exprs.compiled); n > maxExpressions {
		t.Errorf("%d expressions are remembered", n)
	}
	if _, err := e.exprs.compile(strings.Repeat("a{999}b", 9)); err != nil {
		t.Errorf("one of less than %d steps: %v", regex.MaxSteps, err)
	}
}
