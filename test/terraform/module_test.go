// Package terraform holds the Terraform module against the template of SAM: both install the same, and a change of one of them is a change of both.
// It is a module of its own, so that nothing of HCL comes near the product's dependencies. It needs neither Terraform nor a network.
package terraform

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

const folder = "../../deploy/aws/"

// functions are those of Terraform that the module calls.
var functions = map[string]function.Function{
	"can": tryfunc.CanFunc, "coalesce": stdlib.CoalesceFunc, "contains": stdlib.ContainsFunc, "floor": stdlib.FloorFunc,
	"join": stdlib.JoinFunc, "regex": stdlib.RegexFunc,
}

// module is what all files of the module say, by address: aws_s3_bucket.logs, data.aws_region.current, var.name, output.query_url, terraform.
type module struct {
	t      *testing.T
	blocks map[string]*hclsyntax.Body
	locals hclsyntax.Attributes
}

func readModule(t *testing.T) *module {
	t.Helper()
	paths, err := filepath.Glob(folder + "terraform/*.tf")
	if err != nil || len(paths) < 4 {
		t.Fatalf("%d files found: %v", len(paths), err)
	}
	m := &module{t: t, blocks: map[string]*hclsyntax.Body{}, locals: hclsyntax.Attributes{}}
	parser := hclparse.NewParser()
	for _, p := range paths {
		f, diags := parser.ParseHCLFile(p)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		body, ok := f.Body.(*hclsyntax.Body)
		if !ok {
			t.Fatalf("%s is no native syntax", p)
		}
		for _, b := range body.Blocks {
			m.add(b)
		}
	}
	return m
}

func (m *module) add(b *hclsyntax.Block) {
	m.t.Helper()
	kinds := map[string][]string{"resource": nil, "data": {"data"}, "variable": {"var"}, "output": {"output"}, "terraform": {"terraform"}}
	if b.Type == "locals" {
		for name, a := range b.Body.Attributes {
			m.locals[name] = a
		}
		return
	}
	prefix, known := kinds[b.Type]
	address := strings.Join(append(slices.Clone(prefix), b.Labels...), ".")
	if !known || m.blocks[address] != nil {
		m.t.Fatalf("%s: a %s that is unknown, or there twice: %s", b.DefRange(), b.Type, address)
	}
	m.blocks[address] = b.Body
}

// each calls fn with each attribute of a body and of the blocks in it.
func each(body *hclsyntax.Body, fn func(*hclsyntax.Attribute)) {
	for _, a := range body.Attributes {
		fn(a)
	}
	for _, b := range body.Blocks {
		each(b.Body, fn)
	}
}

// references returns what an attribute refers to, as far as it can be read without a schema: aws_s3_bucket.logs.id, var.name.
func references(a *hclsyntax.Attribute) (out [][]string) {
	for _, traversal := range hclsyntax.Variables(a.Expr) {
		var names []string
		for _, step := range traversal {
			switch s := step.(type) {
			case hcl.TraverseRoot:
				names = append(names, s.Name)
			case hcl.TraverseAttr:
				names = append(names, s.Name)
			}
		}
		out = append(out, names)
	}
	return out
}

// everyReference calls fn with each reference of the module and where it is. Types of variables look like references and are none.
func (m *module) everyReference(fn func(where hcl.Range, names []string)) {
	visit := func(a *hclsyntax.Attribute) {
		for _, names := range references(a) {
			fn(a.SrcRange, names)
		}
	}
	for address, body := range m.blocks {
		each(body, func(a *hclsyntax.Attribute) {
			if !strings.HasPrefix(address, "var.") || a.Name != "type" {
				visit(a)
			}
		})
	}
	for _, a := range m.locals {
		visit(a)
	}
}

// tree is an object of which only the names are known.
type tree map[string]tree

// symbol is a tree as a value whose leaves are their own names, as "${aws_s3_bucket.logs.id}".
func (n tree) symbol(name string) cty.Value {
	if len(n) == 0 {
		return cty.StringVal("${" + name + "}")
	}
	members := map[string]cty.Value{}
	for member, below := range n {
		members[member] = below.symbol(name + "." + member)
	}
	return cty.ObjectVal(members)
}

// scope has a value for all that can be referred to: what is set for a variable, else its name.
func (m *module) scope(set map[string]cty.Value) *hcl.EvalContext {
	m.t.Helper()
	root := tree{}
	m.everyReference(func(_ hcl.Range, names []string) {
		at := root
		for _, name := range names {
			if at[name] == nil {
				at[name] = tree{}
			}
			at = at[name]
		}
	})
	values := map[string]cty.Value{}
	for name, n := range root {
		values[name] = n.symbol(name)
	}
	vars, locals := map[string]cty.Value{}, map[string]cty.Value{}
	for name, body := range m.below("var.") {
		vars[name] = cty.StringVal("${var." + name + "}")
		if m.typeOf(body) == "list(string)" {
			// Of two elements, so that it can be seen how they are joined.
			vars[name] = cty.ListVal([]cty.Value{cty.StringVal("${var." + name + "}[0]"), cty.StringVal("${var." + name + "}[1]")})
		}
		if v, ok := set[name]; ok {
			vars[name] = v
		}
	}
	values["var"] = cty.ObjectVal(vars)
	ctx := &hcl.EvalContext{Variables: values, Functions: functions}
	for name, a := range m.locals {
		locals[name] = m.value(a, ctx)
	}
	values["local"] = cty.ObjectVal(locals)
	return ctx
}

// below returns the blocks whose address starts with a prefix, by the rest of it.
func (m *module) below(prefix string) map[string]*hclsyntax.Body {
	out := map[string]*hclsyntax.Body{}
	for address, body := range m.blocks {
		if rest, ok := strings.CutPrefix(address, prefix); ok {
			out[rest] = body
		}
	}
	return out
}

// resources returns the addresses of all resources.
func (m *module) resources() (out []string) {
	for address := range m.blocks {
		if strings.HasPrefix(address, "aws_") {
			out = append(out, address)
		}
	}
	slices.Sort(out)
	return out
}

func (m *module) value(a *hclsyntax.Attribute, ctx *hcl.EvalContext) cty.Value {
	m.t.Helper()
	v, diags := a.Expr.Value(ctx)
	if diags.HasErrors() {
		m.t.Fatal(diags)
	}
	return v
}

// typeOf is the type of a variable as it is written: string, number, list(string).
func (m *module) typeOf(variable *hclsyntax.Body) string {
	a := variable.Attributes["type"]
	if a == nil {
		return ""
	}
	if call, ok := a.Expr.(*hclsyntax.FunctionCallExpr); ok && len(call.Args) == 1 {
		return call.Name + "(" + hcl.ExprAsKeyword(call.Args[0]) + ")"
	}
	return hcl.ExprAsKeyword(a.Expr)
}

// flat returns all attributes of a block as text, by their path: environment.variables.LETHE_BUCKET, rule[1].id. What is there once has no index.
func (m *module) flat(address string, ctx *hcl.EvalContext) map[string]string {
	m.t.Helper()
	body := m.blocks[address]
	if body == nil {
		m.t.Fatalf("the module has no %s", address)
	}
	out := map[string]string{}
	m.flatBody(out, "", body, ctx)
	return out
}

func (m *module) flatBody(out map[string]string, path string, body *hclsyntax.Body, ctx *hcl.EvalContext) {
	m.t.Helper()
	for name, a := range body.Attributes {
		if name != "depends_on" {
			m.flatValue(out, path+name, m.value(a, ctx))
		}
	}
	count := map[string]int{}
	for _, b := range body.Blocks {
		count[b.Type]++
	}
	seen := map[string]int{}
	for _, b := range body.Blocks {
		m.flatBody(out, path+indexed(b.Type, seen[b.Type], count[b.Type])+".", b.Body, ctx)
		seen[b.Type]++
	}
}

func (m *module) flatValue(out map[string]string, path string, v cty.Value) {
	m.t.Helper()
	switch {
	case v.IsNull():
	case v.Type().IsObjectType():
		for name, below := range v.AsValueMap() {
			m.flatValue(out, path+"."+name, below)
		}
	case v.Type().IsTupleType() || v.Type().IsListType():
		for i, below := range v.AsValueSlice() {
			m.flatValue(out, indexed(path, i, v.LengthInt()), below)
		}
	default:
		s, err := convert.Convert(v, cty.String)
		if err != nil {
			m.t.Fatalf("%s: %v", path, err)
		}
		out[path] = s.AsString()
	}
}

func indexed(path string, i, of int) string {
	if of == 1 {
		return path
	}
	return fmt.Sprintf("%s[%d]", path, i)
}
