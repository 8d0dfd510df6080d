package letheql

import (
	"strings"

	"github.com/prometheus/prometheus/promql/parser"
)

// checkUse looks at what stands around the selectors of a metric query.
func (e *Expr) checkUse() error {
	if vs, _ := logRoot(e.root); vs != nil {
		return e.checkLog(vs)
	}
	var first error
	parser.Inspect(e.root, func(n parser.Node, path []parser.Node) error {
		switch x := n.(type) {
		case *parser.VectorSelector:
			first = e.checkCall(x, path)
		case *parser.Call:
			if vs, _ := rangeArg(x); vs == nil && ownCalls[x.Func.Name] != "" {
				first = errorAt(e.text, int(x.PosRange.Start), "%s needs a range of lines, as in %s(pod{} [5m])", x.Func.Name, x.Func.Name)
			}
		}
		return first
	})
	return first
}

// checkLog refuses what has no meaning for lines.
func (e *Expr) checkLog(vs *parser.VectorSelector) error {
	if vs.Timestamp != nil || vs.StartOrEnd != 0 {
		return errorAt(e.text, int(vs.PosRange.Start), "@ does not apply to a query for lines: set the time of the query")
	}
	if e.byPos[int(vs.PosRange.Start)].unwrap {
		return errorAt(e.text, int(vs.PosRange.Start), "unwrap makes numbers of lines: put a function around it, as in avg_over_time(%s [5m])", e.render(vs))
	}
	return nil
}

// checkCall looks at the function around a selector. The path leads from the root to the selector's parent.
func (e *Expr) checkCall(vs *parser.VectorSelector, path []parser.Node) error {
	at := int(vs.PosRange.Start)
	call, inRange := callAround(path)
	if !inRange {
		return errorAt(e.text, at, "a log selector stands for lines, not for numbers: count them, as in count_over_time(%s [5m])", e.render(vs))
	}
	if call == nil {
		return errorAt(e.text, at, "a range of lines needs a function around it, as in count_over_time(%s [5m])", e.render(vs))
	}
	unwrap := e.byPos[at].unwrap
	if _, ok := funcOf(call.Func.Name, unwrap); !ok {
		return e.wrongFunc(call, unwrap)
	}
	if call.Func.Name == "quantile_over_time" {
		if _, ok := constant(call.Args[0]); !ok {
			return errorAt(e.text, int(call.Args[0].PositionRange().Start), "the quantile of lines is a number that is written out, as 0.99 or 99 / 100")
		}
	}
	return nil
}

func (e *Expr) wrongFunc(call *parser.Call, unwrap bool) error {
	name, pos := call.Func.Name, int(call.PosRange.Start)
	lines, numbers := strings.Join(funcNames(lineFuncs()), ", "), strings.Join(funcNames(numberFuncs()), ", ")
	if unwrap {
		return errorAt(e.text, pos, "%s does not apply to unwrapped numbers: there are %s", name, numbers)
	}
	if _, ok := funcOf(name, true); ok {
		return errorAt(e.text, pos, "%s needs numbers, as in %s(pod{} | json | unwrap size [5m]); for lines there are %s", name, name, lines)
	}
	return errorAt(e.text, pos, "%s does not apply to lines: there are %s", name, lines)
}

// callAround returns the call that a selector's range is an argument of, and whether the selector has a range.
func callAround(path []parser.Node) (*parser.Call, bool) {
	if _, ok := parent(path).(*parser.MatrixSelector); !ok {
		return nil, false
	}
	for i := len(path) - 2; i >= 0; i-- {
		switch n := path[i].(type) {
		case *parser.ParenExpr, parser.Expressions:
		case *parser.Call:
			return n, true
		default:
			return nil, true
		}
	}
	return nil, true
}

// modified reports whether a selector has an offset or a fixed time.
func modified(vs *parser.VectorSelector) bool {
	return vs.OriginalOffset != 0 || vs.Timestamp != nil || vs.StartOrEnd != 0
}
