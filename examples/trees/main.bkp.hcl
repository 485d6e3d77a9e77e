# Backups as folders that share their blocks with the working copy, on one XFS or
# btrfs, and a copy of each elsewhere.
#
#   export BKP_VAR_password=…
#   bkp plan
#   bkp apply

variable "url" {
  default = "https://bitbucket.example.com"
}

variable "home" {
  description = "The folder that holds shared/ of this instance."
  default     = "/var/atlassian/application-data/bitbucket"
}

variable "data" {
  description = "A folder on XFS or btrfs, for the working copy and the trees."
  default     = "/data"
}

variable "elsewhere" {
  description = "A folder on a disk of another machine."
  default     = "/backup/archives"
}

variable "password" {
  sensitive = true
}

bkp {
  state_dir = "${var.data}/bkp"
}

instance "main" {
  url       = var.url
  username  = "admin"
  password  = var.password
  home      = home.mirror.shared
  database  = database.embedded.main
  archives  = [archive.tree.local, archive.tar.elsewhere]
  retention = retention.standard
}

home "mirror" "shared" {
  path = var.home
}

database "embedded" "main" {}

archive "tree" "local" {
  destination = "${var.data}/trees"
  retention   = retention.fortnight
}

archive "tar" "elsewhere" {
  destination = var.elsewhere
}

retention "standard" {
  keep_last = 7
}

retention "fortnight" {
  keep_daily = 14
}
