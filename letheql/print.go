package letheql

import (
	"github.com/prometheus/prometheus/promql/parser"
)

// String returns the query in canonical form. It parses to the same tree.
func (e Expr) String() string { return e.printable().String() }

// maxPretty is how many operators and parentheses a query may have to be broken into lines. For each node the upstream printer prints all
// that is below it, on the way down and once more for each level above: time with the cube of the depth.
const maxPretty = 100

// Pretty returns the query in canonical form, broken into lines where it is long and has at most maxPretty operators and parentheses. It
// parses to the same tree.
func (e Expr) Pretty() string {
	if e.lifted.operators > maxPretty {
		return e.String()
	}
	return parser.Prettify(e.printable())
}

// printable returns a tree in which each selector's name is the text of the whole selector: PromQL's printer writes a name as it
// is, and then the range and the modifiers behind it.
func (e Expr) printable() parser.Expr {
	root, err := e.fresh()
	if err != nil {
		// The same text has been parsed before.
		return e.root
	}
	parser.Inspect(root, func(n parser.Node, path []parser.Node) error {
		vs, ok := n.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		vs.Name, vs.LabelMatchers = e.render(vs), nil
		if _, inRange := parent(path).(*parser.MatrixSelector); inRange && len(e.stages[int(vs.PosRange.Start)]) > 0 {
			vs.Name += " "
		}
		return nil
	})
	return root
}

// render writes a selector with its filters and stages, without modifiers.
func (e Expr) render(vs *parser.VectorSelector) string {
	plain := parser.VectorSelector{Name: vs.Name, LabelMatchers: vs.LabelMatchers}
	text := plain.String()
	if text == vs.Name && (text == "pod" || text == "node") {
		text += "{}"
	}
	return text + e.stages[int(vs.PosRange.Start)].String()
}

func parent(path []parser.Node) parser.Node {
	if len(path) == 0 {
		return nil
	}
	return path[len(path)-1]
}

// Stages returns the filters and stages behind a selector of Root, each in canonical form.
func (e Expr) Stages(vs *parser.VectorSelector) []string {
	chain := e.stages[int(vs.PosRange.Start)]
	out := make([]string, len(chain))
	for i, s := range chain {
		out[i] = s.String()
	}
	return out
}
