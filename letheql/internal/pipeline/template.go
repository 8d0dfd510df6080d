package pipeline

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
	"text/template"
	"text/template/parse"
)

// MaxFormatBytes is the longest text that a template makes, as a whole and in each of its functions; a longer one is an error of that line.
const MaxFormatBytes = 1 << 20

// format is a Go template over the labels of a line. It has only what needs time and memory in proportion to the line: no
// loops and no nested templates.
type format struct {
	text   string
	fields []string
	// pool has templates whose functions look at the entry that is bound to them.
	pool sync.Pool
}

type bound struct {
	tmpl  *template.Template
	entry *Entry
	exprs expressions
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
	f := &format{text: text}
	if t.Tree != nil {
		if err := f.check(t.Root); err != nil {
			return nil, fmt.Errorf("%w in %s", err, stage)
		}
	}
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
	var out limited
	err := b.tmpl.Execute(&out, values)
	return out.Bytes(), err
}

// check refuses what is not in the list of what a template may hold, and collects the labels.
func (f *format) check(n parse.Node) error {
	switch x := n.(type) {
	case *parse.ListNode:
		if x == nil {
			return nil
		}
		return checkAll(f, x.Nodes)
	case *parse.ActionNode:
		return f.check(x.Pipe)
	case *parse.IfNode:
		return f.branch(&x.BranchNode)
	case *parse.WithNode:
		return f.branch(&x.BranchNode)
	case *parse.PipeNode:
		if x == nil {
			return nil
		}
		return checkAll(f, x.Cmds)
	case *parse.CommandNode:
		return checkAll(f, x.Args)
	case *parse.IdentifierNode:
		allowed := []string{"and", "or", "not", "eq", "ne", "lt", "le", "gt", "ge", "len"}
		if _, ok := funcs(&bound{})[x.Ident]; !ok && !slices.Contains(allowed, x.Ident) {
			return fmt.Errorf("function %q is not available", x.Ident)
		}
	case *parse.FieldNode:
		f.fields = append(f.fields, x.Ident[0])
	case *parse.VariableNode:
		if x.Ident[0] == "$" && len(x.Ident) > 1 {
			f.fields = append(f.fields, x.Ident[1])
		}
	case *parse.ChainNode:
		return f.check(x.Node)
	case *parse.TextNode, *parse.StringNode, *parse.NumberNode, *parse.BoolNode, *parse.DotNode, *parse.CommentNode:
	default:
		return fmt.Errorf("%q is not available", n.String())
	}
	return nil
}

func (f *format) branch(b *parse.BranchNode) error {
	for _, n := range []parse.Node{b.Pipe, b.List, b.ElseList} {
		if err := f.check(n); err != nil {
			return err
		}
	}
	return nil
}

func checkAll[N parse.Node](f *format, nodes []N) error {
	for _, n := range nodes {
		if err := f.check(n); err != nil {
			return err
		}
	}
	return nil
}

// limited is a buffer that refuses to grow beyond the longest line.
type limited struct{ bytes.Buffer }

var errLong = fmt.Errorf("the line is longer than %d bytes", MaxFormatBytes)

// Write implements io.Writer.
func (l *limited) Write(p []byte) (int, error) {
	if l.Len()+len(p) > MaxFormatBytes {
		return 0, errLong
	}
	return l.Buffer.Write(p)
}
