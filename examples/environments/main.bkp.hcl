# One folder for several environments, with one file of values each:
#
#   bkp plan  --var-file staging.bkpvars
#   bkp apply --var-file prod.bkpvars --auto-approve
#
# bkp.bkpvars holds what all of them share; it is read without being asked for.

# Journal, list of backups and working copies of each environment. bkp tells
# instances of the same name apart by their URL; with a folder each, runs of one
# environment also never wait for those of the other.
bkp {
  state_dir = "/var/lib/bkp/${var.environment}"
}

variable "environment" {
  description = "Which environment this is."
  type        = string

  validation {
    condition     = contains(["prod", "staging"], var.environment)
    error_message = "There are prod and staging: pass --var-file prod.bkpvars or --var-file staging.bkpvars."
  }
}

variable "url" {
  type = string
}

variable "home" {
  type = string
}

variable "database" {
  type = object({
    host     = string
    port     = optional(number, 5432)
    name     = optional(string, "bitbucket")
    username = optional(string, "bitbucket")
  })
}

variable "archives" {
  description = "Below it, each environment has a folder of its own."
  type        = string
}

variable "keep" {
  type    = number
  default = 7

  validation {
    condition     = var.keep >= 1
    error_message = "A retention that keeps nothing is no backup."
  }
}

variable "username" {
  type = string
}

# Secrets never stand in a file of values that is in version control: they come
# from the environment, as BKP_VAR_password and BKP_VAR_database_password.
variable "password" {
  type      = string
  sensitive = true
}

variable "database_password" {
  type      = string
  sensitive = true
}

locals {
  # Users of staging can wait; those of prod never longer than this.
  budget = var.environment == "prod" ? "2m" : "20m"
}

instance "bitbucket" {
  url       = var.url
  username  = var.username
  password  = var.password
  home      = home.mirror.shared
  database  = database.postgresql.main
  archives  = [archive.tar.local]
  retention = retention.standard

  lock {
    drain_timeout = "1m"
    budget        = local.budget
  }
}

home "mirror" "shared" {
  path = var.home
}

database "postgresql" "main" {
  host     = var.database.host
  port     = var.database.port
  database = var.database.name
  username = var.database.username
  password = var.database_password
}

archive "tar" "local" {
  destination = "${var.archives}/${var.environment}"
}

retention "standard" {
  keep_last = var.keep
}
