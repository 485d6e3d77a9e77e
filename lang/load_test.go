package lang_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"

	"bkp/internal/problem"
	"bkp/lang"
)

// write makes a folder of files.
func write(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func options() lang.Options {
	return lang.Options{
		Registry:  registry(),
		LookupEnv: func(k string) (string, bool) { return "hunter2", k == "PW" },
	}
}

// mustLoad loads what must have no diagnostics at all.
func mustLoad(t testing.TB, text string) *lang.Config {
	t.Helper()
	c, diags := lang.Load(write(t, map[string]string{"main.bkp.hcl": text}), options())
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	return c
}

const small = `
instance "prod" {
  url       = "https://bitbucket.example.com"
  username  = "backup"
  password  = env("PW")
  tls { ca_file = "ca.pem" }
  home      = home.mirror.a
  database  = database.postgresql.a
  archives  = [archive.tar.a]
  retention = retention.a
  lock {
    budget = "20m"
  }
}
home "mirror" "a" {
  path                 = "/home"
  exclude_repositories = [42]
  labels               = { a = "b" }
  timeout              = "90s"
}
database "postgresql" "a" {
  host     = "db"
  password = env("PW")
}
archive "tar" "a" {
  destination = "/backup"
}
retention "a" {
  keep_last = 7
}
`

func component(t *testing.T, c *lang.Config, address string) *lang.Component {
	t.Helper()
	found, ok := c.Component(address)
	if !ok {
		t.Fatalf("there is no %s", address)
	}
	return found
}

func TestLoad(t *testing.T) {
	t.Parallel()
	c := mustLoad(t, small)
	i, ok := c.Instance("prod")
	if !ok || i.Address != "instance.prod" {
		t.Fatalf("instance prod: %v, %v", i, ok)
	}
	if got := i.Password.Reveal(); got != "hunter2" {
		t.Errorf("password is %q", got)
	}
	if i.Token.IsSet() {
		t.Error("token is set")
	}
	if want := filepath.Join(c.Dir, "ca.pem"); i.TLS.CAFile != want {
		t.Errorf("ca_file is %q, want %q", i.TLS.CAFile, want)
	}
	if want := (lang.Lock{DrainTimeout: 5 * time.Minute, Budget: 20 * time.Minute, Grace: 30 * time.Second}); i.Lock != want {
		t.Errorf("lock is %v, want %v", i.Lock, want)
	}
	want := &mirrorConfig{
		Path: "/home", Repositories: []int{42}, Labels: map[string]string{"a": "b"},
		Timeout: 90 * time.Second, Jobs: 4,
	}
	if diff := cmp.Diff(want, component(t, c, i.Home.Address).Config); diff != "" {
		t.Errorf("home (-want +got):\n%s", diff)
	}
	if got := component(t, c, i.Database.Address).Config.(*databaseConfig).Password.Reveal(); got != "hunter2" {
		t.Errorf("password of the database is %q", got)
	}
	if r, ok := c.Retention(i.Retention.Address); !ok || r.KeepLast != 7 || len(i.Archives) != 1 || i.Archives[0].Address != "archive.tar.a" {
		t.Errorf("retention %v, archives %v", i.Retention, i.Archives)
	}
	if got := i.Attrs["lock.budget"].Start.Line; got != 12 {
		t.Errorf("lock.budget stands in line %d, want 12", got)
	}
	if len(c.Components) != 3 {
		t.Errorf("%d components, want 3", len(c.Components))
	}
}

func TestDiagnose(t *testing.T) {
	t.Parallel()
	c := mustLoad(t, small)
	d := component(t, c, c.Instances[0].Home.Address).Diagnose(*problem.Warn("home is missing", "/home does not exist", "create it"))
	got := relative(render(t, c, hcl.Diagnostics{d}), c.Dir)
	want := `Warning: home is missing

  on main.bkp.hcl line 15, in home "mirror" "a":
  15: home "mirror" "a" {

/home does not exist
create it

`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestDigest(t *testing.T) {
	t.Parallel()
	base := mustLoad(t, small)
	tests := []struct {
		name     string
		old, new string
		want     []string
	}{
		{name: "same", old: "", new: ""},
		{name: "comment", old: `home "mirror"`, new: "# why\nhome \"mirror\""},
		{name: "spelling", old: `"/home"`, new: `"/${lower("HOME")}"`},
		{name: "default written out", old: `budget = "20m"`, new: "budget = \"1200s\"\n    drain_timeout = \"300s\""},
		{name: "attribute", old: `"/home"`, new: `"/other"`, want: []string{`home.mirror.a path "/home" -> "/other"`}},
		{name: "in a list", old: "[42]", new: "[43]", want: []string{"home.mirror.a exclude_repositories [42] -> [43]"}},
		{name: "lock", old: `"20m"`, new: `"30m"`, want: []string{`instance.prod lock.budget "20m0s" -> "30m0s"`}},
		{name: "secret removed", old: "host     = \"db\"\n  password = env(\"PW\")", new: `host = "db"`,
			want: []string{`database.postgresql.a password "(sensitive)" -> null`}},
		{name: "block added", old: `retention "a" {`, new: "retention \"b\" {\n  keep_last = 1\n}\nretention \"a\" {",
			want: []string{
				"retention.b keep_daily  -> 0", "retention.b keep_hourly  -> 0", "retention.b keep_last  -> 1", "retention.b keep_monthly  -> 0", "retention.b keep_weekly  -> 0",
				`retention.b keep_within  -> ""`, "retention.b keep_yearly  -> 0", "retention.b max_delete  -> 10", "retention.b min_size  -> 10", `retention.b timezone  -> ""`,
			}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			text := small
			if tt.old != "" {
				text = strings.Replace(small, tt.old, tt.new, 1)
				if text == small {
					t.Fatalf("%q is not in the configuration", tt.old)
				}
			}
			c := mustLoad(t, text)
			var got []string
			for _, ch := range base.Resolved().Changes(c.Resolved()) {
				got = append(got, fmt.Sprintf("%s %s %s -> %s", ch.Address, ch.Attribute, ch.Before, ch.After))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("changes (-want +got):\n%s", diff)
			}
			if same := c.Digest() == base.Digest(); same != (len(tt.want) == 0) {
				t.Errorf("same digest: %v", same)
			}
		})
	}
}

// TestResolvedJSON proves that what a plan saves is read back the same.
func TestResolvedJSON(t *testing.T) {
	t.Parallel()
	c := mustLoad(t, small)
	text, err := json.Marshal(c.Resolved())
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "hunter2") {
		t.Errorf("a secret is shown: %s", text)
	}
	var back lang.Resolved
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if changes := back.Changes(c.Resolved()); len(changes) > 0 {
		t.Errorf("changed by saving: %v", changes)
	}
}

func TestRequiredVersion(t *testing.T) {
	t.Parallel()
	tests := []struct {
		have, want string
		fits       bool
	}{
		{"1.2.3", ">= 1.0", true},
		{"v1.2.3", "~> 1.2", true},
		{"1.2.3", "< 1.0", false},
		{"2.0.0-rc1", ">= 2.0", true},
		{"2.0.0-rc1", ">= 2.1", false},
		{"dev", ">= 9.0", true},
		{"(devel)", ">= 9.0", true},
		{"", ">= 9.0", true},
		{"v0.0.0-20261122214431-0123456789ab", ">= 9.0", true},
	}
	for _, tt := range tests {
		t.Run(tt.have+tt.want, func(t *testing.T) {
			t.Parallel()
			o := options()
			o.Version = tt.have
			dir := write(t, map[string]string{"main.bkp.hcl": fmt.Sprintf("bkp {\n required_version = %q\n}\n%s", tt.want, small)})
			_, diags := lang.Load(dir, o)
			if diags.HasErrors() == tt.fits {
				t.Errorf("fits: %v, want %v: %v", !diags.HasErrors(), tt.fits, diags)
			}
		})
	}
}

func TestStateDir(t *testing.T) {
	t.Parallel()
	dir := write(t, map[string]string{"main.bkp.hcl": small})
	o := options()
	state := t.TempDir()
	o.LookupEnv = func(k string) (string, bool) {
		v, ok := map[string]string{"PW": "hunter2", "XDG_STATE_HOME": state}[k]
		return v, ok
	}
	c, diags := lang.Load(dir, o)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	want := filepath.Join(state, "bkp")
	if os.Geteuid() == 0 {
		want = "/var/lib/bkp"
	}
	if c.StateDir != want {
		t.Errorf("state folder is %q, want %q", c.StateDir, want)
	}
}

// TestFolder shows which files belong to a configuration.
func TestFolder(t *testing.T) {
	t.Parallel()
	dir := write(t, map[string]string{
		"main.bkp.hcl":     small,
		".hidden.bkp.hcl":  "broken",
		"main.bkp.hcl~":    "broken",
		"main.bkp.hcl.bak": "broken",
		"other.hcl":        "broken",
	})
	if err := os.Mkdir(filepath.Join(dir, "folder.bkp.hcl"), 0o700); err != nil {
		t.Fatal(err)
	}
	if c, diags := lang.Load(dir, options()); len(diags) > 0 || len(c.Files()) != 1 {
		t.Errorf("files %v, diagnostics %v", c.Files(), diags)
	}
}

// TestHostile has sources that must not overflow the stack or fill the memory.
func TestHostile(t *testing.T) {
	t.Parallel()
	const n = 300_000
	tests := []struct{ name, file, text, want string }{
		{"parentheses", "a.bkp.hcl", "locals {\n  a = " + strings.Repeat("(", n), "Expression is too deep"},
		{"brackets", "a.bkp.hcl", "locals {\n  a = " + strings.Repeat("[", n), "Expression is too deep"},
		{"negations", "a.bkp.hcl", "locals {\n  a = " + strings.Repeat("!", n) + "true\n}", "Expression is too deep"},
		{"sums", "a.bkp.hcl", "locals {\n  a = 1" + strings.Repeat("+1", n) + "\n}", "Expression is too deep"},
		{"conditions", "a.bkp.hcl", "locals {\n  a = " + strings.Repeat("true?1:", n/5) + "1\n}", "Expression is too deep"},
		{"templates", "a.bkp.hcl", "locals {\n  a = " + strings.Repeat(`"${`, n), "Expression is too deep"},
		{"indices", "a.bkp.hcl", "locals {\n  a = b" + strings.Repeat(".c", n) + "\n}", "Expression is too deep"},
		{"blocks", "a.bkp.hcl", strings.Repeat("a {\n", n/2), "Expression is too deep"},
		{"json", "a.bkp.hcl.json", `{"locals": {"a": ` + strings.Repeat("[", n), "Expression is too deep"},
		{"json template", "a.bkp.hcl.json", `{"locals": {"a": "${` + strings.Repeat("(", n) + `"}}`, "Expression is too deep"},
		{"json escaped", "a.bkp.hcl.json", `{"locals": {"a": "$\u007b` + strings.Repeat(`\u0028`, n/3) + `"}}`, "Expression is too deep"},
		{"number", "a.bkp.hcl", "locals {\n  a = \"${1e999999999}\"\n}", "Number is too large"},
		{"json number", "a.bkp.hcl.json", `{"locals": {"a": "${1e999999999}"}}`, "Number is too large"},
		{"large", "a.bkp.hcl", "# " + strings.Repeat("x", 1<<20), "Configuration file cannot be read"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, diags := lang.Load(write(t, map[string]string{tt.file: tt.text}), options())
			if text := diags.Error(); !diags.HasErrors() || !strings.Contains(text, tt.want) {
				t.Errorf("got %.300s, want %s", text, tt.want)
			}
			_ = render(t, c, nil)
		})
	}
}

// TestLong has what is long but not deep, and must be taken.
func TestLong(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString(small + "locals {\n  list = [\n")
	for n := range 10_000 {
		fmt.Fprintf(&b, "    { n = -%d, s = \"${1 + 1}-x\" }, # a comment - with (signs\n", n)
	}
	b.WriteString("  ]\n  text = <<-EOT\n" + strings.Repeat("    -- ((( ??? ----\n", 1000) + "  EOT\n}\n")
	mustLoad(t, b.String())
}

func fleetConfig(n int) string {
	var teams strings.Builder
	for i := range n {
		fmt.Fprintf(&teams, "    t%d = \"/home/%d\"\n", i, i)
	}
	return "locals {\n  teams = {\n" + teams.String() + "  }\n}\n" + `
instance "team" {
  for_each  = local.teams
  url       = "https://${each.key}.example.com"
  token     = env("PW")
  home      = home.mirror.team[each.key]
  database  = database.postgresql.team[each.key]
  archives  = [archive.tar.team[each.key]]
  retention = retention.team[each.key]
}
home "mirror" "team" {
  for_each = local.teams
  path     = each.value
}
database "postgresql" "team" {
  for_each = local.teams
  host     = "${each.key}.db.example.com"
  password = env("PW")
}
archive "tar" "team" {
  for_each    = local.teams
  destination = "/backup/${each.key}"
}
retention "team" {
  for_each  = local.teams
  keep_last = 7
}
`
}

// BenchmarkForEach loads instances with four blocks each; the time for one
// must not grow with their number.
func BenchmarkForEach(b *testing.B) {
	for _, n := range []int{100, 1000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			dir := write(b, map[string]string{"main.bkp.hcl": fleetConfig(n)})
			for b.Loop() {
				c, diags := lang.Load(dir, options())
				if diags.HasErrors() || len(c.Instances) != n {
					b.Fatal(len(c.Instances), diags)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*n), "µs/instance")
		})
	}
}
