# A home on a filer that takes snapshots by its REST interface, as NetApp's ONTAP
# does. The snapshot is started right before the lock and committed under it.
# Archives read it through .snapshot of the export, and it stays on the filer for
# a week besides.
#
#   install -m 755 filer /usr/local/lib/bkp/filer     # needs curl and jq
#   export FILER_PASSWORD=… BKP_VAR_password=…
#   bkp plan

variable "password" {
  sensitive = true
}

locals {
  filer = "/usr/local/lib/bkp/filer"
}

instance "main" {
  url       = "https://bitbucket.example.com"
  username  = "admin"
  password  = var.password
  home      = home.command.filer
  database  = database.embedded.main
  archives  = [archive.tar.local, archive.snapshots.filer]
  retention = retention.week
}

home "command" "filer" {
  path = "/var/atlassian/application-data/bitbucket"

  environment = {
    FILER_URL     = "https://filer.example.com"
    FILER_GROUP   = "0b6c1f6e-2f0e-11ef-9d4b-00a098d39e12" # uuid of the consistency group
    FILER_USER    = "bkp"
    FILER_TIMEOUT = "8" # seconds for each request
    SNAPSHOTS     = "/var/atlassian/application-data/bitbucket/.snapshot"
  }

  secret {
    name  = "FILER_PASSWORD"
    value = env("FILER_PASSWORD")
  }

  check { command = [local.filer] }
  warm { command = [local.filer] }
  capture { command = [local.filer] }
  finish { command = [local.filer] }
  keep { command = [local.filer] }
  discard { command = [local.filer] }
  list { command = [local.filer] }
  delete { command = [local.filer] }
  restore { command = [local.filer] }
}

database "embedded" "main" {}

archive "tar" "local" {
  destination = "/backup/archives"
}

archive "snapshots" "filer" {}

retention "week" {
  keep_last = 7
}
