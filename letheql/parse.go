package letheql

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"lethe/internal/layout"
	"lethe/internal/record"
	"lethe/letheql/internal/pipeline"
)

// MaxQueryBytes is the longest text that Parse reads, whatever the configuration of an engine.
const MaxQueryBytes = 1 << 20

// Expr is a query that was parsed. It is immutable, and safe for use by several goroutines. The zero Expr is not valid.
type Expr struct {
	text   string
	lifted *lifted
	root   parser.Expr
	// stages are what stands behind the selectors, byPos the valid selectors, by the offset at which each begins.
	stages map[int]pipeline.Pipeline
	byPos  map[int]*Selector
	// invalid is why the query cannot be evaluated.
	invalid error
}

// Selector is a log selector with its filters and stages.
type Selector struct {
	Kind layout.Kind
	// Matchers on the labels of the kind, in the order of the text.
	Matchers []*labels.Matcher
	// Filters are those that see the line as it was written: all that stand before the first stage that changes the line.
	Filters []LineFilter

	// run are the other stages.
	run pipeline.Pipeline
	// unwrap: the last stage makes numbers of the lines, of the label unwrapped.
	unwrap    bool
	unwrapped string
}

// Parse reads a query. It accepts all that PromQL accepts, and filters and stages behind a selector; Validate tells whether it can be
// evaluated over logs. An error is of type *Error and points into text.
func Parse(text string) (Expr, error) {
	if len(text) > MaxQueryBytes {
		return Expr{}, userError("the query is %d bytes long, at most %d are read", len(text), MaxQueryBytes)
	}
	lifted, err := lift(text)
	if err != nil {
		return Expr{}, err
	}
	e := Expr{text: text, lifted: lifted, stages: map[int]pipeline.Pipeline{}, byPos: map[int]*Selector{}}
	if e.root, err = e.fresh(); err != nil {
		return Expr{}, err
	}
	if err := e.attach(); err != nil {
		return Expr{}, err
	}
	e.invalid = e.check()
	return e, nil
}

// ParseAtMost is Parse for a text of at most so many bytes. A longer one is an error that wraps ErrAsked.
func ParseAtMost(text string, bytes int) (Expr, error) {
	if len(text) > bytes {
		return Expr{}, fmt.Errorf("%w: the query is %d bytes long, at most %d are allowed", ErrAsked, len(text), bytes)
	}
	return Parse(text)
}

// Validate returns an error of type *Error where the query parses but does not apply to logs: a selector that is neither pod nor
// node, a label that does not exist, a log selector where a number is needed.
func (e Expr) Validate() error { return e.invalid }

// IsLog reports whether the query asks for lines.
func (e Expr) IsLog() bool {
	vs, _ := logRoot(e.root)
	return vs != nil
}

// Offset is how far the lines of a query for lines lie before the times of its request, as offset says; negative where they lie after.
func (e Expr) Offset() time.Duration {
	vs, _ := logRoot(e.root)
	if vs == nil {
		return 0
	}
	return vs.OriginalOffset
}

// Text is the query as it was written.
func (e Expr) Text() string { return e.text }

// Root is the tree that PromQL sees, without filters and stages, and must not be changed. Positions in it are those of Text.
func (e Expr) Root() parser.Expr { return e.root }

// Selectors returns the log selectors of a valid query in the order of the text.
func (e Expr) Selectors() []Selector {
	out := make([]Selector, 0, len(e.byPos))
	for _, at := range slices.Sorted(maps.Keys(e.byPos)) {
		out = append(out, *e.byPos[at])
	}
	return out
}

// ParseSelector reads a selector without a range and without anything around it.
func ParseSelector(text string) (Selector, error) {
	e, err := Parse(text)
	if err != nil {
		return Selector{}, err
	}
	if err := e.Validate(); err != nil {
		return Selector{}, err
	}
	vs, matrix := logRoot(e.root)
	if vs == nil || matrix != nil || modified(vs) {
		return Selector{}, errorAt(text, 0, "expected a selector, as pod{namespace=\"default\"}")
	}
	return *e.byPos[int(vs.PosRange.Start)], nil
}

// promqlParser returns the grammar that is built upon: PromQL as a Prometheus server without feature flags reads it.
func promqlParser() parser.Parser { return parser.NewParser(parser.Options{}) }

// fresh parses the text once more, for callers that change the tree.
func (e *Expr) fresh() (parser.Expr, error) {
	root, err := promqlParser().ParseExpr(e.lifted.text)
	if err != nil {
		pe := fromPromQL(e.text, err)
		for _, name := range e.lifted.calls {
			pe.Msg = strings.ReplaceAll(pe.Msg, `"`+ownCalls[name]+`"`, `"`+name+`"`)
		}
		return nil, pe
	}
	parser.Inspect(root, func(n parser.Node, _ []parser.Node) error {
		if call, ok := n.(*parser.Call); ok {
			if name, own := e.lifted.calls[int(call.PosRange.Start)]; own {
				f := *call.Func
				f.Name = name
				call.Func = &f
			}
		}
		return nil
	})
	return root, nil
}

// attach gives the chains to their selectors.
func (e *Expr) attach() error {
	nodes := map[int]bool{}
	for _, vs := range vectorSelectors(e.root) {
		nodes[int(vs.PosRange.Start)] = true
	}
	for _, c := range e.lifted.chains {
		at, ok := c.selector(nodes)
		if !ok {
			return c.misplaced(e.text)
		}
		e.stages[at] = c.stages
	}
	return nil
}

// check builds the selectors and looks at where they stand.
func (e *Expr) check() error {
	for _, vs := range vectorSelectors(e.root) {
		sel, err := e.selector(vs)
		if err != nil {
			return err
		}
		at := int(vs.PosRange.Start)
		sel.attach(e.stages[at])
		e.byPos[at] = sel
	}
	return e.checkUse()
}

func vectorSelectors(root parser.Expr) []*parser.VectorSelector {
	var out []*parser.VectorSelector
	parser.Inspect(root, func(n parser.Node, _ []parser.Node) error {
		if vs, ok := n.(*parser.VectorSelector); ok {
			out = append(out, vs)
		}
		return nil
	})
	return out
}

// selector returns where the selector before the chain begins.
func (c *chain) selector(nodes map[int]bool) (int, bool) {
	for _, at := range c.starts {
		if nodes[at] {
			return at, true
		}
	}
	return 0, false
}

func (c *chain) misplaced(text string) error {
	if c.afterRange {
		return errorAt(text, c.pos, `unexpected %q behind a range: filters and stages stand before it, as in pod{} |= "x" [5m]`, c.op)
	}
	return errorAt(text, c.pos, "unexpected %q: filters and stages stand directly behind a selector, before a range, offset or @", c.op)
}

// selector checks the kind and the labels of a node.
func (e *Expr) selector(vs *parser.VectorSelector) (*Selector, error) {
	at := int(vs.PosRange.Start)
	sel := &Selector{}
	kind := ""
	for _, m := range vs.LabelMatchers {
		if m.Name != model.MetricNameLabel {
			sel.Matchers = append(sel.Matchers, m)
			continue
		}
		if m.Type != labels.MatchEqual || kind != "" && kind != m.Value {
			return nil, errorAt(e.text, at, "a selector is of one kind, pod{…} or node{…}")
		}
		kind = m.Value
	}
	switch layout.Kind(kind) {
	case layout.Pod, layout.Node:
		sel.Kind = layout.Kind(kind)
	case "":
		return nil, errorAt(e.text, at, "the selector has no kind: write pod{…} or node{…}")
	default:
		return nil, errorAt(e.text, at, "unknown selector %q: there are pod{…} and node{…}", kind)
	}
	known := record.LabelsOf(sel.Kind)
	for _, m := range sel.Matchers {
		if !slices.Contains(known, m.Name) {
			return nil, errorAt(e.text, e.wordPos(vs, m.Name), "unknown label %q: %s{…} has the labels %s", m.Name, sel.Kind, strings.Join(known, ", "))
		}
		if err := CheckMatcher(m); err != nil {
			return nil, errorAt(e.text, e.wordPos(vs, m.Name), "%s", err)
		}
	}
	return sel, nil
}

// wordPos finds a name inside of the selector's braces, for errors.
func (e *Expr) wordPos(vs *parser.VectorSelector, name string) int {
	for _, w := range e.lifted.words {
		if w.text == name && w.pos >= int(vs.PosRange.Start) && w.pos < int(vs.PosRange.End) {
			return w.pos
		}
	}
	return int(vs.PosRange.Start)
}

// attach sorts the stages: filters on the line as it was written are the source's work, wherever they stand.
func (s *Selector) attach(stages pipeline.Pipeline) {
	formatted := false
	for _, st := range stages {
		switch x := st.(type) {
		case *pipeline.LineFilter:
			if !formatted {
				op, texts := x.Joined()
				s.Filters = append(s.Filters, LineFilter{Op: filterOp(op), Text: texts[0], Or: append([]string(nil), texts[1:]...)})
				continue
			}
		case *pipeline.LineFormat, *pipeline.Decolorize:
			formatted = true
		case *pipeline.Unwrap:
			s.unwrap, s.unwrapped = true, x.Label
		}
		s.run = append(s.run, st)
	}
}

func filterOp(op string) FilterOp {
	switch op {
	case "|=":
		return Contains
	case "!=":
		return NotContains
	case "|~":
		return Matches
	}
	return NotMatches
}

// logRoot returns the selector of a query for lines, and its range where it has one.
func logRoot(e parser.Expr) (*parser.VectorSelector, *parser.MatrixSelector) {
	for {
		switch n := e.(type) {
		case *parser.ParenExpr:
			e = n.Expr
		case *parser.VectorSelector:
			return n, nil
		case *parser.MatrixSelector:
			vs, _ := n.VectorSelector.(*parser.VectorSelector)
			return vs, n
		default:
			return nil, nil
		}
	}
}
