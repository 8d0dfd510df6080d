package terraform

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// TestVariablesAreTheParameters: they have the same names, defaults, types and secrets, and each says what it is for.
func TestVariablesAreTheParameters(t *testing.T) {
	m, p := readModule(t), readTemplate(t)
	// A stack has a name, and SAM a folder, without a parameter.
	own := []string{"name", "package_dir"}
	types := map[string]string{"String": "string", "Number": "number", "CommaDelimitedList": "list(string)"}
	want, got := map[string]string{}, map[string]string{}
	for _, name := range p.names("Parameters") {
		parameter := func(key string) string { return p.text(p.at("Parameters", name, key)) }
		want[name+" type"], want[name+" secret"] = types[parameter("Type")], strconv.FormatBool(parameter("NoEcho") == "true")
		if p.at("Parameters", name, "Default") == nil {
			t.Errorf("parameter %s has no default, as variables have", name)
		}
		if v := parameter("Default"); v != "" || parameter("Type") == "String" {
			want[name+" default"] = v
		}
	}
	for name, body := range m.below("var.") {
		if body.Attributes["default"] == nil || body.Attributes["description"] == nil || m.typeOf(body) == "" {
			t.Errorf("variable %s has no default, description or type", name)
		}
		if slices.Contains(own, name) {
			continue
		}
		// Descriptions name QueryAuth here query_auth.
		plain := func(s string) string { return strings.ToLower(strings.ReplaceAll(s, "_", "")) }
		description := p.text(p.at("Parameters", camel(name), "Description"))
		said := map[string]string{}
		for _, key := range []string{"default", "description", "sensitive"} {
			if a := body.Attributes[key]; a != nil {
				m.flatValue(said, key, m.value(a, m.scope(nil)))
			}
		}
		if plain(said["description"]) != plain(description) {
			t.Errorf("%s is described as\n%s\nin the template\n%s", name, said["description"], description)
		}
		got[camel(name)+" type"], got[camel(name)+" secret"] = m.typeOf(body), strconv.FormatBool(said["sensitive"] == "true")
		if v, ok := said["default"]; ok {
			got[camel(name)+" default"] = v
		}
	}
	same(t, "variables", want, got)
}

// allows says whether a variable may have a value.
func (m *module) allows(name string, value cty.Value) bool {
	m.t.Helper()
	ok := true
	for _, b := range m.blocks["var."+name].Blocks {
		condition := b.Body.Attributes["condition"]
		if b.Type != "validation" || condition == nil || b.Body.Attributes["error_message"] == nil {
			m.t.Fatalf("%s: cannot read %s", name, b.Type)
		}
		ok = ok && m.value(condition, m.scope(map[string]cty.Value{name: value})).True()
	}
	return ok
}

// TestVariablesAllowWhatParametersDo tries values on both.
func TestVariablesAllowWhatParametersDo(t *testing.T) {
	m, p := readModule(t), readTemplate(t)
	texts := []string{"", "0", "15d", "2w", "1y", "36h", "5m", "d", "15d ", "-1d", "15D", "500GB", "1.5Ti", "500 GB", "500bananas", "AWS_IAM", "NONE", "none", "e30=", "e+/A", "e30=\n", "a b", "*"}
	tried := 0
	for name, body := range m.below("var.") {
		at := func(key string) string { return p.text(p.at("Parameters", camel(name), key)) }
		bounded := at("AllowedPattern") != "" || at("MinValue") != "" || p.at("Parameters", camel(name), "AllowedValues") != nil
		if own := name == "name"; !own && bounded != (len(body.Blocks) > 0) {
			t.Errorf("%s is bounded on one side only", name)
		}
		if pattern := at("AllowedPattern"); pattern != "" {
			for _, s := range texts {
				tried++
				if want := regexp.MustCompile(pattern).MatchString(s); m.allows(name, cty.StringVal(s)) != want {
					t.Errorf("%s = %q: the template's answer is %t", name, s, want)
				}
			}
		}
		if allowed := p.at("Parameters", camel(name), "AllowedValues"); allowed != nil {
			for _, s := range texts {
				tried++
				want := false
				for _, n := range allowed.Content {
					want = want || n.Value == s
				}
				if m.allows(name, cty.StringVal(s)) != want {
					t.Errorf("%s = %q: the template's answer is %t", name, s, want)
				}
			}
		}
		if at("MinValue") != "" {
			least := cty.MustParseNumberVal(at("MinValue"))
			tried += 2
			if !m.allows(name, least) || m.allows(name, least.Subtract(cty.NumberIntVal(1))) {
				t.Errorf("%s: the template allows %s and no less", name, at("MinValue"))
			}
		}
	}
	if tried < 3*len(texts) {
		t.Errorf("only %d values were tried", tried)
	}
	for name, want := range map[string]bool{"lethe": true, "a2-b": true, strings.Repeat("a", 25): true, strings.Repeat("a", 26): false, "": false, "Logs": false, "2a": false, "-a": false} {
		if m.allows("name", cty.StringVal(name)) != want {
			t.Errorf("the name %q: want %t", name, want)
		}
	}
	for _, name := range []string{"backstop_days", "query_concurrency", "query_fanout"} {
		if m.allows(name, cty.NumberFloatVal(2.5)) {
			t.Errorf("%s may be two and a half", name)
		}
	}
}

// TestOutputsAreTheSame compares what is told in the end.
func TestOutputsAreTheSame(t *testing.T) {
	m, p := readModule(t), readTemplate(t)
	want, got := map[string]string{}, map[string]string{}
	for _, name := range p.names("Outputs") {
		want[name] = p.text(p.at("Outputs", name, "Value"))
	}
	for name := range m.below("output.") {
		flat := m.flat("output."+name, m.scope(nil))
		if flat["description"] == "" {
			t.Errorf("output %s has no description", name)
		}
		got[camel(name)] = translate(flat["value"])
	}
	same(t, "outputs", want, got)
}

// TestReferencesLead: each leads to something, and there is nothing that no reference leads to.
func TestReferencesLead(t *testing.T) {
	m := readModule(t)
	used := map[string]bool{}
	m.everyReference(func(where hcl.Range, names []string) {
		parts := 2
		if names[0] == "data" {
			parts = 3
		}
		if len(names) < parts {
			t.Errorf("%s: %s is not whole", where, strings.Join(names, "."))
			return
		}
		address := strings.Join(names[:parts], ".")
		used[address] = true
		if local := m.locals[names[1]]; (names[0] != "local" || local == nil) && address != "path.module" && m.blocks[address] == nil {
			t.Errorf("%s: there is no %s", where, address)
		}
	})
	if len(used) < 20 {
		t.Errorf("only %d references found", len(used))
	}
	for name := range m.locals {
		if !used["local."+name] {
			t.Errorf("local.%s is not used", name)
		}
	}
	for address := range m.blocks {
		if kind, _, _ := strings.Cut(address, "."); (kind == "var" || kind == "data") && !used[address] {
			t.Errorf("%s is not used", address)
		}
	}
}

// TestVersionsAreBounded: a new major version of Terraform or of a provider is for us to try first.
func TestVersionsAreBounded(t *testing.T) {
	m := readModule(t)
	flat := m.flat("terraform", m.scope(nil))
	bounded := regexp.MustCompile(`^>= \d+\.\d+, < \d+\.0$`)
	for address := range m.blocks {
		kind, _, _ := strings.Cut(strings.TrimPrefix(address, "data."), ".")
		provider, _, isResource := strings.Cut(kind, "_")
		source, version := flat["required_providers."+provider+".source"], flat["required_providers."+provider+".version"]
		if isResource && (source != "hashicorp/"+provider || !bounded.MatchString(version)) {
			t.Errorf("%s: its provider is %q of version %q", address, source, version)
		}
	}
	if !bounded.MatchString(flat["required_version"]) {
		t.Errorf("the version of Terraform is %q", flat["required_version"])
	}
}
