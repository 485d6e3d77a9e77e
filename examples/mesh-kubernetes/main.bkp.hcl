# Bitbucket and three Mesh nodes in pods: kubectl leads to each, without a port and
# without anything that is installed there. What a pod has is stored straight from it.

locals {
  namespace = "bitbucket"
  state_dir = "/var/atlassian/application-data/bkp" # on a volume of the pod, where programs may run
  mesh      = toset(["mesh-0", "mesh-1", "mesh-2"])
}

instance "prod" {
  url        = "https://bitbucket.example.com"
  username   = "backup"
  password   = env("BITBUCKET_BACKUP_PASSWORD")
  home       = home.mirror.shared
  database   = database.postgresql.main
  mesh_nodes = [for n in ["mesh-0", "mesh-1", "mesh-2"] : mesh_node.mirror.node[n]]
  archives   = [archive.tar.bucket]
  retention  = retention.standard
}

connection "command" "bitbucket" {
  command     = ["kubectl", "--namespace", local.namespace, "exec", "-i", "bitbucket-0", "--"]
  environment = ["KUBECONFIG"]
  state_dir   = local.state_dir
}

connection "command" "mesh" {
  for_each    = local.mesh
  command     = ["kubectl", "--namespace", local.namespace, "exec", "-i", each.key, "--"]
  environment = ["KUBECONFIG"]
  state_dir   = local.state_dir
}

home "mirror" "shared" {
  on   = connection.command.bitbucket
  path = "/var/atlassian/application-data/shared-home"
}

mesh_node "mirror" "node" {
  for_each = local.mesh
  on       = connection.command.mesh[each.key]
  path     = "/var/atlassian/application-data/mesh"
}

database "postgresql" "main" {
  host     = "db.example.com"
  database = "bitbucket"
  username = "bitbucket"
  password = env("BITBUCKET_DB_PASSWORD")
}

archive "tar" "bucket" {
  destination = "s3://backups/bitbucket"
  endpoint    = "https://s3.example.com"
  path_style  = true
  access_key  = env("S3_ACCESS_KEY")
  secret_key  = env("S3_SECRET_KEY")
}

retention "standard" {
  keep_last = 14
}
