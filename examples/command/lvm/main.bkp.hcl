# A home on a logical volume, by LVM's own tools. The snapshot is taken under the
# lock, mounted after the unlock for the archive to read, and removed when it is
# stored.
#
#   install -m 755 lvm /usr/local/lib/bkp/lvm     # needs lvm2, and root
#   export BKP_VAR_password=…
#   bkp plan

variable "password" {
  sensitive = true
}

locals {
  lvm = "/usr/local/lib/bkp/lvm"
}

instance "main" {
  url       = "https://bitbucket.example.com"
  username  = "admin"
  password  = var.password
  home      = home.command.lvm
  database  = database.embedded.main
  archives  = [archive.tar.local]
  retention = retention.week
}

home "command" "lvm" {
  path = "/var/atlassian/application-data/bitbucket"

  environment = {
    GROUP  = "data"      # volume group
    VOLUME = "bitbucket" # logical volume that is mounted at path
    ROOM   = "10g"       # for what users change while the archive reads
    MOUNTS = "/run/bkp-lvm"
  }

  check { command = [local.lvm] }
  capture { command = [local.lvm] }
  finish { command = [local.lvm] }
  discard { command = [local.lvm] }
}

database "embedded" "main" {}

archive "tar" "local" {
  destination = "/backup/archives"
}

retention "week" {
  keep_last = 7
}
