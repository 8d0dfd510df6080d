package terraform

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// template is the template of SAM, with the tags of CloudFormation as they are.
type template struct {
	t    *testing.T
	root *yaml.Node
}

func readTemplate(t *testing.T) *template {
	t.Helper()
	b, err := os.ReadFile(folder + "template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var document yaml.Node
	if err := yaml.Unmarshal(b, &document); err != nil {
		t.Fatal(err)
	}
	return &template{t, document.Content[0]}
}

// at returns what is at a path, nil where nothing is.
func (p *template) at(path ...string) *yaml.Node {
	n := p.root
	for _, name := range path {
		if n = members(n)[name]; n == nil {
			return nil
		}
	}
	return n
}

// members returns the members of a mapping by name.
func members(n *yaml.Node) map[string]*yaml.Node {
	out := map[string]*yaml.Node{}
	if n != nil && n.Kind == yaml.MappingNode {
		for i := 0; i < len(n.Content); i += 2 {
			out[n.Content[i].Value] = n.Content[i+1]
		}
	}
	return out
}

// elements returns those of a list; a scalar is a list of one, as CloudFormation takes it.
func elements(n *yaml.Node) []*yaml.Node {
	switch {
	case n == nil:
		return nil
	case n.Kind == yaml.SequenceNode:
		return n.Content
	}
	return []*yaml.Node{n}
}

// names returns the sorted names of what is at a path.
func (p *template) names(path ...string) []string {
	p.t.Helper()
	out := slices.Sorted(maps.Keys(members(p.at(path...))))
	if len(out) == 0 {
		p.t.Fatalf("the template has no %s", strings.Join(path, "."))
	}
	return out
}

// ofType returns the names of the resources of a type.
func (p *template) ofType(kind string) (out []string) {
	for _, name := range p.names("Resources") {
		if p.text(p.at("Resources", name, "Type")) == kind {
			out = append(out, name)
		}
	}
	return out
}

// text is a scalar, with references as !Sub writes them.
func (p *template) text(n *yaml.Node) string {
	p.t.Helper()
	switch {
	case n == nil:
		return ""
	case n.Tag == "!Ref" || n.Tag == "!GetAtt":
		return "${" + n.Value + "}"
	case n.Tag == "!Join" && n.Content[1].Tag == "!Ref":
		// Two elements stand for the list, as in the module.
		list := p.text(n.Content[1])
		return list + "[0]" + n.Content[0].Value + list + "[1]"
	case n.Tag == "!If" && n.Content[2].Value == "AWS::NoValue":
		// What there is where there is something; TestQueriesAreBounded looks at the condition.
		return p.text(n.Content[1])
	case n.Kind != yaml.ScalarNode || strings.HasPrefix(n.Tag, "!") && !strings.HasPrefix(n.Tag, "!!") && n.Tag != "!Sub":
		p.t.Fatalf("template.yaml:%d: cannot read %s", n.Line, n.Tag)
	}
	return n.Value
}

// flat is what module.flat is.
func (p *template) flat(out map[string]string, path string, n *yaml.Node) {
	p.t.Helper()
	tagged := n != nil && strings.HasPrefix(n.Tag, "!") && !strings.HasPrefix(n.Tag, "!!")
	switch {
	case n == nil:
	case n.Kind == yaml.MappingNode && !tagged:
		for name, below := range members(n) {
			p.flat(out, strings.TrimPrefix(path+"."+name, "."), below)
		}
	case n.Kind == yaml.SequenceNode && !tagged:
		for i, below := range n.Content {
			p.flat(out, indexed(path, i, len(n.Content)), below)
		}
	default:
		out[path] = p.text(n)
	}
}

// resource returns the properties of a resource, and whether it stays when the stack goes.
func (p *template) resource(name string) map[string]string {
	p.t.Helper()
	out := map[string]string{}
	if p.text(p.at("Resources", name, "Type")) == "AWS::Serverless::Function" {
		p.flat(out, "", p.at("Globals", "Function"))
	}
	p.flat(out, "", p.at("Resources", name, "Properties"))
	if p.text(p.at("Resources", name, "DeletionPolicy")) == "Retain" && p.text(p.at("Resources", name, "UpdateReplacePolicy")) == "Retain" {
		out["Retain"] = "true"
	}
	return out
}
