// Package aws_test reads the Lambda template as CloudFormation and the binary would.
package aws_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"lethe/internal/config"
)

type template struct {
	Parameters map[string]yaml.Node `yaml:"Parameters"`
	Resources  map[string]resource  `yaml:"Resources"`
	Globals    struct {
		Function properties `yaml:"Function"`
	} `yaml:"Globals"`
	Outputs map[string]yaml.Node `yaml:"Outputs"`
}

type resource struct {
	Type       string     `yaml:"Type"`
	Properties properties `yaml:"Properties"`
}

type properties struct {
	FunctionURL struct {
		InvokeMode string `yaml:"InvokeMode"`
	} `yaml:"FunctionUrlConfig"`
	Runtime       string   `yaml:"Runtime"`
	Handler       string   `yaml:"Handler"`
	Architectures []string `yaml:"Architectures"`
	Environment   struct {
		Variables map[string]yaml.Node `yaml:"Variables"`
	} `yaml:"Environment"`
	Policies []struct {
		Statement []statement `yaml:"Statement"`
	} `yaml:"Policies"`
	PolicyDocument struct {
		Statement []statement `yaml:"Statement"`
	} `yaml:"PolicyDocument"`
}

type statement struct {
	Sid, Effect string
	Action      yaml.Node   `yaml:"Action"`
	Resource    []yaml.Node `yaml:"Resource"`
}

func load(t *testing.T) (template, *yaml.Node) {
	t.Helper()
	b, err := os.ReadFile("template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var root yaml.Node
	if err := yaml.Unmarshal(b, &root); err != nil {
		t.Fatal(err)
	}
	var tpl template
	if err := root.Decode(&tpl); err != nil {
		t.Fatal(err)
	}
	return tpl, &root
}

// references returns the names that !Ref, !GetAtt and !Sub point at.
func references(n *yaml.Node) (names []string) {
	switch n.Tag {
	case "!Ref", "!GetAtt":
		name, _, _ := strings.Cut(n.Value, ".")
		names = append(names, name)
	case "!Sub":
		for _, m := range regexp.MustCompile(`\$\{([^}]+)\}`).FindAllStringSubmatch(n.Value, -1) {
			name, _, _ := strings.Cut(m[1], ".")
			names = append(names, name)
		}
	}
	for _, c := range n.Content {
		names = append(names, references(c)...)
	}
	return names
}

func TestReferencesExist(t *testing.T) {
	tpl, root := load(t)
	refs := references(root)
	if len(refs) < 20 {
		t.Fatalf("only %d references found", len(refs))
	}
	for _, name := range refs {
		_, parameter := tpl.Parameters[name]
		_, resource := tpl.Resources[name]
		// SAM makes a resource FunctionUrl for each function with a URL.
		made := name == "QueryUrl"
		if !parameter && !resource && !made && !strings.HasPrefix(name, "AWS::") {
			t.Errorf("%s is neither parameter nor resource", name)
		}
	}
	for name := range tpl.Parameters {
		if !slices.Contains(refs, name) {
			t.Errorf("parameter %s is not used", name)
		}
	}
}

func TestEnvironmentIsTheBinarys(t *testing.T) {
	known := []string{"LETHE_FUNCTION", "LETHE_STREAM"}
	for _, s := range config.New().Settings() {
		known = append(known, s.Env())
	}
	tpl, _ := load(t)
	functions := map[string]bool{}
	check := func(where string, p properties) {
		for name := range p.Environment.Variables {
			if !slices.Contains(known, name) {
				t.Errorf("%s: the binary knows no %s", where, name)
			}
		}
	}
	check("Globals", tpl.Globals.Function)
	for name, r := range tpl.Resources {
		if r.Type != "AWS::Serverless::Function" {
			continue
		}
		check(name, r.Properties)
		stream := r.Properties.Environment.Variables["LETHE_STREAM"]
		if (r.Properties.FunctionURL.InvokeMode == "RESPONSE_STREAM") != (stream.Value == "true") {
			t.Errorf("%s: the platform and the binary must agree whether answers stream", name)
		}
		fn := r.Properties.Environment.Variables["LETHE_FUNCTION"]
		functions[fn.Value] = true
	}
	for _, want := range []string{"query", "compact", "alert"} {
		if !functions[want] {
			t.Errorf("no function %s", want)
		}
	}
	g := tpl.Globals.Function
	if g.Runtime != "provided.al2023" || g.Handler != "bootstrap" || !slices.Equal(g.Architectures, []string{"arm64"}) {
		t.Errorf("functions run %s %s on %v", g.Runtime, g.Handler, g.Architectures)
	}
}

// TestRolesHaveTheLeast compares every action and resource with what each part needs; a new one has to be added here, with a reason.
func TestRolesHaveTheLeast(t *testing.T) {
	read := []string{"s3:ListBucket Bucket.Arn", "s3:GetObject ${Bucket.Arn}/*"}
	letter := "sqs:SendMessage DeadLetters.Arn"
	want := map[string][]string{
		"AgentPolicy": {"s3:PutObject ${Bucket.Arn}/raw/*"},
		"Query":       read,
		"Alert":       append(slices.Clone(read), "s3:PutObject ${Bucket.Arn}/alert/*", letter),
		"Compact": append(slices.Clone(read),
			"s3:PutObject ${Bucket.Arn}/pod/*", "s3:PutObject ${Bucket.Arn}/node/*", "s3:PutObject ${Bucket.Arn}/quarantine/*", "s3:PutObject ${Bucket.Arn}/state/*",
			"s3:DeleteObject ${Bucket.Arn}/raw/*", "s3:DeleteObject ${Bucket.Arn}/pod/*", "s3:DeleteObject ${Bucket.Arn}/node/*", "s3:DeleteObject ${Bucket.Arn}/state/*",
			letter),
	}
	tpl, _ := load(t)
	for name, allowed := range want {
		var got []string
		statements := tpl.Resources[name].Properties.PolicyDocument.Statement
		for _, p := range tpl.Resources[name].Properties.Policies {
			statements = append(statements, p.Statement...)
		}
		for _, s := range statements {
			for _, action := range s.Action.Content {
				for _, r := range s.Resource {
					got = append(got, action.Value+" "+r.Value)
				}
			}
		}
		slices.Sort(got)
		slices.Sort(allowed)
		if !slices.Equal(got, allowed) {
			t.Errorf("%s may\n%s\nwant\n%s", name, strings.Join(got, "\n"), strings.Join(allowed, "\n"))
		}
	}
	for name, r := range tpl.Resources {
		if r.Type == "AWS::Serverless::Function" && want[name] == nil {
			t.Errorf("function %s is not checked", name)
		}
	}
}
