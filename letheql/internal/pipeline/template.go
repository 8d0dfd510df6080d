package pipeline

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync"
	"text/template"
	"text/template/parse"
)

const (
	// MaxFormatBytes is the longest text that a template makes, as a whole and in each of its functions; a longer one is an error of that line.
	MaxFormatBytes = 1 << 20
	// MaxFormatParts is how many functions and arguments a template has at most: each is evaluated once for a line.
	MaxFormatParts = 1000
)

// format is a Go template over the labels of a line. It has only what needs time and memory in proportion to the line: no
// loops and no nested templates. What all templates of a query make of a line is bounded by MaxMade.
type format struct {
	text   string
	fields []string
	// pool has templates whose functions look at the entry that is bound to them.
	pool sync.Pool
}

type bound struct {
	tmpl  *template.Template
	entry *Entry
}

// newFormat returns a template of the stage, or why it cannot be used.
func newFormat(stage, text string) (*format, error) {
	t, err := template.New(stage).Option("missingkey=zero").Funcs(funcs(&bound{})).Parse(text)
	if err != nil {
		return nil, err
	}
	if len(t.Templates()) > 1 {
		return nil, fmt.Errorf("a %s defines no templates", stage)
	}
	c := &checker{stage: stage, funcs: funcs(&bound{})}
	if t.Tree != nil {
		if err := c.check(t.Root); err != nil {
			return nil, err
		}
	}
	f := &format{text: text, fields: c.fields}
	f.pool.New = func() any {
		b := &bound{}
		b.tmpl = template.Must(t.Clone()).Funcs(funcs(b))
		return b
	}
	return f, nil
}

// render makes the text for a line.
func (f *format) render(e *Entry) ([]byte, error) {
	b := f.pool.Get().(*bound)
	b.entry = e
	defer func() {
		b.entry = nil
		f.pool.Put(b)
	}()
	values := make(map[string]string, len(f.fields))
	for _, name := range f.fields {
		values[name], _ = e.Get(name)
	}
	out := limited{entry: e}
	err := b.tmpl.Execute(&out, values)
	return out.Bytes(), err
}

// checker walks over a template of a stage and collects its labels.
type checker struct {
	stage  string
	funcs  template.FuncMap
	fields []string
	parts  int
}

// builtins are those of Go's templates that a template may use. The others make texts that nothing bounds (print, html, …), or call what a value
// brings along.
var builtins = []string{"and", "or", "not", "eq", "ne", "lt", "le", "gt", "ge", "len", "index", "slice"}

// check refuses what is not in the list of what a template may hold.
func (c *checker) check(n parse.Node) error {
	switch x := n.(type) {
	case *parse.ListNode:
		if x == nil {
			return nil
		}
		return checkAll(c, x.Nodes)
	case *parse.ActionNode:
		return c.check(x.Pipe)
	case *parse.IfNode:
		return c.branch(&x.BranchNode)
	case *parse.WithNode:
		return c.branch(&x.BranchNode)
	case *parse.PipeNode:
		if x == nil {
			return nil
		}
		return checkAll(c, x.Cmds)
	case *parse.CommandNode:
		if c.parts += len(x.Args); c.parts > MaxFormatParts {
			return fmt.Errorf("a %s has at most %d functions and arguments", c.stage, MaxFormatParts)
		}
		return checkAll(c, x.Args)
	case *parse.IdentifierNode:
		if _, ok := c.funcs[x.Ident]; !ok && !slices.Contains(builtins, x.Ident) {
			return fmt.Errorf("function %q is not available in %s", x.Ident, c.stage)
		}
	case *parse.FieldNode:
		c.fields = append(c.fields, x.Ident[0])
	case *parse.VariableNode:
		if x.Ident[0] == "$" && len(x.Ident) > 1 {
			c.fields = append(c.fields, x.Ident[1])
		}
	case *parse.ChainNode:
		return c.check(x.Node)
	case *parse.TextNode, *parse.StringNode, *parse.NumberNode, *parse.BoolNode, *parse.DotNode, *parse.CommentNode:
	default:
		return fmt.Errorf("%q is not available in %s", n.String(), c.stage)
	}
	return nil
}

func (c *checker) branch(b *parse.BranchNode) error {
	for _, n := range []parse.Node{b.Pipe, b.List, b.ElseList} {
		if err := c.check(n); err != nil {
			return err
		}
	}
	return nil
}

func checkAll[N parse.Node](c *checker, nodes []N) error {
	for _, n := range nodes {
		if err := c.check(n); err != nil {
			return err
		}
	}
	return nil
}

// limited is a buffer that refuses to grow beyond the longest line, and beyond what may be made of its entry's.
type limited struct {
	bytes.Buffer
	entry *Entry
}

var (
	errLong = fmt.Errorf("the line is longer than %d bytes", MaxFormatBytes)
	errMade = errors.New("the templates make too much of the line, each of their functions counted")
)

// Write implements io.Writer.
func (l *limited) Write(p []byte) (int, error) {
	if l.Len()+len(p) > MaxFormatBytes {
		return 0, errLong
	}
	if !l.entry.spend(len(p)) {
		return 0, errMade
	}
	return l.Buffer.Write(p)
}
