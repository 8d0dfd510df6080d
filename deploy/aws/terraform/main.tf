# Lethe, a log database in a bucket. One bucket, three functions, no server: what ../template.yaml makes, for those who use Terraform.
# `make terraform` holds the two against each other.

data "aws_region" "current" {}

locals {
  bucket_url = "s3://${aws_s3_bucket.logs.id}?region=${data.aws_region.current.region}"
}

# All three functions are the same binary; LETHE_FUNCTION says which it is.
data "archive_file" "lambda" {
  type        = "zip"
  source_dir  = coalesce(var.package_dir, "${path.module}/../../../dist/lambda")
  output_path = "${path.module}/.terraform/lethe.zip"
  # The same archive from every machine, with a bootstrap that can be executed.
  output_file_mode = "0755"
}

# Events of runs that failed.
resource "aws_sqs_queue" "dead_letters" {
  name_prefix               = "${var.name}-dead-letters-"
  sqs_managed_sse_enabled   = true
  message_retention_seconds = 1209600
}

# Each role has what its function does and no more: no managed policy, no action on "*".
data "aws_iam_policy_document" "assume_lambda" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}
