package letheql

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"

	"lethe/internal/layout"
	"lethe/letheql/internal/pipeline"
)

// node is a function over the lines of a selector, at one place of a query.
type node struct {
	expr *Expr
	call *parser.Call
	vs   *parser.VectorSelector
	sel  *Selector
	fn   lineFunc
	// grid is when the function is evaluated, root when the query is, and index the place of the function in it.
	grid, root grid
	index      int
	// length and offset of its windows in milliseconds, seconds the length as the user wrote it.
	length, offset int64
	seconds        float64
	// fixed is the time that @ sets, in Unix milliseconds.
	fixed *int64
	param float64
	// keep are the labels that the series need; nil is all that they have by default, and also.
	keep []string
	also []string
}

// nodes finds the functions over lines in a tree, with the times at which the engine will evaluate each.
type nodes struct {
	e        *Expr
	root     grid
	subquery int64
	limit    int
	out      []*node
	err      error
}

// nodesOf walks a tree whose selectors are those of e. Subqueries without a step take that of the options.
func nodesOf(e *Expr, root parser.Expr, g grid, o Options) ([]*node, error) {
	n := &nodes{e: e, root: g, subquery: o.SubqueryStep.Milliseconds(), limit: o.MaxSamples}
	n.walk(root, g, nil)
	return n.out, n.err
}

func (n *nodes) walk(at parser.Node, g grid, path []parser.Node) {
	if n.err != nil {
		return
	}
	switch x := at.(type) {
	case *parser.SubqueryExpr:
		g = n.child(x, g)
	case *parser.Call:
		if vs, matrix := rangeArg(x); vs != nil {
			n.add(x, vs, matrix, g, path)
			return
		}
	}
	// Nobody keeps the path, so the children share it: a copy for each would take the square of the depth.
	path = append(path, at)
	for c := range parser.ChildrenIter(at) {
		n.walk(c, g, path)
	}
}

// rangeArg returns the range of lines among the arguments of a call.
func rangeArg(call *parser.Call) (*parser.VectorSelector, *parser.MatrixSelector) {
	for _, arg := range call.Args {
		if vs, matrix := logRoot(arg); matrix != nil {
			return vs, matrix
		}
	}
	return nil, nil
}

// child is the grid of a subquery: the multiples of its step within its range, as the engine computes them.
func (n *nodes) child(s *parser.SubqueryExpr, g grid) grid {
	offset := s.OriginalOffset.Milliseconds()
	from, to := g.start-offset, g.last()-offset
	if at := n.at(s.Timestamp, s.StartOrEnd); at != nil {
		from, to = *at-offset, *at-offset
	}
	length := s.Range.Milliseconds()
	c := grid{end: to, step: n.subquery}
	if s.Step != 0 {
		c.step = s.Step.Milliseconds()
	}
	if c.step < 1 {
		n.err = errorAt(n.e.text, int(s.PositionRange().Start), "the step of the subquery is below a millisecond")
		return g
	}
	c.start = c.step * ((from - length) / c.step)
	if c.start <= from-length {
		c.start += c.step
	}
	if p := c.points(); p > int64(n.limit) {
		n.err = fmt.Errorf("%w: the subquery [%s:%s] has %d steps, at most %d are allowed: use a longer step or a shorter range",
			ErrAsked, model.Duration(s.Range), model.Duration(time.Duration(c.step)*time.Millisecond), p, n.limit)
	}
	return c
}

// at resolves the modifier @.
func (n *nodes) at(fixed *int64, startOrEnd parser.ItemType) *int64 {
	switch startOrEnd {
	case parser.START:
		return &n.root.start
	case parser.END:
		return &n.root.end
	}
	return fixed
}

func (n *nodes) add(call *parser.Call, vs *parser.VectorSelector, matrix *parser.MatrixSelector, g grid, path []parser.Node) {
	sel := n.e.byPos[int(vs.PosRange.Start)]
	fn, _ := funcOf(call.Func.Name, sel.unwrap)
	x := &node{
		expr: n.e, call: call, vs: vs, sel: sel, fn: fn, grid: g, root: n.root, index: len(n.out),
		length: matrix.Range.Milliseconds(), offset: vs.OriginalOffset.Milliseconds(), seconds: matrix.Range.Seconds(),
		fixed: n.at(vs.Timestamp, vs.StartOrEnd),
	}
	if fn.name == "quantile_over_time" {
		x.param, _ = constant(call.Args[0])
	}
	x.keep, x.also = neededLabels(fn, path), mentioned(path)
	for _, m := range sel.Matchers {
		x.also = append(x.also, m.Name)
	}
	n.out = append(n.out, x)
}

// key is the same for nodes with the same values.
func (x *node) key() string {
	fixed := "-"
	if x.fixed != nil {
		fixed = strconv.FormatInt(*x.fixed, 10)
	}
	return fmt.Sprintf("%s|%s|%v|%d|%d|%s|%v|%#v|%v|%v", x.expr.render(x.vs), x.fn.name, x.grid, x.length, x.offset, fixed, x.param, x.keep,
		x.keeps("stream"), x.keeps("node"))
}

// empty reports whether no window of the node can hold a line: also where all of them lie behind the last time that a line can have, in 2262.
func (x *node) empty() bool {
	if x.grid.points() == 0 || x.length <= 0 {
		return true
	}
	s := x.slots()
	from, _ := s.bounds()
	return nanos(from) == math.MaxInt64
}

// slots cuts time at the edges of the node's windows.
func (x *node) slots() slots {
	if x.fixed != nil {
		return newSlots(*x.fixed-x.offset, x.length, x.length, 1)
	}
	return newSlots(x.grid.start-x.offset, x.grid.step, x.length, int(x.grid.points()))
}

// selectRows is what the node needs of the source.
func (x *node) selectRows() Select {
	q := x.sel.selectRows()
	s := x.slots()
	from, to := s.bounds()
	q.Start, q.End = min(nanos(from), math.MaxInt64-1)+1, nanos(to)
	q.NeedLog = len(x.sel.run) > 0
	q.NeedSize = !q.NeedLog && x.fn.value == sumValue
	if x.sel.Kind == layout.Pod {
		q.NeedStream, q.NeedNode = x.reads("stream"), x.reads("node")
	}
	return q
}

// reads reports whether a label is needed for the series or by a stage.
func (x *node) reads(name string) bool {
	return x.keeps(name) || slices.ContainsFunc(x.sel.run, func(s pipeline.Stage) bool { return slices.Contains(s.Labels(), name) })
}

// keeps reports whether the series carry a label of the row.
func (x *node) keeps(name string) bool {
	switch {
	case x.keep != nil:
		return slices.Contains(x.keep, name)
	case x.sel.Kind == layout.Pod && (name == "stream" || name == "node"):
		return slices.Contains(x.also, name)
	}
	return true
}

// scope is what the stages may set: where the labels of the series are known, only those and what later stages read are worth the work.
func (x *node) scope() *pipeline.Scope {
	s := &pipeline.Scope{Reserved: reservedIn(x.sel.Kind)}
	if x.keep == nil {
		return s
	}
	s.Wanted = map[string]bool{}
	for _, name := range x.keep {
		s.Wanted[name] = true
	}
	for _, st := range x.sel.run {
		for _, name := range st.Labels() {
			s.Wanted[name] = true
		}
	}
	return s
}

// keepExtracted drops the labels out of lines that the series do not need, in place.
func (x *node) keepExtracted(all []pipeline.Label) []pipeline.Label {
	return slices.DeleteFunc(all, func(l pipeline.Label) bool {
		return l.Name == pipeline.DetailsLabel || x.keep != nil && !slices.Contains(x.keep, l.Name) || l.Name == x.sel.unwrapped
	})
}

// neededLabels returns the labels of the aggregation around a function where aggregating lines instead of series gives the same, so that
// no more series are held than the answer has; nil where all labels are needed.
func neededLabels(fn lineFunc, path []parser.Node) []string {
	if fn.name == "absent_over_time" {
		return []string{}
	}
	for i := len(path) - 1; i >= 0; i-- {
		switch a := path[i].(type) {
		case *parser.ParenExpr:
		case *parser.AggregateExpr:
			if !a.Without && a.Op.String() == fn.merge {
				return append([]string{}, a.Grouping...)
			}
			return nil
		default:
			return nil
		}
	}
	return nil
}

// mentioned are the labels that the expressions around a node name.
func mentioned(path []parser.Node) []string {
	var out []string
	for _, n := range path {
		switch x := n.(type) {
		case *parser.AggregateExpr:
			if !x.Without {
				out = append(out, x.Grouping...)
			}
		case *parser.BinaryExpr:
			if vm := x.VectorMatching; vm != nil {
				out = append(out, vm.Include...)
				if vm.On {
					out = append(out, vm.MatchingLabels...)
				}
			}
		case *parser.Call:
			out = append(out, sources(x)...)
		}
	}
	return out
}

// sources are the labels that a function reads. With the label that it writes too, series would be told apart by what is then overwritten, and be
// the same.
func sources(call *parser.Call) []string {
	if len(call.Args) < 4 {
		return nil
	}
	read := call.Args[3:]
	switch call.Func.Name {
	case "label_replace":
		read = read[:1]
	case "label_join":
	default:
		return nil
	}
	var out []string
	for _, arg := range read {
		if s, ok := arg.(*parser.StringLiteral); ok {
			out = append(out, s.Val)
		}
	}
	return out
}

// constant returns the value of a number that is written out, or of a calculation with such.
func constant(e parser.Expr) (float64, bool) {
	switch n := e.(type) {
	case *parser.ParenExpr:
		return constant(n.Expr)
	case *parser.NumberLiteral:
		return n.Val, true
	case *parser.UnaryExpr:
		v, ok := constant(n.Expr)
		if n.Op == parser.SUB {
			v = -v
		}
		return v, ok
	case *parser.BinaryExpr:
		a, aok := constant(n.LHS)
		b, bok := constant(n.RHS)
		v, ok := calculate(n.Op, a, b)
		return v, aok && bok && ok
	}
	return 0, false
}

// calculate does arithmetic as PromQL's engine does it between scalars.
func calculate(op parser.ItemType, a, b float64) (float64, bool) {
	switch op {
	case parser.ADD:
		return a + b, true
	case parser.SUB:
		return a - b, true
	case parser.MUL:
		return a * b, true
	case parser.DIV:
		return a / b, true
	case parser.POW:
		return math.Pow(a, b), true
	case parser.MOD:
		return math.Mod(a, b), true
	}
	return 0, false
}

// failed is the error for a line of which no number can be had.
func (x *node) failed(entry *pipeline.Entry) error {
	kind, _ := entry.Get(pipeline.ErrorLabel)
	details, _ := entry.Get(pipeline.DetailsLabel)
	err := errorAt(x.expr.text, int(x.vs.PosRange.Start), "a line has no number: %s: %s; leave such lines out with | %s=\"\"", kind, details, pipeline.ErrorLabel)
	err.Eval = true
	return err
}
