resource "aws_cloudwatch_log_group" "query" {
  name              = "/aws/lambda/${var.name}-query"
  retention_in_days = 14
}

data "aws_iam_policy_document" "query" {
  # ListBucket: what is raw, which targets there are; and "not found" in place of "denied". GetObject: manifests, blocks, raw objects.
  statement {
    sid       = "List"
    actions   = ["s3:ListBucket"]
    resources = [aws_s3_bucket.logs.arn]
  }
  statement {
    sid       = "Read"
    actions   = ["s3:GetObject"]
    resources = ["${aws_s3_bucket.logs.arn}/*"]
  }
  # Its own log. The provider's ARN of a log group lacks the end that stands for its streams.
  statement {
    sid       = "Log"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.query.arn}:*"]
  }
}

resource "aws_iam_role" "query" {
  name_prefix        = "${var.name}-query-"
  assume_role_policy = data.aws_iam_policy_document.assume_lambda.json
}

resource "aws_iam_role_policy" "query" {
  name   = "query"
  role   = aws_iam_role.query.id
  policy = data.aws_iam_policy_document.query.json
}

resource "aws_lambda_function" "query" {
  function_name    = "${var.name}-query"
  role             = aws_iam_role.query.arn
  filename         = data.archive_file.lambda.output_path
  source_code_hash = data.archive_file.lambda.output_base64sha256
  runtime          = "provided.al2023"
  architectures    = ["arm64"]
  handler          = "bootstrap"
  memory_size      = 1769
  timeout          = 30
  # -1 reserves nothing, and bounds nothing.
  reserved_concurrent_executions = var.query_concurrency == 0 ? -1 : var.query_concurrency

  logging_config {
    log_format = "Text"
    log_group  = aws_cloudwatch_log_group.query.name
  }

  environment {
    variables = {
      LETHE_BUCKET   = local.bucket_url
      LETHE_FUNCTION = "query"
      # What RESPONSE_STREAM expects.
      LETHE_STREAM            = "true"
      LETHE_WEB_CONFIG_BASE64 = var.web_config
      LETHE_QUERY_FANOUT      = var.query_fanout
    }
  }

  depends_on = [aws_iam_role_policy.query]
}

# To have pieces of large queries read, the function invokes itself. The policy is no part of the role's other one, which is there before the function.
data "aws_iam_policy_document" "query_invokes_itself" {
  statement {
    sid       = "Invoke"
    actions   = ["lambda:InvokeFunction"]
    resources = [aws_lambda_function.query.arn]
  }
}

resource "aws_iam_role_policy" "query_invokes_itself" {
  count  = var.query_fanout == 0 ? 0 : 1
  name   = "invoke"
  role   = aws_iam_role.query.id
  policy = data.aws_iam_policy_document.query_invokes_itself.json
}

resource "aws_lambda_function_url" "query" {
  function_name      = aws_lambda_function.query.function_name
  authorization_type = var.query_auth
  invoke_mode        = "RESPONSE_STREAM"

  lifecycle {
    precondition {
      condition     = var.query_auth != "NONE" || var.web_config != ""
      error_message = "With query_auth NONE anybody could read the logs. Give web_config with basic_auth_users."
    }
  }
}

# A URL without IAM needs both: the right to the URL, and to the function by way of the URL. Lethe asks for a user and a password itself.
# The provider gives both to a URL that it makes open, but not to one that becomes so later.
resource "aws_lambda_permission" "query_open_url" {
  count                  = var.query_auth == "NONE" ? 1 : 0
  function_name          = aws_lambda_function.query.function_name
  action                 = "lambda:InvokeFunctionUrl"
  principal              = "*"
  function_url_auth_type = "NONE"
}

resource "aws_lambda_permission" "query_open_invoke" {
  count                    = var.query_auth == "NONE" ? 1 : 0
  function_name            = aws_lambda_function.query.function_name
  action                   = "lambda:InvokeFunction"
  principal                = "*"
  invoked_via_function_url = true
}
