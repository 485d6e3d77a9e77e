# A usual instance: PostgreSQL, a local home, archives on another disk.

instance "prod" {
  url       = "https://bitbucket.example.com"
  username  = "backup"
  password  = env("BITBUCKET_BACKUP_PASSWORD")
  home      = home.mirror.shared
  database  = database.postgresql.main
  archives  = [archive.tar.local]
  retention = retention.standard

  lock {
    drain_timeout = "5m"
    budget        = "10m" # the lock window never grows past this: abort, unlock, clean up
  }
}

home "mirror" "shared" {
  path = "/var/atlassian/application-data/bitbucket"
}

database "postgresql" "main" {
  host     = "db.example.com"
  database = "bitbucket"
  username = "bitbucket"
  password = env("BITBUCKET_DB_PASSWORD")

  tls {
    mode = "verify-full"
  }
}

archive "tar" "local" {
  destination = "/backup/archives"
}

retention "standard" {
  keep_last = 7
}
