package terraform

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

const (
	// The path names the counterpart itself: its !Ref, or its ARN.
	itself    = "!Ref"
	itselfArn = "!GetAtt Arn"
	// There is no such thing in the template; it is looked at elsewhere, or only a name.
	elsewhere = ""
)

// paths says where the template has what the module has at a path. An index stands as [].
var paths = map[string]map[string]string{
	"aws_s3_bucket": {"bucket_prefix": elsewhere, "lifecycle.prevent_destroy": "Retain"},
	"aws_s3_bucket_server_side_encryption_configuration": {
		"bucket": itself,
		"rule.apply_server_side_encryption_by_default.sse_algorithm": "BucketEncryption.ServerSideEncryptionConfiguration.ServerSideEncryptionByDefault.SSEAlgorithm",
	},
	"aws_s3_bucket_public_access_block": {
		"bucket":                  itself,
		"block_public_acls":       "PublicAccessBlockConfiguration.BlockPublicAcls",
		"block_public_policy":     "PublicAccessBlockConfiguration.BlockPublicPolicy",
		"ignore_public_acls":      "PublicAccessBlockConfiguration.IgnorePublicAcls",
		"restrict_public_buckets": "PublicAccessBlockConfiguration.RestrictPublicBuckets",
	},
	"aws_s3_bucket_ownership_controls": {"bucket": itself, "rule.object_ownership": "OwnershipControls.Rules.ObjectOwnership"},
	"aws_s3_bucket_lifecycle_configuration": {
		"bucket":    itself,
		"rule[].id": "LifecycleConfiguration.Rules[].Id", "rule[].status": "LifecycleConfiguration.Rules[].Status",
		"rule[].filter.prefix":   "LifecycleConfiguration.Rules[].Prefix",
		"rule[].expiration.days": "LifecycleConfiguration.Rules[].ExpirationInDays",
		"rule[].abort_incomplete_multipart_upload.days_after_initiation": "LifecycleConfiguration.Rules[].AbortIncompleteMultipartUpload.DaysAfterInitiation",
	},
	"aws_sqs_queue": {
		"name_prefix": elsewhere, "sqs_managed_sse_enabled": "SqsManagedSseEnabled", "message_retention_seconds": "MessageRetentionPeriod",
	},
	"aws_cloudwatch_log_group": {"name": "LogGroupName", "retention_in_days": "RetentionInDays"},
	"aws_lambda_function": {
		"function_name": "FunctionName", "role": "Role", "runtime": "Runtime", "architectures": "Architectures", "handler": "Handler",
		"memory_size": "MemorySize", "timeout": "Timeout", "ephemeral_storage.size": "EphemeralStorage.Size",
		"reserved_concurrent_executions": "ReservedConcurrentExecutions", "dead_letter_config.target_arn": "DeadLetterQueue.TargetArn",
		"logging_config.log_group": "LoggingConfig.LogGroup", "logging_config.log_format": elsewhere,
		"filename": elsewhere, "source_code_hash": elsewhere,
	},
	"aws_lambda_function_url": {
		"function_name": itself, "authorization_type": "FunctionUrlConfig.AuthType", "invoke_mode": "FunctionUrlConfig.InvokeMode",
		"lifecycle.precondition.condition": elsewhere, "lifecycle.precondition.error_message": elsewhere,
	},
	"aws_lambda_function_event_invoke_config": {
		"function_name": itself, "maximum_retry_attempts": "EventInvokeConfig.MaximumRetryAttempts",
		"maximum_event_age_in_seconds": "EventInvokeConfig.MaximumEventAgeInSeconds",
	},
	"aws_scheduler_schedule": {
		"name": elsewhere, "schedule_expression": "Events.Every.Properties.ScheduleExpression", "flexible_time_window.mode": elsewhere,
		"target.arn": itselfArn, "target.role_arn": elsewhere,
	},
	"aws_lambda_permission": {
		"count": elsewhere, "function_name": "FunctionName", "action": "Action", "principal": "Principal",
		"function_url_auth_type": "FunctionUrlAuthType", "invoked_via_function_url": "InvokedViaFunctionUrl",
	},
}

// implied is what the template says, and the module by its kind of resource.
var implied = map[string]string{"CodeUri": "../../dist/lambda/", "DeadLetterQueue.Type": "SQS", "Events.Every.Type": "ScheduleV2"}

var index = regexp.MustCompile(`\[\d+\]`)

// pathOf says where the template has a path of the module.
func pathOf(kind, path string) (string, bool) {
	if name, ok := strings.CutPrefix(path, "environment.variables."); ok && kind == "aws_lambda_function" {
		return "Environment.Variables." + name, true
	}
	there, ok := paths[kind][index.ReplaceAllString(path, "[]")]
	return strings.Replace(there, "[]", index.FindString(path), 1), ok
}

// TestResourcesAreTheSame compares every property of the bucket, the queue, the logs, the functions with their variables, URL and schedules, and the
// permissions of the URL.
func TestResourcesAreTheSame(t *testing.T) {
	m, p := readModule(t), readTemplate(t)
	scope := m.scope(nil)
	for name, addresses := range counterparts {
		want, got := p.resource(name), map[string]string{}
		for _, address := range addresses {
			kind, _, _ := strings.Cut(address, ".")
			flat := m.flat(address, scope)
			for path, there := range paths[kind] {
				if is := map[string]string{itself: "${" + name + "}", itselfArn: "${" + name + ".Arn}"}[there]; is != "" && translate(flat[path]) != is {
					t.Errorf("%s: %s is %q, want %s", address, path, translate(flat[path]), is)
				}
			}
			for path, value := range flat {
				there, known := pathOf(kind, path)
				if !known {
					t.Errorf("%s: nobody has looked at %s = %q", address, path, value)
				}
				if there != itself && there != itselfArn && there != elsewhere {
					got[there] = translate(value)
				}
			}
		}
		for path, value := range implied {
			if want[path] == value {
				delete(want, path)
			}
		}
		same(t, name, want, got)
	}
}

// TestFunctionsAreTheSameBinary: each runs the archive of what make lambda builds, and the right function of it.
func TestFunctionsAreTheSameBinary(t *testing.T) {
	m, p := readModule(t), readTemplate(t)
	scope := m.scope(map[string]cty.Value{"package_dir": cty.NullVal(cty.String)})
	archive := m.flat("data.archive_file.lambda", scope)
	ours := filepath.Join("deploy/aws/terraform", strings.TrimPrefix(archive["source_dir"], "${path.module}/"))
	if theirs := filepath.Join("deploy/aws", p.text(p.at("Globals", "Function", "CodeUri"))); ours != theirs || ours != "dist/lambda" {
		t.Errorf("the module packs %s, SAM %s", ours, theirs)
	}
	if archive["type"] != "zip" || archive["output_file_mode"] != "0755" {
		t.Errorf("the archive is a %s of mode %s: Lambda executes its bootstrap", archive["type"], archive["output_file_mode"])
	}
	functions := m.below("aws_lambda_function.")
	if len(functions) != len(p.ofType("AWS::Serverless::Function")) || len(functions) != 3 {
		t.Errorf("%d functions", len(functions))
	}
	for name := range functions {
		f := m.flat("aws_lambda_function."+name, scope)
		if f["filename"] != "${data.archive_file.lambda.output_path}" || f["source_code_hash"] != "${data.archive_file.lambda.output_base64sha256}" {
			t.Errorf("%s runs %s, and is replaced with %s", name, f["filename"], f["source_code_hash"])
		}
		if got := f["environment.variables.LETHE_FUNCTION"]; got != name {
			t.Errorf("%s is the function %s", name, got)
		}
		// The provider wants one; this is what Lambda takes where SAM says nothing.
		if got := f["logging_config.log_format"]; got != "Text" {
			t.Errorf("%s logs as %q", name, got)
		}
	}
}

// TestScheduleIsExact: SAM's schedules have no window in which they may be late, and start a function by a role of the scheduler's.
func TestScheduleIsExact(t *testing.T) {
	m := readModule(t)
	schedules := m.below("aws_scheduler_schedule.")
	for name := range schedules {
		s := m.flat("aws_scheduler_schedule."+name, m.scope(nil))
		if s["flexible_time_window.mode"] != "OFF" || s["target.role_arn"] != "${aws_iam_role.schedule.arn}" {
			t.Errorf("%s: the window is %s, the role %s", name, s["flexible_time_window.mode"], s["target.role_arn"])
		}
	}
	if len(schedules) != 2 {
		t.Errorf("%d schedules", len(schedules))
	}
}

// TestNamesAreOfTheInstallation: two installations with two names do not meet, and every rule of the bucket says what it is for.
func TestNamesAreOfTheInstallation(t *testing.T) {
	m := readModule(t)
	scope := m.scope(nil)
	for _, address := range m.resources() {
		flat := m.flat(address, scope)
		for _, path := range []string{"name", "name_prefix", "bucket_prefix"} {
			name, named := flat[path]
			inRole := strings.HasPrefix(address, "aws_iam_role_policy.") && name != ""
			if named && !inRole && !strings.HasPrefix(strings.TrimPrefix(name, "/aws/lambda/"), "${var.name}-") {
				t.Errorf("%s is named %s", address, name)
			}
		}
	}
	for _, rule := range m.blocks["aws_s3_bucket_lifecycle_configuration.logs"].Blocks {
		filters := 0
		for _, b := range rule.Body.Blocks {
			if b.Type == "filter" {
				filters++
			}
		}
		if filters != 1 {
			t.Errorf("%s: the rule has %d filters; one that is empty is for all objects", rule.DefRange(), filters)
		}
	}
}

// TestOnlyAnOpenURLIsOpen: the permissions for everybody are there where IAM is not asked, and then only with users.
func TestOnlyAnOpenURLIsOpen(t *testing.T) {
	m, p := readModule(t), readTemplate(t)
	// !Not [!Equals [!Ref WebConfig, ""]], where QueryAuth is NONE.
	assertions := elements(p.at("Rules", "NoOpenDoor", "Assertions"))
	if open := p.at("Conditions", "Open"); len(assertions) != 1 || open == nil || p.text(open.Content[0]) != "${QueryAuth}" || open.Content[1].Value != "NONE" {
		t.Fatal("the template does not know when its URL is open, or lets it be open to all")
	}
	for _, assertion := range assertions {
		equal := members(assertion)["Assert"].Content[0].Content
		when := p.at("Rules", "NoOpenDoor", "RuleCondition").Content
		if p.text(equal[0]) != "${WebConfig}" || equal[1].Value != "" || p.text(when[0]) != "${QueryAuth}" || when[1].Value != "NONE" {
			t.Errorf("the template asks for another thing of %s than the module", p.text(equal[0]))
		}
	}
	permissions := m.below("aws_lambda_permission.")
	if len(permissions) != len(p.ofType("AWS::Lambda::Permission")) || len(permissions) != 2 {
		t.Errorf("%d permissions", len(permissions))
	}
	for _, c := range []struct{ auth, config, count, may string }{
		{"AWS_IAM", "", "0", "true"}, {"AWS_IAM", "eA==", "0", "true"}, {"NONE", "", "1", "false"}, {"NONE", "eA==", "1", "true"},
	} {
		scope := m.scope(map[string]cty.Value{"query_auth": cty.StringVal(c.auth), "web_config": cty.StringVal(c.config)})
		for name := range permissions {
			if got := m.flat("aws_lambda_permission."+name, scope)["count"]; got != c.count {
				t.Errorf("with %s there are %s of %s", c.auth, got, name)
			}
			if condition := p.text(p.at("Resources", camel(name), "Condition")); condition != "Open" {
				t.Errorf("%s is there in the template on condition %q", name, condition)
			}
		}
		url := m.flat("aws_lambda_function_url.query", scope)
		if url["lifecycle.precondition.condition"] != c.may || url["lifecycle.precondition.error_message"] == "" {
			t.Errorf("%s with web config %q: allowed is %s, else %q", c.auth, c.config, url["lifecycle.precondition.condition"], url["lifecycle.precondition.error_message"])
		}
	}
}

// TestQueriesAreBounded: 0 reserves nothing on either side.
func TestQueriesAreBounded(t *testing.T) {
	m, p := readModule(t), readTemplate(t)
	reserved := p.at("Resources", "Query", "Properties", "ReservedConcurrentExecutions")
	bounded := p.at("Conditions", "Bounded")
	if reserved.Content[0].Value != "Bounded" || bounded.Tag != "!Not" {
		t.Fatal("the template bounds queries on another condition than the module")
	}
	if equal := bounded.Content[0]; equal.Tag != "!Equals" || p.text(equal.Content[0]) != "${QueryConcurrency}" || equal.Content[1].Value != "0" {
		t.Error("the template bounds queries on another condition than the module")
	}
	for concurrency, want := range map[int64]string{0: "-1", 1: "1", 20: "20"} {
		scope := m.scope(map[string]cty.Value{"query_concurrency": cty.NumberIntVal(concurrency)})
		if got := m.flat("aws_lambda_function.query", scope)["reserved_concurrent_executions"]; got != want {
			t.Errorf("with %d the module reserves %s, want %s", concurrency, got, want)
		}
	}
}

// TestQueryInvokesItselfWhereItIsTold: 0 gives no right on either side.
func TestQueryInvokesItselfWhereItIsTold(t *testing.T) {
	m, p := readModule(t), readTemplate(t)
	spread := p.at("Conditions", "Spread")
	if p.text(p.at("Resources", "QueryInvokesItself", "Condition")) != "Spread" || p.text(elements(p.at("Resources", "QueryInvokesItself", "Properties", "Roles"))[0]) != "${QueryRole}" || spread.Tag != "!Not" {
		t.Fatal("the template gives the right to another role, or on another condition than the module")
	}
	if equal := spread.Content[0]; equal.Tag != "!Equals" || p.text(equal.Content[0]) != "${QueryFanout}" || equal.Content[1].Value != "0" {
		t.Error("the template gives the right on another condition than the module")
	}
	for pieces, want := range map[int64]string{0: "0", 1: "1", 20: "1"} {
		scope := m.scope(map[string]cty.Value{"query_fanout": cty.NumberIntVal(pieces)})
		if got := m.flat("aws_iam_role_policy.query_invokes_itself", scope)["count"]; got != want {
			t.Errorf("with %d the module has %s of the right, want %s", pieces, got, want)
		}
	}
}

// TestOrderThatNoReferenceGives: Lambda refuses a dead-letter queue as long as the role may not send to it, and S3 two changes of access at once.
func TestOrderThatNoReferenceGives(t *testing.T) {
	m := readModule(t)
	if !dependsOn(m.blocks["aws_s3_bucket_policy.logs"], "aws_s3_bucket_public_access_block.logs") {
		t.Error("the bucket's policy and its access may be set at once")
	}
	for name, body := range m.below("aws_lambda_function.") {
		if !dependsOn(body, "aws_iam_role_policy."+name) {
			t.Errorf("%s may be made before what it may do", name)
		}
	}
}

func dependsOn(body *hclsyntax.Body, address string) bool {
	a := body.Attributes["depends_on"]
	if a == nil {
		return false
	}
	for _, names := range references(a) {
		if strings.Join(names, ".") == address {
			return true
		}
	}
	return false
}
