package importer_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"golang.org/x/tools/txtar"

	"bkp/internal/importer"
	"bkp/internal/secret"
	"bkp/lang"
	"bkp/providers"
	"bkp/providers/all"
)

var update = flag.Bool("update", false, "write the golden sections of testdata/*.txtar")

// TestGolden imports each vars.sh under testdata and compares what it becomes
// with the sections main.bkp.hcl and report. It must load without an error, and
// every secret, hunter2, must be gone.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no test data: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			ar, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			result, err := importer.Import(t.Context(), "/etc/vars.sh", ar.Files[0].Data, all.Registry())
			if err != nil {
				t.Fatal(err)
			}
			loads(t, result)
			var report strings.Builder
			for _, e := range result.Entries {
				fmt.Fprintf(&report, "%d %s: %s %s: %s\n", e.Line, e.Name, e.Outcome, e.To, e.Reason)
			}
			fmt.Fprintf(&report, "environment: %s\nunsupported: %s\n", strings.Join(result.Env, ", "), strings.Join(result.Unsupported, ", "))
			got := []txtar.File{ar.Files[0], {Name: "main.bkp.hcl", Data: result.Config}, {Name: "report", Data: []byte(report.String())}}
			if strings.Contains(string(result.Config)+report.String(), "hunter2") {
				t.Errorf("a secret was copied:\n%s%s", result.Config, report.String())
			}
			if *update {
				if err := os.WriteFile(file, txtar.Format(&txtar.Archive{Comment: ar.Comment, Files: got}), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(ar.Files, got); diff != "" {
				t.Errorf("(-want +got; `go test ./internal/importer -update` accepts):\n%s", diff)
			}
		})
	}
}

// loads checks that what was imported is valid with the variables that it
// names, and that it warns of what is missing.
func loads(t *testing.T, result importer.Result) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.bkp.hcl"), result.Config, 0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{}
	for _, name := range result.Env {
		switch {
		case strings.HasSuffix(name, "_URL"):
			env[name] = "https://bitbucket.example.com"
		case strings.HasSuffix(name, "_HOME"), strings.HasSuffix(name, "_ROOT"):
			env[name] = "/srv/" + name
		case strings.HasSuffix(name, "_PORT"):
			env[name] = "5433"
		case strings.HasSuffix(name, "_FINGERPRINT"):
			env[name] = strings.Repeat("0A", 20)
		default:
			env[name] = "x"
		}
	}
	config, diags := lang.Load(dir, lang.Options{
		Registry:  all.Registry(),
		LookupEnv: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
	})
	if diags.HasErrors() {
		t.Fatalf("not valid: %v\n%s", diags, result.Config)
	}
	keeps(t, config)
	reminders := 0
	for _, d := range config.Review() {
		if d.Summary == "Check failed" {
			reminders++
		} else if d.Severity == hcl.DiagError {
			t.Errorf("not valid: %v\n%s", d, result.Config)
		}
	}
	if missing := slices.DeleteFunc(slices.Clone(result.Unsupported), bearable); len(missing) > 0 && !config.Review().HasErrors() {
		t.Errorf("%v would be backed up without", missing)
	}
	if reminders < len(result.Unsupported) {
		t.Errorf("%d reminders of %v", reminders, result.Unsupported)
	}
}

// keeps checks that every part that is captured has an archive that keeps it: bkp plan refuses
// an instance with another one.
func keeps(t *testing.T, config *lang.Config) {
	t.Helper()
	definition := func(address string) providers.Definition {
		i := slices.IndexFunc(config.Components, func(c *lang.Component) bool { return c.Address == address })
		if i < 0 {
			t.Fatalf("%s is not declared", address)
		}
		return config.Components[i].Definition
	}
	for _, instance := range config.Instances {
		var taken []providers.Life
		for _, a := range instance.Archives {
			taken = append(taken, definition(a.Address).Takes()...)
		}
		taken = append(taken, providers.Contained, providers.External)
		for _, p := range append([]providers.Ref[providers.Strategy]{instance.Home, instance.Database, instance.Search}, instance.MeshNodes...) {
			if !p.IsSet() {
				continue
			}
			if lives := definition(p.Address).Yields(); !slices.ContainsFunc(lives, func(l providers.Life) bool { return slices.Contains(taken, l) }) {
				t.Errorf("no archive keeps %s, which is %v", p.Address, lives)
			}
		}
	}
}

// bearable reports whether a backup without it can be restored.
func bearable(what string) bool {
	return what == "zero downtime" || strings.HasPrefix(what, "elasticsearch ")
}

// TestTheRegistryDecides imports a database that one version has and another
// has not.
func TestTheRegistryDecides(t *testing.T) {
	script := []byte("BACKUP_DATABASE_TYPE=mysql\nMYSQL_HOST=db.example.com\nMYSQL_USERNAME=bb\nMYSQL_PASSWORD=hunter2\nBITBUCKET_DB=bitbucket\n")
	type config struct {
		Host     string        `hcl:"host" help:"host"`
		Username string        `hcl:"username" help:"username"`
		Password secret.String `hcl:"password,optional" help:"password"`
	}
	mysql := providers.Define(providers.Databases, "mysql", "a database", config{}, func(config, providers.Env) (providers.Strategy, error) { return nil, nil })
	for name, test := range map[string]struct {
		registry *providers.Registry
		want     []string
		lost     bool
	}{
		"has it":     {providers.NewRegistry(mysql), []string{"= database.mysql.main\n", "\ndatabase \"mysql\" \"main\" {\n"}, false},
		"has it not": {providers.NewRegistry(), []string{"\n# database \"mysql\" \"main\" {\n", "check \"not_imported_database\""}, true},
	} {
		t.Run(name, func(t *testing.T) {
			result, err := importer.Import(t.Context(), "vars.sh", script, test.registry)
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range test.want {
				if !strings.Contains(string(result.Config), want) {
					t.Errorf("no %q in\n%s", want, result.Config)
				}
			}
			if got := slices.Contains(result.Unsupported, `database "mysql"`); got != test.lost {
				t.Errorf("unsupported: %v", result.Unsupported)
			}
			// The block has no attribute for it, in the version that has the block.
			i := slices.IndexFunc(result.Entries, func(e importer.Entry) bool { return e.Name == "BITBUCKET_DB" })
			if i < 0 || result.Entries[i].Outcome != importer.Unsupported {
				t.Errorf("BITBUCKET_DB is not accounted for: %v", result.Entries)
			}
		})
	}
}

// TestNothingIsRun imports what would leave traces if it were run.
func TestNothingIsRun(t *testing.T) {
	trace := filepath.Join(t.TempDir(), "trace")
	script := strings.NewReplacer("TRACE", trace).Replace(`
BITBUCKET_DB=bitbucket
touch TRACE
X=$(touch TRACE)
Y=` + "`touch TRACE`" + `
echo x > TRACE
Z=1 > TRACE
: ${A:=$(touch TRACE)}
cat <(touch TRACE)
if [ -n "$(touch TRACE)" ]; then B=1; fi
[[ -n $(touch TRACE) ]] && C=1
case $(touch TRACE) in *) D=1 ;; esac
f() { touch TRACE; }; f
for i in $(touch TRACE); do touch TRACE; done
E=$((F=$(touch TRACE)))
G=(a $(touch TRACE))
(touch TRACE) & coproc touch TRACE
eval "touch TRACE"; exec 3> TRACE; trap 'touch TRACE' EXIT
`)
	if _, err := importer.Import(t.Context(), "vars.sh", []byte(script), all.Registry()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(trace); !errors.Is(err, os.ErrNotExist) {
		t.Error("something was run")
	}
}

// TestNothingIsRead imports what would show files, users and the environment.
func TestNothingIsRead(t *testing.T) {
	t.Setenv("BKP_TEST_SECRET", "hunter2")
	t.Setenv("BITBUCKET_DB", "hunter2")
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "hunter2"), []byte("INSTANCE_NAME=hunter2"), 0o600); err != nil {
		t.Fatal(err)
	}
	script := strings.ReplaceAll(`
BACKUP_HOME_TYPE=rsync
BITBUCKET_HOME=${BKP_TEST_SECRET}
BITBUCKET_DATA_STORES=(DIR/h*)
POSTGRES_HOST=~root
POSTGRES_USERNAME=${X:-~root}
BACKUP_DATABASE_TYPE=postgresql
. DIR/hunter2
read INSTANCE_NAME < DIR/hunter2
BITBUCKET_URL=$(<DIR/hunter2)
`, "DIR", dir)
	result, err := importer.Import(t.Context(), "vars.sh", []byte(script), all.Registry())
	if err != nil {
		t.Fatal(err)
	}
	for _, leak := range []string{`"hunter2`, "/root", `instance "hunter2"`} {
		if strings.Contains(string(result.Config), leak) {
			t.Errorf("%s was read:\n%s", leak, result.Config)
		}
	}
}

// TestNothingGrows imports what would fill the memory or never end.
func TestNothingGrows(t *testing.T) {
	for name, script := range map[string]string{
		"doubling":     "a=xxxxxxxxxxxxxxxx\n" + strings.Repeat("a=$a$a$a$a$a$a$a$a\n", 1000),
		"doubled list": "a=(x y)\n" + strings.Repeat("a=(\"${a[@]}\" \"${a[@]}\")\n", 1000),
		"appending":    "a=x\n" + strings.Repeat("a+=$a\n", 5000),
		"braces":       "a=({1..2000000000})\nb={a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}",
		"loop":         "while true; do a=$a$a; done\nfor ((;;)); do :; done\nuntil false; do b=1; done",
		"recursion":    "f() { f; }\nf",
		"index":        "a[1000000000]=x\nb=([1000000000]=x)",
		"padding":      "printf -v a '%1000000000d' 1\nb=$(printf '%1000000000d' 1)",
		"replacement":  "a=xxxxxxxxxxxxxxxxxxxxx\nb=${a//x/$a}\nc=${b//x/$b}",
		"reference":    "a=a\nb=${!a}\ndeclare -n c=c\nd=$c",
		"pattern":      "a=" + strings.Repeat("a", 4000) + "\nb=${a##*a*a*a*a*a*a*a*a*b}\n[[ $a == *a*a*a*a*a*a*a*a*b ]] && c=1",
		"arithmetic":   "a=$((2**2**2**2**62))\n((b=1))",
		"deep":         strings.Repeat("$(", 60000),
		"deep ifs":     strings.Repeat("if true; then ", 5000) + "a=1; " + strings.Repeat("fi; ", 5000),
		"long chain":   "true" + strings.Repeat(" && true", 10000) + " && a=1",
		"deep tests":   "[[ " + strings.Repeat("! ( ", 5000) + "a" + strings.Repeat(" )", 5000) + " ]]",
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			result, err := importer.Import(ctx, "vars.sh", []byte(script), all.Registry())
			if ctx.Err() != nil {
				t.Fatal("it takes too long")
			}
			if err == nil && len(result.Config) > 1<<16 {
				t.Errorf("%d bytes of configuration", len(result.Config))
			}
		})
	}
}

func TestRefused(t *testing.T) {
	for name, test := range map[string]struct{ script, want string }{
		"syntax":   {"a=(", "not a shell script"},
		"nothing":  {"root:x:0:0:root:/root:/bin/bash\n", "no settings found"},
		"empty":    {"", "no settings found"},
		"ERB":      {"BITBUCKET_URL=<%= @url %>\n<% if @x %>\n", "a template of ERB"},
		"Jinja":    {"BITBUCKET_URL={{ bitbucket_url }}\n{% if x %}\nBITBUCKET_DB=a\n{% endif %}\n", "a template of Jinja"},
		"too long": {strings.Repeat("#", importer.MaxSource+1), "script too long"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := importer.Import(t.Context(), "vars.sh", []byte(test.script), all.Registry()); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := importer.Import(ctx, "vars.sh", []byte("BITBUCKET_DB=1"), all.Registry()); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled import gives %v", err)
	}
}

// FuzzImport proves that whatever the script, importing ends, and what comes
// of it can be parsed and accounts for the script's variables.
func FuzzImport(f *testing.F) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		ar, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(ar.Files[0].Data)
	}
	for _, s := range []string{
		"BITBUCKET_URL='${x}%{y}\"\\\n\xff'", "INSTANCE_NAME=--", "BACKUP_HOME_TYPE='a\"b\n}'", "BITBUCKET_BACKUP_EXCLUDE_REPOS=(1 -2 x)",
		"a=(b c); d=${a[@]}; e=${a[0]}; f=${a%%b*}; g+=x; h=${a:-b}", "case a in a|b) c=1 ;& *) d=1 ;; esac", "unset a; ! true || a=1",
		"BACKUP_DATABASE_TYPE=mysql MYSQL_HOST=x y", "declare -A a=([b]=c); export -n d; readonly e=1", "KEEP_BACKUPS=99999999999999999999",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		result, err := importer.Import(ctx, "vars.sh", script, all.Registry())
		if ctx.Err() != nil {
			t.Fatal("it takes too long")
		}
		if err != nil {
			return
		}
		file, diags := hclsyntax.ParseConfig(result.Config, "", hcl.InitialPos)
		if diags.HasErrors() {
			t.Fatalf("%v\n%s", diags, result.Config)
		}
		instances := 0
		for _, b := range file.Body.(*hclsyntax.Body).Blocks {
			if b.Type == "instance" {
				instances++
			}
		}
		if instances != 1 {
			t.Errorf("%d instances:\n%s", instances, result.Config)
		}
		for _, e := range result.Entries {
			if e.Name == "" || e.Outcome == "" {
				t.Errorf("an entry without a text: %+v", e)
			}
		}
	})
}
