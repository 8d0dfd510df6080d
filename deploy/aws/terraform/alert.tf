resource "aws_cloudwatch_log_group" "alert" {
  name              = "/aws/lambda/${var.name}-alert"
  retention_in_days = 14
}

data "aws_iam_policy_document" "alert" {
  # As for queries: rules are queries.
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
  # PutObject: the state of the rule groups.
  statement {
    sid       = "State"
    actions   = ["s3:PutObject"]
    resources = ["${aws_s3_bucket.logs.arn}/alert/*"]
  }
  # A run that failed.
  statement {
    sid       = "DeadLetters"
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.dead_letters.arn]
  }
  statement {
    sid       = "Log"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.alert.arn}:*"]
  }
}

resource "aws_iam_role" "alert" {
  name_prefix        = "${var.name}-alert-"
  assume_role_policy = data.aws_iam_policy_document.assume_lambda.json
}

resource "aws_iam_role_policy" "alert" {
  name   = "alert"
  role   = aws_iam_role.alert.id
  policy = data.aws_iam_policy_document.alert.json
}

resource "aws_lambda_function" "alert" {
  function_name    = "${var.name}-alert"
  role             = aws_iam_role.alert.arn
  filename         = data.archive_file.lambda.output_path
  source_code_hash = data.archive_file.lambda.output_base64sha256
  runtime          = "provided.al2023"
  architectures    = ["arm64"]
  handler          = "bootstrap"
  memory_size      = 1769
  timeout          = 55
  # As for the compactor.
  reserved_concurrent_executions = 1

  logging_config {
    log_format = "Text"
    log_group  = aws_cloudwatch_log_group.alert.name
  }

  dead_letter_config {
    target_arn = aws_sqs_queue.dead_letters.arn
  }

  environment {
    variables = {
      LETHE_BUCKET                 = local.bucket_url
      LETHE_FUNCTION               = "alert"
      LETHE_ALERTING_ALERTMANAGERS = join(",", var.alertmanagers)
      LETHE_ALERTING_RULES         = "rules/*.yaml"
    }
  }

  # Lambda refuses a dead-letter queue that the role may not send to.
  depends_on = [aws_iam_role_policy.alert]
}

# The next minute tries again; an event that is late is worth nothing.
resource "aws_lambda_function_event_invoke_config" "alert" {
  function_name                = aws_lambda_function.alert.function_name
  maximum_retry_attempts       = 0
  maximum_event_age_in_seconds = 300
}
