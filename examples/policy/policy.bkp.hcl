# In a check, blocks are objects: archive.tar.remote.destination. bkp.instances,
# bkp.homes, bkp.databases, bkp.archives and bkp.retentions list all of a kind,
# whatever their strategy and whether they have for_each.

variable "days" {
  description = "How many nightly backups are kept at least."
  default     = 7
}

check "kept_long_enough" {
  assert {
    condition     = alltrue([for i in bkp.instances : i.retention != null])
    error_message = "Every instance needs a retention."
  }

  assert {
    condition     = alltrue([for r in bkp.retentions : r.keep_last >= var.days])
    error_message = "Keep ${var.days} backups at least; ${join(", ", [for r in bkp.retentions : r.address if r.keep_last < var.days])} keeps fewer."
  }
}

check "off_the_machine" {
  assert {
    condition = alltrue([
      for i in bkp.instances : anytrue([for a in i.archives : startswith(try(a.destination, ""), "/mnt/")])
    ])
    error_message = "Every instance needs an archive on a disk of another machine, which are mounted below /mnt."
    severity      = "warning"
  }
}

check "instance" {
  for_each = { for i in bkp.instances : i.name => i }

  assert {
    condition     = startswith(each.value.url, "https://") || startswith(each.value.url, "http://127.0.0.1")
    error_message = "${each.key} is reached without TLS."
  }

  assert {
    condition     = each.value.lock.budget == "2m0s"
    error_message = "The users of ${each.key} were promised two minutes at most."
  }
}
