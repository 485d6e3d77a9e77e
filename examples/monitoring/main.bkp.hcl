# Who learns of what becomes of a backup: people by chat, a service that notices
# silence, and Prometheus, for alerts.yml and dashboard.json beside this file.
variable "url" {
  default = "https://bitbucket.example.com"
}

variable "home" {
  default = "/var/atlassian/application-data/bitbucket"
}

variable "password" {
  sensitive = true
}

instance "prod" {
  url       = var.url
  username  = "admin"
  password  = var.password
  home      = home.mirror.shared
  database  = database.embedded.main
  archives  = [archive.tar.local]
  retention = retention.month
  notify    = [notify.slack.ops, notify.email.team, notify.healthchecks.prod]
  metrics   = [metrics.prometheus.node]
}

home "mirror" "shared" {
  path = var.home
}

database "embedded" "main" {}

archive "tar" "local" {
  destination = "/backup/bitbucket"
}

retention "month" {
  keep_daily = 30
}

notify "slack" "ops" {
  url = env("SLACK_WEBHOOK_URL")
}

# The night shift gets a mail when users may be locked out, and about nothing else.
notify "email" "team" {
  host     = "smtp.example.com"
  from     = "bkp <bkp@example.com>"
  to       = ["night-shift@example.com"]
  username = "bkp"
  password = env("SMTP_PASSWORD")
  subject  = "[{{upper .Instance}}] {{.Summary}}"
  on       = ["may_be_locked"]
}

notify "healthchecks" "prod" {
  url = env("HEALTHCHECKS_URL")
}

metrics "prometheus" "node" {
  textfile = "/var/lib/prometheus/node-exporter"
}
