# What a team wants of every backup stands in policy.bkp.hcl, beside the
# configuration. `bkp validate` and `bkp plan` fail in review when it is broken.

variable "url" {
  default = "https://bitbucket.example.com"
}

variable "root" {
  description = "Below it lies everything of the instance."
  default     = "/srv/bitbucket"
}

variable "archives" {
  description = "Where backups go: a disk of another machine."
  default     = "/mnt/backup/bitbucket"
}

variable "password" {
  sensitive = true
}

instance "main" {
  url       = var.url
  username  = "admin"
  password  = var.password
  home      = home.mirror.shared
  database  = database.embedded.main
  archives  = [archive.tar.remote]
  retention = retention.month

  lock {
    drain_timeout = "1m"
    budget        = "2m"
  }
}

home "mirror" "shared" {
  path = "${var.root}/home"
}

database "embedded" "main" {}

archive "tar" "remote" {
  destination = var.archives
}

retention "month" {
  keep_last = 31
}
