output "bucket_name" {
  description = "The bucket, for Fluent Bit and the command line."
  value       = aws_s3_bucket.logs.id
}

output "agent_policy" {
  description = "ARN of the policy that lets an agent put under raw/."
  value       = aws_iam_policy.agents.arn
}

output "query_url" {
  description = "Where queries go: signed, or with a user and a password where query_auth is NONE."
  value       = aws_lambda_function_url.query.function_url
}

output "dead_letters" {
  description = "The queue of runs that failed: set an alarm on the number of messages that are visible."
  value       = aws_sqs_queue.dead_letters.name
}
