package pipeline

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"text/template"
	"text/template/parse"
	"time"
)

// MaxFormatBytes is the longest line that line_format makes; a longer one is an error of that line.
const MaxFormatBytes = 1 << 20

// LineFormat replaces the line by a Go template over the labels. It has only what needs time and memory in proportion to the line: no
// loops, no nested templates, no printf.
type LineFormat struct {
	text   string
	fields []string
	// pool has templates whose functions look at the entry that is bound to them.
	pool sync.Pool
}

type bound struct {
	tmpl  *template.Template
	entry *Entry
}

// NewLineFormat returns a stage, or why the template cannot be used.
func NewLineFormat(text string) (*LineFormat, error) {
	t, err := template.New("line_format").Option("missingkey=zero").Funcs(funcs(nil)).Parse(text)
	if err != nil {
		return nil, err
	}
	if len(t.Templates()) > 1 {
		return nil, errors.New("a line_format defines no templates")
	}
	f := &LineFormat{text: text}
	if t.Tree != nil {
		if err := f.check(t.Root); err != nil {
			return nil, err
		}
	}
	f.pool.New = func() any {
		b := &bound{}
		b.tmpl = template.Must(t.Clone()).Funcs(funcs(b))
		return b
	}
	return f, nil
}

// funcs are the functions of a template: those of LogQL that work on text.
func funcs(b *bound) template.FuncMap {
	return template.FuncMap{
		"__line__":      func() string { return string(b.entry.Line) },
		"__timestamp__": func() time.Time { return time.Unix(0, b.entry.Time).UTC() },
		"lower":         strings.ToLower, "upper": strings.ToUpper, "ToLower": strings.ToLower, "ToUpper": strings.ToUpper,
		"title":      func(s string) string { return strings.ToUpper(s[:min(1, len(s))]) + s[min(1, len(s)):] },
		"trim":       strings.TrimSpace,
		"trimAll":    func(cut, s string) string { return strings.Trim(s, cut) },
		"trimPrefix": func(p, s string) string { return strings.TrimPrefix(s, p) },
		"trimSuffix": func(p, s string) string { return strings.TrimSuffix(s, p) },
		"contains":   func(sub, s string) bool { return strings.Contains(s, sub) },
		"hasPrefix":  func(p, s string) bool { return strings.HasPrefix(s, p) },
		"hasSuffix":  func(p, s string) bool { return strings.HasSuffix(s, p) },
		"replace":    replace,
		"regexReplaceAll": func(re, s, repl string) (string, error) {
			r, err := regexp.Compile(re)
			if err != nil {
				return "", err
			}
			return r.ReplaceAllString(s, repl), nil
		},
		"trunc":     trunc,
		"substr":    func(from, to int, s string) string { return s[min(max(from, 0), len(s)):min(max(to, from, 0), len(s))] },
		"default":   func(d, s string) string { return map[bool]string{true: d, false: s}[s == ""] },
		"date":      func(layout string, t time.Time) string { return t.Format(layout) },
		"unixEpoch": func(t time.Time) string { return fmt.Sprint(t.Unix()) },
	}
}

// replace refuses to multiply a line by replacing nothing.
func replace(from, to, s string) (string, error) {
	if from == "" {
		return "", errors.New("replace: nothing to replace")
	}
	return strings.ReplaceAll(s, from, to), nil
}

// trunc keeps the first n bytes, or the last where n is negative.
func trunc(n int, s string) string {
	switch {
	case n >= 0 && n < len(s):
		return s[:n]
	case n < 0 && -n < len(s):
		return s[len(s)+n:]
	}
	return s
}

// check refuses what is not in the list of what a template may hold, and collects the labels.
func (f *LineFormat) check(n parse.Node) error {
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
		if _, ok := funcs(nil)[x.Ident]; !ok && !slices.Contains(allowed, x.Ident) {
			return fmt.Errorf("function %q is not available in line_format", x.Ident)
		}
	case *parse.FieldNode:
		f.fields = append(f.fields, x.Ident[0])
	case *parse.VariableNode:
		if x.Ident[0] == "$" && len(x.Ident) > 1 {
			f.fields = append(f.fields, x.Ident[1])
		}
	case *parse.TextNode, *parse.StringNode, *parse.NumberNode, *parse.BoolNode, *parse.DotNode, *parse.CommentNode:
	default:
		return fmt.Errorf("%q is not available in line_format", n.String())
	}
	return nil
}

func (f *LineFormat) branch(b *parse.BranchNode) error {
	for _, n := range []parse.Node{b.Pipe, b.List, b.ElseList} {
		if err := f.check(n); err != nil {
			return err
		}
	}
	return nil
}

func checkAll[N parse.Node](f *LineFormat, nodes []N) error {
	for _, n := range nodes {
		if err := f.check(n); err != nil {
			return err
		}
	}
	return nil
}

// String implements Stage.
func (f *LineFormat) String() string { return "| line_format " + Quote(f.text) }

// Labels implements Stage.
func (f *LineFormat) Labels() []string { return f.fields }

// Process implements Stage. A template that fails leaves the line as it is and marks it.
func (f *LineFormat) Process(e *Entry) bool {
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
	if err := b.tmpl.Execute(&out, values); err != nil {
		e.Fail(ErrTemplate, err.Error())
		return true
	}
	e.Line = out.Bytes()
	return true
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
