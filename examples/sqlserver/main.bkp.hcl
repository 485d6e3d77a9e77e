# A database of Microsoft SQL Server, experimental: see docs/guides/sql-server.md. The
# server writes its backups into a folder of its own disk, and this machine has that folder
# as a share.
#
#   export BITBUCKET_BACKUP_PASSWORD=… BKP_DB_PASSWORD=…
#   bkp plan
#   bkp apply

instance "prod" {
  url       = "https://bitbucket.example.com"
  username  = "backup"
  password  = env("BITBUCKET_BACKUP_PASSWORD")
  home      = home.mirror.shared
  database  = database.sqlserver.main
  archives  = [archive.tar.nas]
  retention = retention.standard
}

home "mirror" "shared" {
  path = "/var/atlassian/application-data/bitbucket"
}

database "sqlserver" "main" {
  host     = "sql.example.com"
  database = "bitbucket"
  username = "bkp" # db_backupoperator; for a restore dbcreator, too
  password = env("BKP_DB_PASSWORD")

  # The folder as the server names it, and as this machine sees it.
  server_path = "/var/opt/mssql/backup"
  path        = "/mnt/sql-backup"

  # If administrators take differential backups of their own: all of it under the lock.
  # method = "copy_only"

  # After the unlock the server reads what it has written. That takes the role dbcreator.
  verify = true

  tls {
    mode = "verify-full"
  }
}

archive "tar" "nas" {
  destination = "/backup/archives"
}

retention "standard" {
  keep_last = 7
}
