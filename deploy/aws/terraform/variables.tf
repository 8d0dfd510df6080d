# The parameters of ../template.yaml under the same names, and a name in place of the stack's.

variable "name" {
  description = "What the names of all that is made start with. Two installations in an account need two names."
  type        = string
  default     = "lethe"

  validation {
    # Terraform adds 26 characters to a prefix, and the name of a role has at most 64.
    condition     = can(regex("^[a-z][a-z0-9-]{0,24}$", var.name))
    error_message = "name is up to 25 lower-case letters, digits and hyphens, and starts with a letter."
  }
}

variable "package_dir" {
  description = "The folder that make lambda has filled; null is dist/lambda of this checkout."
  type        = string
  default     = null
}

variable "retention_time" {
  description = "Lines older than this are deleted."
  type        = string
  default     = "15d"

  validation {
    condition     = can(regex("^[0-9]+[hdwy]$", var.retention_time))
    error_message = "retention_time is a number of hours, days, weeks or years, as 15d."
  }
}

variable "retention_size" {
  description = "Sum of all that is stored, as 500GB; 0 is unlimited."
  type        = string
  default     = "0"

  validation {
    condition     = can(regex("^[0-9]+([.][0-9]+)?([kKMGTPE]i?)?B?$", var.retention_size))
    error_message = "retention_size is a size as 500GB, or 0."
  }
}

variable "backstop_days" {
  description = "The bucket itself deletes raw objects of this age. Longer than the retention, it only catches what a stopped compactor leaves."
  type        = number
  default     = 400

  validation {
    condition     = var.backstop_days >= 2 && floor(var.backstop_days) == var.backstop_days
    error_message = "backstop_days is a whole number of days, at least 2."
  }
}

variable "query_auth" {
  description = "AWS_IAM signs requests. NONE is for clients that only speak basic auth, as venti; then web_config is needed."
  type        = string
  default     = "AWS_IAM"

  validation {
    condition     = contains(["AWS_IAM", "NONE"], var.query_auth)
    error_message = "query_auth is AWS_IAM or NONE."
  }
}

variable "web_config" {
  description = "Where query_auth is NONE, a web config with basic_auth_users (bcrypt), in base64 (base64 -w0 web.yml)."
  type        = string
  default     = ""
  sensitive   = true

  validation {
    condition     = can(regex("^[A-Za-z0-9+/=]*$", var.web_config))
    error_message = "web_config is base64 on one line: base64 -w0 web.yml."
  }
}

variable "query_concurrency" {
  description = "How many queries run at once, reserved of the account's quota; more are refused, and cost nothing. 0 is as many as the account lets run."
  type        = number
  default     = 0

  validation {
    condition     = var.query_concurrency >= 0 && floor(var.query_concurrency) == var.query_concurrency
    error_message = "query_concurrency is a whole number, at least 0."
  }
}

variable "query_fanout" {
  description = "Queries over 2 GB of blocks are cut into so many pieces, and the function invokes itself for each; 0 is none. Pieces count as queries of query_concurrency."
  type        = number
  default     = 0

  validation {
    condition     = var.query_fanout >= 0 && var.query_fanout <= 64 && floor(var.query_fanout) == var.query_fanout
    error_message = "query_fanout is a whole number, at least 0 and at most 64."
  }
}

variable "alertmanagers" {
  description = "URLs of Alertmanagers."
  type        = list(string)
  default     = []
  sensitive   = true
}
