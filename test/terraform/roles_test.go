package terraform

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// rights are what a policy says: "Allow s3:GetObject on ${Bucket.Arn}/* sid=Read". Who, and on what condition, comes behind where the policy says so.
type rights map[string]string

func (r rights) add(effect string, actions, resources []string, rest string) {
	for _, action := range actions {
		for _, on := range resources {
			r[strings.TrimSpace(effect+" "+action+" on "+on+" "+rest)] = "said"
		}
	}
}

// document reads the statements of a policy document of the module.
func (m *module) document(reference string) rights {
	m.t.Helper()
	address, ok := strings.CutSuffix(strings.Trim(reference, "${}"), ".json")
	if body := m.blocks[address]; !ok || body == nil || len(body.Attributes) > 0 {
		m.t.Fatalf("%s is no policy document that could be read", reference)
	}
	out, scope := rights{}, m.scope(nil)
	for _, b := range m.blocks[address].Blocks {
		if b.Type != "statement" {
			m.t.Fatalf("%s: cannot read %s", address, b.Type)
		}
		flat := map[string]string{}
		m.flatBody(flat, "", b.Body, scope)
		effect, rest := "Allow", ""
		var actions, resources []string
		for _, path := range slices.Sorted(maps.Keys(flat)) {
			value := translate(flat[path])
			switch index.ReplaceAllString(path, "") {
			case "effect":
				effect = value
			case "actions":
				actions = append(actions, value)
			case "resources":
				resources = append(resources, value)
			case "principals.type", "principals.identifiers", "condition.test", "condition.variable", "condition.values", "sid":
				rest += path + "=" + value + " "
			default:
				m.t.Fatalf("%s: cannot read %s", address, path)
			}
		}
		if resources == nil {
			resources = []string{"itself"}
		}
		out.add(effect, actions, resources, rest)
	}
	if len(out) == 0 {
		m.t.Fatalf("%s says nothing", address)
	}
	return out
}

// statements reads the statements of a policy document of the template, and writes who and on what condition as the module does.
func (p *template) statements(out rights, document *yaml.Node) {
	p.t.Helper()
	for _, s := range elements(members(document)["Statement"]) {
		said := members(s)
		list := func(n *yaml.Node) (texts []string) {
			for _, e := range elements(n) {
				texts = append(texts, p.text(e))
			}
			return texts
		}
		rest := ""
		for test, about := range members(said["Condition"]) {
			for variable, value := range members(about) {
				rest += "condition.test=" + test + " condition.values=" + p.text(value) + " condition.variable=" + variable + " "
			}
		}
		if who := said["Principal"]; who != nil && who.Kind == yaml.ScalarNode {
			rest += "principals.identifiers=" + who.Value + " principals.type=* "
		}
		for kind, who := range members(said["Principal"]) {
			rest += "principals.identifiers=" + p.text(who) + " principals.type=" + kind + " "
		}
		if said["Sid"] != nil {
			rest += "sid=" + p.text(said["Sid"])
		}
		resources := []string{"itself"}
		if said["Resource"] != nil {
			resources = list(said["Resource"])
		}
		for key := range said {
			if !slices.Contains([]string{"Sid", "Effect", "Action", "Resource", "Principal", "Condition"}, key) {
				p.t.Fatalf("template.yaml:%d: cannot read %s", s.Line, key)
			}
		}
		out.add(p.text(said["Effect"]), list(said["Action"]), resources, rest)
	}
}

// TestRolesMayTheSame: each role and policy allows the same actions on the same resources, to the same service, and none has a policy beside.
func TestRolesMayTheSame(t *testing.T) {
	m, p := readModule(t), readTemplate(t)
	scope := m.scope(nil)
	for name, addresses := range granting {
		if name == "" {
			continue
		}
		want, got := rights{}, rights{}
		properties := p.at("Resources", name, "Properties")
		p.statements(want, members(properties)["PolicyDocument"])
		p.statements(want, members(properties)["AssumeRolePolicyDocument"])
		if policies := members(properties)["Policies"]; policies != nil {
			for _, policy := range policies.Content {
				p.statements(want, members(policy)["PolicyDocument"])
			}
		}
		for _, address := range addresses {
			m.grants(t, got, address, cmp.Or(holders[name], addresses[0]), m.flat(address, scope))
		}
		if len(want) == 0 {
			t.Errorf("%s of the template says nothing", name)
		}
		same(t, name, want, got)
	}
}

// grants adds what one resource gives to what its role or policy gives.
func (m *module) grants(t *testing.T, out rights, address, role string, flat map[string]string) {
	t.Helper()
	kind, _, _ := strings.Cut(address, ".")
	of := map[string]string{"aws_iam_role_policy": "${" + role + ".id}", "aws_s3_bucket_policy": "${aws_s3_bucket.logs.id}"}[kind]
	if flat["role"]+flat["bucket"] != of {
		t.Errorf("%s is of %q, want %q", address, flat["role"]+flat["bucket"], of)
	}
	for path, value := range flat {
		switch path {
		case "policy", "assume_role_policy":
			maps.Copy(out, m.document(value))
		case "role", "bucket", "name", "name_prefix", "description":
		case "count": // TestQueryInvokesItselfWhereItIsTold looks at it
		default:
			t.Errorf("%s: nobody has looked at %s = %q", address, path, value)
		}
	}
}

// TestSchedulerMayStartWhatIsScheduled: SAM makes this role itself, from the template's events.
func TestSchedulerMayStartWhatIsScheduled(t *testing.T) {
	m, p := readModule(t), readTemplate(t)
	want, got := rights{}, rights{}
	want.add("Allow", []string{"sts:AssumeRole"}, []string{"itself"}, "principals.identifiers=scheduler.amazonaws.com principals.type=Service")
	for _, name := range p.ofType("AWS::Serverless::Function") {
		if p.at("Resources", name, "Properties", "Events") != nil {
			want.add("Allow", []string{"lambda:InvokeFunction"}, []string{"${" + name + ".Arn}"}, "sid=Start")
		}
	}
	for _, address := range granting[""] {
		m.grants(t, got, address, "aws_iam_role.schedule", m.flat(address, m.scope(nil)))
	}
	same(t, "schedule", want, got)
}
