# Bitbucket of Atlassian's chart, backed up by a CronJob beside it: see
# docs/guides/kubernetes.md.

bkp {
  state_dir = "/var/lib/bkp" # the claim bkp-state
}

instance "prod" {
  url       = "http://bitbucket" # the chart's service
  username  = env("BITBUCKET_USERNAME")
  password  = env("BITBUCKET_PASSWORD")
  home      = home.mirror.shared
  database  = database.postgresql.main
  archives  = [archive.tar.claim]
  retention = retention.standard
}

home "mirror" "shared" {
  path = "/var/atlassian/application-data/bitbucket" # the chart's shared home is its folder shared
}

database "postgresql" "main" {
  host     = "postgresql"
  database = "bitbucket"
  username = env("JDBC_USER")
  password = env("JDBC_PASSWORD")
}

archive "tar" "claim" {
  destination = "/backup" # the claim bkp-backups
}

retention "standard" {
  keep_daily  = 7
  keep_weekly = 4
}
