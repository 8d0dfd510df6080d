resource "aws_s3_bucket" "logs" {
  bucket_prefix = "${var.name}-"

  # No destroy takes the logs along. To be rid of all else, take what is aws_s3_ here out of the state first: the bucket stays, and stays private.
  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "logs" {
  bucket = aws_s3_bucket.logs.id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_public_access_block" "logs" {
  bucket                  = aws_s3_bucket.logs.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "logs" {
  bucket = aws_s3_bucket.logs.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "logs" {
  bucket = aws_s3_bucket.logs.id

  # Only where no manifest lies: an expired manifest would take the live blocks of its target with it.
  rule {
    id     = "raw-backstop"
    status = "Enabled"
    filter {
      prefix = "raw/"
    }
    expiration {
      days = var.backstop_days
    }
  }

  rule {
    id     = "quarantine-backstop"
    status = "Enabled"
    filter {
      prefix = "quarantine/"
    }
    expiration {
      days = var.backstop_days
    }
  }

  rule {
    id     = "broken-uploads"
    status = "Enabled"
    filter {}
    abort_incomplete_multipart_upload {
      days_after_initiation = 2
    }
  }
}

data "aws_iam_policy_document" "tls_only" {
  statement {
    sid       = "TLSOnly"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [aws_s3_bucket.logs.arn, "${aws_s3_bucket.logs.arn}/*"]
    principals {
      type        = "*"
      identifiers = ["*"]
    }
    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_s3_bucket_policy" "logs" {
  bucket = aws_s3_bucket.logs.id
  policy = data.aws_iam_policy_document.tls_only.json

  # S3 refuses two changes of a bucket's access at once.
  depends_on = [aws_s3_bucket_public_access_block.logs]
}

# For agents: put under raw/, nothing else. Attach it to the role or user of Fluent Bit.
data "aws_iam_policy_document" "agents" {
  statement {
    sid       = "Ship"
    actions   = ["s3:PutObject"]
    resources = ["${aws_s3_bucket.logs.arn}/raw/*"]
  }
}

resource "aws_iam_policy" "agents" {
  name_prefix = "${var.name}-agents-"
  description = "Ship logs to Lethe's bucket"
  policy      = data.aws_iam_policy_document.agents.json
}
