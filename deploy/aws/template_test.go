// Package aws_test reads the Lambda template as CloudFormation and the binary would.
package aws_test

import (
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"

	"lethe/internal/config"
)

type template struct {
	Parameters map[string]yaml.Node `yaml:"Parameters"`
	Conditions map[string]yaml.Node `yaml:"Conditions"`
	Resources  map[string]resource  `yaml:"Resources"`
	Globals    struct {
		Function properties `yaml:"Function"`
	} `yaml:"Globals"`
	Outputs map[string]yaml.Node `yaml:"Outputs"`
}

type resource struct {
	Type       string     `yaml:"Type"`
	Condition  string     `yaml:"Condition"`
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
	Role     yaml.Node `yaml:"Role"`
	Roles    []string  `yaml:"Roles"`
	Policies []struct {
		PolicyDocument struct {
			Statement []statement `yaml:"Statement"`
		} `yaml:"PolicyDocument"`
	} `yaml:"Policies"`
	Reserved   yaml.Node `yaml:"ReservedConcurrentExecutions"`
	DeadLetter yaml.Node `yaml:"DeadLetterQueue"`
	Logging    struct {
		LogGroup yaml.Node `yaml:"LogGroup"`
	} `yaml:"LoggingConfig"`
	Retention  int             `yaml:"RetentionInDays"`
	Access     map[string]bool `yaml:"PublicAccessBlockConfiguration"`
	Encryption yaml.Node       `yaml:"BucketEncryption"`
	Lifecycle  struct {
		Rules []struct {
			Prefix     string    `yaml:"Prefix"`
			Expiration yaml.Node `yaml:"ExpirationInDays"`
		} `yaml:"Rules"`
	} `yaml:"LifecycleConfiguration"`
	Action         string `yaml:"Action"`
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
	// These are of the command line, not of the configuration.
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
	logs := func(name string) []string {
		return []string{"logs:CreateLogStream " + name + "Logs.Arn", "logs:PutLogEvents " + name + "Logs.Arn"}
	}
	want := map[string][]string{
		"AgentPolicy": {"s3:PutObject ${Bucket.Arn}/raw/*"},
		"QueryRole":   append(slices.Clone(read), logs("Query")...),
		"AlertRole":   append(slices.Concat(read, logs("Alert")), "s3:PutObject ${Bucket.Arn}/alert/*", letter),
		"CompactRole": append(slices.Concat(read, logs("Compact")),
			"s3:PutObject ${Bucket.Arn}/pod/*", "s3:PutObject ${Bucket.Arn}/node/*", "s3:PutObject ${Bucket.Arn}/quarantine/*", "s3:PutObject ${Bucket.Arn}/state/*",
			"s3:DeleteObject ${Bucket.Arn}/raw/*", "s3:DeleteObject ${Bucket.Arn}/pod/*", "s3:DeleteObject ${Bucket.Arn}/node/*", "s3:DeleteObject ${Bucket.Arn}/state/*",
			letter),
		"QueryInvokesItself": {"lambda:InvokeFunction Query.Arn"},
	}
	tpl, _ := load(t)
	for name, allowed := range want {
		got := granted(tpl.Resources[name].Properties)
		slices.Sort(got)
		slices.Sort(allowed)
		if !slices.Equal(got, allowed) {
			t.Errorf("%s may\n%s\nwant\n%s", name, strings.Join(got, "\n"), strings.Join(allowed, "\n"))
		}
	}
	for name, r := range tpl.Resources {
		switch r.Type {
		case "AWS::Serverless::Function":
			if r.Properties.Role.Value != name+"Role.Arn" || len(r.Properties.Policies) > 0 {
				t.Errorf("function %s runs as %q: a role that SAM makes has more", name, r.Properties.Role.Value)
			}
		case "AWS::IAM::Role", "AWS::IAM::ManagedPolicy", "AWS::IAM::Policy":
			if want[name] == nil {
				t.Errorf("%s is not checked", name)
			}
		}
	}
}

func granted(p properties) (out []string) {
	statements := p.PolicyDocument.Statement
	for _, policy := range p.Policies {
		statements = append(statements, policy.PolicyDocument.Statement...)
	}
	for _, s := range statements {
		for _, action := range s.Action.Content {
			for _, r := range s.Resource {
				out = append(out, action.Value+" "+r.Value)
			}
		}
	}
	return out
}

// TestQueryIsWhatItsURLExpects: a URL that streams and a function that answers in one piece show the platform's envelope to the client, and
// a configuration under another name than the function reads leaves the door open.
func TestQueryIsWhatItsURLExpects(t *testing.T) {
	tpl, _ := load(t)
	q := tpl.Resources["Query"].Properties
	stream, config := q.Environment.Variables["LETHE_STREAM"], q.Environment.Variables["LETHE_WEB_CONFIG_BASE64"]
	if q.FunctionURL.InvokeMode != "RESPONSE_STREAM" || stream.Value != "true" {
		t.Errorf("the URL is %s and LETHE_STREAM %q", q.FunctionURL.InvokeMode, stream.Value)
	}
	if config.Tag != "!Ref" || config.Value != "WebConfig" {
		t.Errorf("LETHE_WEB_CONFIG_BASE64 is %s %s, want what users are asked for", config.Tag, config.Value)
	}
	var actions []string
	for name, r := range tpl.Resources {
		if r.Type == "AWS::Lambda::Permission" {
			actions = append(actions, r.Properties.Action)
			if r.Condition != "Open" {
				t.Errorf("%s opens the function in every case", name)
			}
		}
	}
	slices.Sort(actions)
	if !slices.Equal(actions, []string{"lambda:InvokeFunction", "lambda:InvokeFunctionUrl"}) {
		t.Errorf("an open URL may %v", actions)
	}
}

// TestQueryInvokesItselfWhereItIsTold: without the parameter it may not.
func TestQueryInvokesItselfWhereItIsTold(t *testing.T) {
	tpl, _ := load(t)
	policy, q := tpl.Resources["QueryInvokesItself"], tpl.Resources["Query"].Properties
	if policy.Condition != "Spread" || tpl.Conditions["Spread"].Tag != "!Not" || !slices.Equal(policy.Properties.Roles, []string{"QueryRole"}) {
		t.Errorf("%v may always invoke", policy.Properties.Roles)
	}
	if names := references(&yaml.Node{Content: []*yaml.Node{ptr(tpl.Conditions["Spread"]), ptr(q.Environment.Variables["LETHE_QUERY_FANOUT"])}}); !slices.Equal(names, []string{"QueryFanout", "QueryFanout"}) {
		t.Errorf("the right and the setting depend on %v", names)
	}
}

func ptr(n yaml.Node) *yaml.Node { return &n }

// TestBucketAndFunctionsAreKept looks at what is easily left out.
func TestBucketAndFunctionsAreKept(t *testing.T) {
	tpl, _ := load(t)
	b := tpl.Resources["Bucket"].Properties
	if a := b.Access; !a["BlockPublicAcls"] || !a["BlockPublicPolicy"] || !a["IgnorePublicAcls"] || !a["RestrictPublicBuckets"] || b.Encryption.IsZero() {
		t.Error("the bucket is open, or not encrypted")
	}
	backed := 0
	for _, r := range b.Lifecycle.Rules {
		if r.Expiration.IsZero() {
			continue
		}
		backed++
		if r.Expiration.Value != "BackstopDays" || (r.Prefix != "raw/" && r.Prefix != "quarantine/") {
			t.Errorf("the rule of %q expires live objects, or at a fixed age", r.Prefix)
		}
	}
	var days struct {
		Default int `yaml:"Default"`
	}
	var retention struct {
		Default string `yaml:"Default"`
	}
	backstop, kept := tpl.Parameters["BackstopDays"], tpl.Parameters["RetentionTime"]
	if err := errors.Join(backstop.Decode(&days), kept.Decode(&retention)); err != nil {
		t.Fatal(err)
	}
	keep, err := model.ParseDuration(retention.Default)
	if err != nil || backed != 2 || time.Duration(days.Default)*24*time.Hour <= time.Duration(keep) {
		t.Errorf("%v: %d rules expire after %d days, the retention is %s", err, backed, days.Default, retention.Default)
	}
	for name, r := range tpl.Resources {
		p := r.Properties
		if r.Type == "AWS::Logs::LogGroup" && p.Retention == 0 {
			t.Errorf("%s is kept for ever", name)
		}
		if r.Type != "AWS::Serverless::Function" {
			continue
		}
		if p.Logging.LogGroup.Value != name+"Logs" {
			t.Errorf("%s logs to %q", name, p.Logging.LogGroup.Value)
		}
		if scheduled := name != "Query"; scheduled && (p.Reserved.Value != "1" || p.DeadLetter.IsZero()) {
			t.Errorf("%s runs %q at once, without a dead-letter queue or with one", name, p.Reserved.Value)
		}
	}
}

// TestParametersAllowWhatTheBinaryTakes: what a function could not start with is refused before there is one.
func TestParametersAllowWhatTheBinaryTakes(t *testing.T) {
	tpl, _ := load(t)
	for name, set := range map[string]func(string) error{
		"RetentionTime": func(s string) error { return new(config.Duration).Set(s) },
		"RetentionSize": func(s string) error { return new(config.Size).Set(s) },
	} {
		var p struct {
			AllowedPattern string `yaml:"AllowedPattern"`
		}
		node := tpl.Parameters[name]
		if err := node.Decode(&p); err != nil {
			t.Fatal(err)
		}
		pattern, allowed := regexp.MustCompile(p.AllowedPattern), 0
		for _, s := range []string{"", "0", "17", "500GB", "1.5Ti", "2TB", "1kB", "500bananas", "500 GB x", "i", "1iB", "15d", "1y", "36h", "2w", "d", "-1d", "15D", "soon"} {
			if !pattern.MatchString(s) {
				continue
			}
			allowed++
			if err := set(s); err != nil {
				t.Errorf("%s may be %q: %v", name, s, err)
			}
		}
		if allowed < 4 {
			t.Errorf("%s may be only %d of what was tried", name, allowed)
		}
	}
}
