# The shortest configuration that makes a backup: an instance with Bitbucket's
# own database, and archives in a folder.
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

variable "archives" {
  description = "Where the backups go: best a disk of another machine."
  default     = "/backup/archives"
}

variable "username" {
  default = "admin"
}

variable "password" {
  sensitive = true
}

instance "main" {
  url       = var.url
  username  = var.username # a system administrator of Bitbucket
  password  = var.password
  home      = home.mirror.shared
  database  = database.embedded.main
  archives  = [archive.tar.local]
  retention = retention.standard
}

home "mirror" "shared" {
  path = var.home
}

database "embedded" "main" {}

archive "tar" "local" {
  destination = var.archives
}

retention "standard" {
  keep_last = 7
}
