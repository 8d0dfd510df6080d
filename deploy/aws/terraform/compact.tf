resource "aws_cloudwatch_log_group" "compact" {
  name              = "/aws/lambda/${var.name}-compact"
  retention_in_days = 14
}

data "aws_iam_policy_document" "compact" {
  # As for queries: it reads what it rewrites.
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
  # PutObject: blocks, manifests and sealed days; what could not be read; the summary of the run.
  statement {
    sid     = "Write"
    actions = ["s3:PutObject"]
    resources = [
      "${aws_s3_bucket.logs.arn}/pod/*",
      "${aws_s3_bucket.logs.arn}/node/*",
      "${aws_s3_bucket.logs.arn}/quarantine/*",
      "${aws_s3_bucket.logs.arn}/state/*",
    ]
  }
  # DeleteObject: raw objects that were consumed, blocks that were replaced or are past the retention, the probe's objects.
  statement {
    sid     = "Delete"
    actions = ["s3:DeleteObject"]
    resources = [
      "${aws_s3_bucket.logs.arn}/raw/*",
      "${aws_s3_bucket.logs.arn}/pod/*",
      "${aws_s3_bucket.logs.arn}/node/*",
      "${aws_s3_bucket.logs.arn}/state/*",
    ]
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
    resources = ["${aws_cloudwatch_log_group.compact.arn}:*"]
  }
}

resource "aws_iam_role" "compact" {
  name_prefix        = "${var.name}-compact-"
  assume_role_policy = data.aws_iam_policy_document.assume_lambda.json
}

resource "aws_iam_role_policy" "compact" {
  name   = "compact"
  role   = aws_iam_role.compact.id
  policy = data.aws_iam_policy_document.compact.json
}

resource "aws_lambda_function" "compact" {
  function_name    = "${var.name}-compact"
  role             = aws_iam_role.compact.arn
  filename         = data.archive_file.lambda.output_path
  source_code_hash = data.archive_file.lambda.output_base64sha256
  runtime          = "provided.al2023"
  architectures    = ["arm64"]
  handler          = "bootstrap"
  memory_size      = 1769
  timeout          = 840
  # Two at once would do no harm, only work twice.
  reserved_concurrent_executions = 1

  ephemeral_storage {
    size = 4096
  }

  logging_config {
    log_format = "Text"
    log_group  = aws_cloudwatch_log_group.compact.name
  }

  dead_letter_config {
    target_arn = aws_sqs_queue.dead_letters.arn
  }

  environment {
    variables = {
      LETHE_BUCKET         = local.bucket_url
      LETHE_FUNCTION       = "compact"
      LETHE_RETENTION_TIME = var.retention_time
      LETHE_RETENTION_SIZE = var.retention_size
    }
  }

  # Lambda refuses a dead-letter queue that the role may not send to.
  depends_on = [aws_iam_role_policy.compact]
}

# The next minute tries again; an event that is late is worth nothing.
resource "aws_lambda_function_event_invoke_config" "compact" {
  function_name                = aws_lambda_function.compact.function_name
  maximum_retry_attempts       = 0
  maximum_event_age_in_seconds = 300
}
