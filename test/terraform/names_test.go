package terraform

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// counterparts names the resources of the module that together are one of the template. What roles may is compared by TestRolesMayTheSame.
var counterparts = map[string][]string{
	"Bucket": {
		"aws_s3_bucket.logs", "aws_s3_bucket_server_side_encryption_configuration.logs", "aws_s3_bucket_public_access_block.logs",
		"aws_s3_bucket_ownership_controls.logs", "aws_s3_bucket_lifecycle_configuration.logs",
	},
	"DeadLetters":     {"aws_sqs_queue.dead_letters"},
	"QueryLogs":       {"aws_cloudwatch_log_group.query"},
	"CompactLogs":     {"aws_cloudwatch_log_group.compact"},
	"AlertLogs":       {"aws_cloudwatch_log_group.alert"},
	"Query":           {"aws_lambda_function.query", "aws_lambda_function_url.query"},
	"Compact":         {"aws_lambda_function.compact", "aws_lambda_function_event_invoke_config.compact", "aws_scheduler_schedule.compact"},
	"Alert":           {"aws_lambda_function.alert", "aws_lambda_function_event_invoke_config.alert", "aws_scheduler_schedule.alert"},
	"QueryOpenUrl":    {"aws_lambda_permission.query_open_url"},
	"QueryOpenInvoke": {"aws_lambda_permission.query_open_invoke"},
}

// granting is the same for what gives permissions: the resource and the one that holds its policy.
var granting = map[string][]string{
	"BucketPolicy":       {"aws_s3_bucket_policy.logs"},
	"AgentPolicy":        {"aws_iam_policy.agents"},
	"QueryRole":          {"aws_iam_role.query", "aws_iam_role_policy.query"},
	"QueryInvokesItself": {"aws_iam_role_policy.query_invokes_itself"},
	"CompactRole":        {"aws_iam_role.compact", "aws_iam_role_policy.compact"},
	"AlertRole":          {"aws_iam_role.alert", "aws_iam_role_policy.alert"},
	// SAM makes it.
	"": {"aws_iam_role.schedule", "aws_iam_role_policy.schedule"},
}

// holders are the roles of policies that are resources of their own on both sides.
var holders = map[string]string{"QueryInvokesItself": "aws_iam_role.query"}

// values names what the module refers to as the template does.
var values = map[string]string{
	"var.name":                                   "AWS::StackName",
	"data.aws_region.current.region":             "AWS::Region",
	"aws_s3_bucket.logs.id":                      "Bucket",
	"aws_s3_bucket.logs.arn":                     "Bucket.Arn",
	"aws_sqs_queue.dead_letters.arn":             "DeadLetters.Arn",
	"aws_sqs_queue.dead_letters.name":            "DeadLetters.QueueName",
	"aws_iam_policy.agents.arn":                  "AgentPolicy",
	"aws_lambda_function_url.query.function_url": "QueryUrl.FunctionUrl",
}

var placeholder = regexp.MustCompile(`\$\{([^}]+)\}`)

// translate writes a text of the module as the template would.
func translate(text string) string {
	// CloudFormation's ARN of a log group ends with its streams.
	text = regexp.MustCompile(`(\$\{aws_cloudwatch_log_group\.\w+)\.arn\}:\*`).ReplaceAllString(text, "$1.streams}")
	return placeholder.ReplaceAllStringFunc(text, func(s string) string {
		name := placeholder.FindStringSubmatch(s)[1]
		if known, ok := values[name]; ok {
			return "${" + known + "}"
		}
		if v, ok := strings.CutPrefix(name, "var."); ok {
			return "${" + camel(v) + "}"
		}
		parts := strings.Split(name, ".")
		if len(parts) != 3 {
			return s
		}
		ends := map[string]string{
			"aws_cloudwatch_log_group name": "Logs", "aws_cloudwatch_log_group streams": "Logs.Arn", "aws_iam_role arn": "Role.Arn",
			"aws_lambda_function function_name": "", "aws_lambda_function arn": ".Arn",
		}
		end, ok := ends[parts[0]+" "+parts[2]]
		if !ok {
			return s
		}
		return "${" + camel(parts[1]) + end + "}"
	})
}

// camel writes retention_time as RetentionTime.
func camel(snake string) string {
	var out strings.Builder
	for part := range strings.SplitSeq(snake, "_") {
		out.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	return out.String()
}

// TestNothingIsLeftOut: each resource of either side has a counterpart, and all that is made is compared.
func TestNothingIsLeftOut(t *testing.T) {
	m, p := readModule(t), readTemplate(t)
	var ours, theirs []string
	for _, table := range []map[string][]string{counterparts, granting} {
		for name, addresses := range table {
			if name != "" {
				theirs = append(theirs, name)
			}
			ours = append(ours, addresses...)
		}
	}
	slices.Sort(ours)
	slices.Sort(theirs)
	if got := m.resources(); !slices.Equal(got, ours) {
		t.Errorf("the module has\n%s\nand compared is\n%s", strings.Join(got, "\n"), strings.Join(ours, "\n"))
	}
	if got := p.names("Resources"); !slices.Equal(got, theirs) {
		t.Errorf("the template has\n%s\nand compared is\n%s", strings.Join(got, "\n"), strings.Join(theirs, "\n"))
	}
}

// same compares by path what the template wants and what the module has.
func same(t *testing.T, what string, want, got map[string]string) {
	t.Helper()
	paths := slices.Collect(maps.Keys(want))
	for path := range got {
		if _, ok := want[path]; !ok {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	for _, path := range paths {
		w, wanted := want[path]
		g, there := got[path]
		switch {
		case !there:
			t.Errorf("%s: the module lacks %s, in the template %q", what, path, w)
		case !wanted:
			t.Errorf("%s: the template lacks %s, in the module %q", what, path, g)
		case w != g:
			t.Errorf("%s: %s is %q in the template and %q in the module", what, path, w, g)
		}
	}
}
