# What ../template.yaml leaves to SAM: a role for the scheduler, which may start the two functions and nothing else.
data "aws_iam_policy_document" "assume_scheduler" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["scheduler.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "schedule" {
  statement {
    sid       = "Start"
    actions   = ["lambda:InvokeFunction"]
    resources = [aws_lambda_function.compact.arn, aws_lambda_function.alert.arn]
  }
}

resource "aws_iam_role" "schedule" {
  name_prefix        = "${var.name}-schedule-"
  assume_role_policy = data.aws_iam_policy_document.assume_scheduler.json
}

resource "aws_iam_role_policy" "schedule" {
  name   = "schedule"
  role   = aws_iam_role.schedule.id
  policy = data.aws_iam_policy_document.schedule.json
}

resource "aws_scheduler_schedule" "compact" {
  name                = "${var.name}-compact"
  schedule_expression = "rate(1 minute)"

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = aws_lambda_function.compact.arn
    role_arn = aws_iam_role.schedule.arn
  }
}

resource "aws_scheduler_schedule" "alert" {
  name                = "${var.name}-alert"
  schedule_expression = "rate(1 minute)"

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = aws_lambda_function.alert.arn
    role_arn = aws_iam_role.schedule.arn
  }
}
