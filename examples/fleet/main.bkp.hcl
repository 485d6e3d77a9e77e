# Ten instances from one table. Each block stands once, and for_each makes one
# of it for every team. Every backup is named after its instance, such as
# bitbucket.payments-20261122T214431Z.
#
#   bkp plan
#   bkp apply --target 'instance.bitbucket["payments"]' --auto-approve

variable "domain" {
  default = "git.example.com"
}

variable "root" {
  description = "Below it lie homes and archives."
  default     = "/srv"
}

variable "password" {
  description = "Of the user backup, who is an administrator of every instance."
  sensitive   = true
}

locals {
  # What is not said here is usual.
  teams = {
    android  = {}
    backend  = { keep = 30 }
    billing  = { keep = 30 }
    data     = { budget = "5m" }
    docs     = {}
    frontend = {}
    infra    = {}
    ios      = {}
    payments = { keep = 90, budget = "1m" }
    research = { data_stores = ["store-1", "store-2"] }
  }
}

instance "bitbucket" {
  for_each  = local.teams
  url       = "https://${each.key}.${var.domain}"
  username  = "backup"
  password  = var.password
  home      = home.mirror.shared[each.key]
  database  = database.embedded.main[each.key]
  archives  = [archive.tar.local[each.key]]
  retention = retention.standard[each.key]

  lock {
    drain_timeout = "30s"
    budget        = lookup(each.value, "budget", "2m")
  }
}

home "mirror" "shared" {
  for_each    = local.teams
  path        = "${var.root}/homes/${each.key}"
  data_stores = [for s in lookup(each.value, "data_stores", []) : "${var.root}/stores/${each.key}/${s}"]
}

database "embedded" "main" {
  for_each = local.teams
}

archive "tar" "local" {
  for_each    = local.teams
  destination = "${var.root}/archives/${each.key}"
}

retention "standard" {
  for_each  = local.teams
  keep_last = lookup(each.value, "keep", 7)
}
