# A database in Oracle. Under the lock only its SCN is read, the number of the last
# change; after the unlock Data Pump exports the schema as it was at that number.
#
#   install -m 755 oracle /usr/local/lib/bkp/oracle     # needs sqlplus, expdp and impdp
#   export ORACLE_PASSWORD=… BKP_VAR_password=…
#   bkp plan

variable "password" {
  sensitive = true
}

locals {
  oracle = "/usr/local/lib/bkp/oracle"
}

instance "main" {
  url       = "https://bitbucket.example.com"
  username  = "admin"
  password  = var.password
  home      = home.mirror.shared
  database  = database.command.oracle
  archives  = [archive.tar.local]
  retention = retention.week
}

home "mirror" "shared" {
  path = "/var/atlassian/application-data/bitbucket"
}

database "command" "oracle" {
  environment = {
    ORACLE_SERVICE   = "//db.example.com/BITBUCKET"
    ORACLE_USER      = "BITBUCKET" # owns the schema; needs READ and WRITE on the directory, FLASHBACK on its tables
    ORACLE_DIRECTORY = "BKP_DUMPS" # CREATE DIRECTORY BKP_DUMPS AS '/backup/dumps'
    DUMPS            = "/backup/dumps"
    NLS_LANG         = "AMERICAN_AMERICA.AL32UTF8"
  }

  secret {
    name  = "ORACLE_PASSWORD"
    value = env("ORACLE_PASSWORD")
  }

  check { command = [local.oracle] }
  capture { command = [local.oracle] }
  discard { command = [local.oracle] }
  check_restore { command = [local.oracle] }
  restore { command = [local.oracle] }

  finish {
    command = [local.oracle]
    timeout = "6h"
  }
}

archive "tar" "local" {
  destination = "/backup/archives"
}

retention "week" {
  keep_last = 7
}
