package functions

import (
	"strconv"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"lethe/letheql"
)

// object is a node of the tree that parse_query answers with. Its keys are those of Prometheus, whose page of a query reads them; a selector
// has "stages" besides.
type object = map[string]any

// tree describes a query.
func tree(e letheql.Expr) any {
	return (&describer{e}).node(e.Root())
}

type describer struct{ expr letheql.Expr }

func (d *describer) node(n parser.Expr) any {
	switch n := n.(type) {
	case *parser.AggregateExpr:
		o := object{"type": "aggregation", "op": n.Op.String(), "expr": d.node(n.Expr), "param": nil, "grouping": orEmpty(n.Grouping), "without": n.Without}
		if n.Param != nil {
			o["param"] = d.node(n.Param)
		}
		return o
	case *parser.BinaryExpr:
		return object{
			"type": "binaryExpr", "op": n.Op.String(), "lhs": d.node(n.LHS), "rhs": d.node(n.RHS), "matching": matching(n.VectorMatching), "bool": n.ReturnBool,
		}
	case *parser.Call:
		return d.call(n)
	case *parser.MatrixSelector:
		vs, _ := n.VectorSelector.(*parser.VectorSelector)
		o := d.selector("matrixSelector", vs)
		o["range"] = n.Range.Milliseconds()
		return o
	case *parser.VectorSelector:
		return d.selector("vectorSelector", n)
	case *parser.SubqueryExpr:
		return object{
			"type": "subquery", "expr": d.node(n.Expr), "range": n.Range.Milliseconds(), "offset": n.OriginalOffset.Milliseconds(),
			"step": n.Step.Milliseconds(), "timestamp": n.Timestamp, "startOrEnd": edge(n.StartOrEnd),
		}
	case *parser.ParenExpr:
		return object{"type": "parenExpr", "expr": d.node(n.Expr)}
	case *parser.UnaryExpr:
		return object{"type": "unaryExpr", "op": n.Op.String(), "expr": d.node(n.Expr)}
	case *parser.NumberLiteral:
		return object{"type": "numberLiteral", "val": strconv.FormatFloat(n.Val, 'f', -1, 64)}
	case *parser.StringLiteral:
		return object{"type": "stringLiteral", "val": n.Val}
	}
	return object{"type": "unknown", "text": n.String()}
}

func (d *describer) call(n *parser.Call) object {
	args := make([]any, len(n.Args))
	for i, a := range n.Args {
		args[i] = d.node(a)
	}
	return object{
		"type": "call", "args": args,
		"func": object{"name": n.Func.Name, "argTypes": n.Func.ArgTypes, "variadic": n.Func.Variadic, "returnType": n.Func.ReturnType},
	}
}

func (d *describer) selector(kind string, n *parser.VectorSelector) object {
	return object{
		"type": kind, "name": n.Name, "offset": n.OriginalOffset.Milliseconds(), "matchers": matchers(n.LabelMatchers),
		"timestamp": n.Timestamp, "startOrEnd": edge(n.StartOrEnd), "stages": d.expr.Stages(n),
	}
}

func matchers(all []*labels.Matcher) []object {
	out := make([]object, len(all))
	for i, m := range all {
		out[i] = object{"name": m.Name, "value": m.Value, "type": m.Type.String()}
	}
	return out
}

func matching(m *parser.VectorMatching) any {
	if m == nil {
		return nil
	}
	return object{"card": m.Card.String(), "labels": orEmpty(m.MatchingLabels), "on": m.On, "include": orEmpty(m.Include)}
}

// edge is the start() or end() behind an @.
func edge(t parser.ItemType) any {
	if t == 0 {
		return nil
	}
	return t.String()
}

func orEmpty(l []string) []string {
	if l == nil {
		return []string{}
	}
	return l
}
