package lang_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"bkp/lang"
)

// fleet is a configuration of n instances by for_each, with five blocks each.
func fleet(n int) string {
	return fmt.Sprintf(`
locals {
  names = toset([for i in %s : "team-${i}"])
}
instance "prod" {
  for_each  = local.names
  url       = "https://${each.key}.example.com"
  username  = "backup"
  password  = env("PW")
  home      = home.mirror.shared[each.key]
  database  = database.postgresql.main[each.key]
  archives  = [archive.tar.local[each.key]]
  retention = retention.standard[each.key]
}
home "mirror" "shared" {
  for_each = local.names
  path     = "/srv/${each.key}"
}
database "postgresql" "main" {
  for_each = local.names
  host     = "db.${each.key}"
  password = env("PW")
}
archive "tar" "local" {
  for_each    = local.names
  destination = "/backup/${each.key}"
}
retention "standard" {
  for_each  = local.names
  keep_last = 7
}
check "kept" {
  assert {
    condition     = alltrue([for i in bkp.instances : i.retention.keep_last >= 7])
    error_message = "Keep a week."
  }
}
`, numbers(n))
}

// numbers is a list of n numbers; range stops at 1024.
func numbers(n int) string {
	text := []byte{'['}
	for i := range n {
		text = fmt.Appendf(text, "%d,", i)
	}
	return string(append(text, ']'))
}

// BenchmarkLoad measures how the cost grows: ns/instance stays the same.
func BenchmarkLoad(b *testing.B) {
	for _, n := range []int{100, 1000, 10000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			dir := b.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "main.bkp.hcl"), []byte(fleet(n)), 0o600); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				c, diags := lang.Load(dir, lang.Options{
					Registry: registry(), LookupEnv: func(k string) (string, bool) { return "hunter2", k == "PW" },
				})
				if diags.HasErrors() || len(c.Instances) != n || c.Review().HasErrors() {
					b.Fatal(diags, len(c.Instances))
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/instance")
		})
	}
}
