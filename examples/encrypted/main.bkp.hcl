# Archives that only two people can read: a public key on this machine opens no backup.

instance "prod" {
  url       = "https://bitbucket.example.com"
  username  = "backup"
  password  = env("BITBUCKET_BACKUP_PASSWORD")
  home      = home.mirror.shared
  database  = database.postgresql.main
  archives  = [archive.tar.offsite]
  retention = retention.standard
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

archive "tar" "offsite" {
  destination = "/backup/archives"
  encryption  = encryption.age.keys
}

# Replace both keys: nobody has the secret ones of these. Make yours with age-keygen on
# other machines, and keep the secret keys in two places.
encryption "age" "keys" {
  recipients = [
    "age1v0a3wfhdq74kgag53njwdn4ruv4ghrknjw4lmfezfytz6zxvda0qavnn5c", # operations, in the safe
    "age1dg07tsuultc4607gtsusfd6t370lk24awwhmtlaju3wnyklnlsrs4rpcv5", # security, in their vault
  ]
}

retention "standard" {
  keep_last = 7
}
