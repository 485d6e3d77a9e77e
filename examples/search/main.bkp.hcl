# Home, database and search index of one moment. The search server, Elasticsearch or
# OpenSearch, keeps the snapshots of the index in a repository of its own; home and
# database go into archives. One retention removes both.
#
#   export BITBUCKET_BACKUP_PASSWORD=… BITBUCKET_DB_PASSWORD=… BKP_ELASTICSEARCH_PASSWORD=…
#   bkp plan
#   bkp apply

instance "prod" {
  url           = "https://bitbucket.example.com"
  username      = "backup"
  password      = env("BITBUCKET_BACKUP_PASSWORD")
  home          = home.mirror.shared
  database      = database.postgresql.main
  elasticsearch = elasticsearch.fs.search
  archives      = [archive.tar.nas, archive.snapshots.search]
  retention     = retention.standard
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

elasticsearch "fs" "search" {
  url      = "https://search.example.com:9200"
  username = "bkp" # see docs/permissions.md for its rights
  password = env("BKP_ELASTICSEARCH_PASSWORD")

  # A folder that every node of the search server sees, in path.repo of each. In a bucket:
  # elasticsearch "s3", with bucket in place of location.
  location = "/mnt/search-snapshots"
  register = true

  # A search server that is down must not cost the backup of the repositories: Bitbucket
  # can build the index anew.
  required = false
}

archive "tar" "nas" {
  destination = "/backup/archives"
}

# Says that the snapshots of the index stay where they are.
archive "snapshots" "search" {}

retention "standard" {
  keep_last  = 7
  keep_daily = 14
}
