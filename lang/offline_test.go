package lang_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bkp/lang"
)

const outOfReach = `
locals {
  db = properties("/nowhere/bitbucket.properties")
}

instance "prod" {
  url      = "https://${env("HOST")}/bitbucket"
  username = "backup"
  password = file("/nowhere/secret")
  home     = home.mirror.a
  database = database.postgresql.a
  archives = [archive.tar.a]

  lock {
    budget = env("BUDGET")
  }
}

home "mirror" "a" {
  path = upper(env("HOME_DIR"))
}

database "postgresql" "a" {
  host     = local.db["jdbc.host"]
  port     = env("PORT", 5433)
  password = "${env("PASSWORD")}!"
}

archive "tar" "a" {
  destination = env("KNOWN")
}
`

func offline(t *testing.T, source string, offline bool) (*lang.Config, string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.bkp.hcl"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	c, diags := lang.Load(dir, lang.Options{Registry: registry(), Offline: offline, LookupEnv: func(name string) (string, bool) {
		return "/backup", name == "KNOWN"
	}})
	var said []string
	for _, d := range diags {
		said = append(said, d.Summary+": "+d.Detail)
	}
	return c, strings.Join(said, "\n")
}

func TestOfflineLeavesOpenWhatIsOutOfReach(t *testing.T) {
	c, said := offline(t, outOfReach, true)
	if said != "" {
		t.Fatal(said)
	}
	want := map[string][]string{
		"instance.prod":         {"lock.budget", "password", "url"},
		"home.mirror.a":         {"path"},
		"database.postgresql.a": {"host", "password"},
	}
	for _, names := range c.Open() {
		slices.Sort(names)
	}
	if diff := cmp.Diff(want, c.Open()); diff != "" {
		t.Error(diff)
	}
	if got := string(c.Resolved()["home.mirror.a"]["path"]); got != `"`+lang.Elsewhere+`"` {
		t.Errorf("path is %s", got)
	}
	if got := string(c.Resolved()["archive.tar.a"]["destination"]); got != `"/backup"` {
		t.Errorf("destination is %s", got)
	}
	if len(c.Instances) != 1 || !c.Instances[0].Home.IsSet() || !c.Instances[0].Database.IsSet() {
		t.Errorf("instances %+v", c.Instances)
	}
}

func TestOnlineNothingIsLeftOpen(t *testing.T) {
	c, said := offline(t, outOfReach, false)
	if len(c.Open()) > 0 || !strings.Contains(said, "the environment variable HOST is not set") {
		t.Errorf("open %v; said %s", c.Open(), said)
	}
}

func TestWhatDecidesWhatThereIsMustBeKnown(t *testing.T) {
	for name, change := range map[string][2]string{
		"reference": {"home     = home.mirror.a", `home     = env("FAST") == "" ? home.mirror.a : home.mirror.a`},
		"for_each":  {`home "mirror" "a" {`, "home \"mirror\" \"a\" {\n  for_each = toset([env(\"KEY\")])"},
	} {
		t.Run(name, func(t *testing.T) {
			_, said := offline(t, strings.Replace(outOfReach, change[0], change[1], 1), true)
			if !strings.HasPrefix(said, "Value is unknown here: ") || strings.Contains(said, "\n") {
				t.Errorf("said %s", said)
			}
		})
	}
}

func TestOfflineLeavesSecretsAndChecksOpen(t *testing.T) {
	source := strings.Replace(outOfReach, `file("/nowhere/secret")`, "var.password", 1) + `
variable "password" {
  type      = string
  sensitive = true

  validation {
    condition     = length(var.password) > 8
    error_message = "Take a longer one."
  }
}

check "homes" {
  assert {
    condition     = bkp.homes[0].path != "/tmp"
    error_message = "Not there."
  }
  assert {
    condition     = length(bkp.archives) > 5
    error_message = "Too few."
  }
}
`
	c, said := offline(t, source, true)
	if said != "" || !slices.Contains(c.Open()["instance.prod"], "password") {
		t.Errorf("open %v; said %s", c.Open(), said)
	}
	var review []string
	for _, d := range c.Review() {
		review = append(review, d.Summary)
	}
	if want := []string{"Check not evaluated", "Check failed"}; !slices.Equal(review, want) {
		t.Errorf("review %q", review)
	}
	if _, said := offline(t, source, false); !strings.Contains(said, "Variable has no value") {
		t.Errorf("online: %s", said)
	}
}
