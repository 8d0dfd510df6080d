terraform {
  required_version = ">= 1.5, < 2.0"

  required_providers {
    # 6.28 is the first that knows invoked_via_function_url.
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.28, < 7.0"
    }
    archive = {
      source  = "hashicorp/archive"
      version = ">= 2.4, < 3.0"
    }
  }
}
