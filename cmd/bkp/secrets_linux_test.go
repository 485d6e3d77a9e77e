package main

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io/fs"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"bkp/internal/lab/sandbox"
	"bkp/internal/pgserver"
	"bkp/internal/records/journal"
)

// secretsConfig takes a secret from every place that it can come from. Only
// the instance prod can be reached.
const secretsConfig = `
bkp { state_dir = "state" }
variable "given" {
  type      = string
  sensitive = true
}
variable "exported" {
  type      = string
  sensitive = true
}
locals { direct = %[1]s }

instance "prod" {
  url      = env("URL")
  tls { ca_file = "../in/ca.pem" }
  username = "backup"
  password = env("SECRET_ENV")
  home     = home.rsync.shared
  database = database.postgresql.main
  archives = [archive.tar.local]
}
home "rsync" "shared" { path = env("SANDBOX_HOME") }
database "postgresql" "main" {
  host     = env("PG_HOST")
  port     = env("PG_PORT")
  database = "bitbucket"
  username = "backup"
  password = file("../in/db.secret")
}
archive "tar" "local" { destination = "archives" }

instance "literal" {
  url      = "https://127.0.0.1:1"
  username = "backup"
  password = local.direct
  home     = home.none.x
  database = database.postgresql.lost
  archives = [archive.tar.local]
}
database "postgresql" "lost" {
  host     = "127.0.0.1"
  port     = 1
  database = "bitbucket"
  username = "backup"
  password = properties("../in/other.properties")["jdbc.password"]
}
instance "variable" {
  url      = "http://127.0.0.1:1"
  token    = var.given
  home     = home.none.x
  database = database.mysql.lost
  archives = [archive.tar.local]
}
database "mysql" "lost" {
  host     = "127.0.0.1"
  port     = 1
  database = "bitbucket"
  username = "backup"
  password = var.exported
}
home "none" "x" {}
`

// hideout is a folder with a configuration, everything it needs and secrets.
type hideout struct {
	dir     string // what bkp may write to; what it was given lies in ../in
	secrets map[string]string
	env     []string
	pg      *pgserver.Server
	watch   *watch
	said    int
}

// newSecret has a character for every encoding to change.
func newSecret(name string) string { return name + `&"<%>+/ é:=` + strings.Repeat("~", 2) + "Zq7" }

func newHideout(t *testing.T) *hideout {
	t.Helper()
	top := t.TempDir()
	h := &hideout{dir: filepath.Join(top, "out"), secrets: map[string]string{}}
	for _, name := range []string{"env", "file", "properties", "variable", "exported", "literal"} {
		h.secrets[name] = newSecret("S3cret-" + name)
	}
	in := filepath.Join(top, "in")
	check(t, os.Mkdir(h.dir, 0o700), os.Mkdir(in, 0o700))

	pgDir, err := os.MkdirTemp("", "bkp-secrets-pg")
	check(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(pgDir) })
	if h.pg, err = pgserver.Start(t.Context(), pgDir); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err, "; install it: make deps")
	}
	t.Cleanup(func() { _ = h.pg.Stop() })
	h.secrets["home"] = h.pg.Password()
	check(t, h.pg.CreateDatabase(t.Context(), "bitbucket"),
		h.pg.Exec(t.Context(), "postgres", "CREATE ROLE backup LOGIN SUPERUSER PASSWORD '"+h.secrets["file"]+"'"))

	var options sandbox.HomeOptions
	options.Repositories, options.Commits, options.Database = 2, 2, h.pg.URL("bitbucket")
	home, err := sandbox.CreateHome(t.Context(), filepath.Join(in, "home"), options)
	check(t, err)
	t.Cleanup(func() { _ = home.Close() })
	ts := httptest.NewTLSServer(sandbox.NewServer(sandbox.Options{User: "backup", Password: h.secrets["env"]}))
	t.Cleanup(ts.Close)

	for name, text := range map[string]string{
		"out/main.bkp.hcl":     fmt.Sprintf(secretsConfig, hclQuote(h.secrets["literal"])),
		"out/bkp.bkpvars":      "given = " + hclQuote(h.secrets["variable"]) + "\n",
		"in/db.secret":         h.secrets["file"] + "\n",
		"in/other.properties":  "jdbc.password=" + h.secrets["properties"] + "\n",
		"in/ca.pem":            string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ts.Certificate().Raw})),
		"in/failing/pg_dump":   "#!/bin/sh\n# What the plan asks is answered; the dump of the snapshot fails.\ncase \"$*\" in *--snapshot*) ;; *) PATH=${PATH#*:} exec pg_dump \"$@\";; esac\necho \"$@\" >&2; env >&2; cat \"$PGPASSFILE\" >&2; sed 's/\\\\:/:/g' \"$PGPASSFILE\" >&2; exit 1\n",
		"in/failing/mysqldump": "#!/bin/sh\nenv >&2; exit 1\n",
	} {
		path := filepath.Join(top, name)
		check(t, os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o700))
	}
	h.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + top, "TMPDIR=" + os.Getenv("TMPDIR"), "NO_COLOR=1", "BKP_LOG=debug", "URL=" + ts.URL, "SANDBOX_HOME=" + filepath.Join(in, "home"),
		"PG_HOST=" + h.pg.Host(), fmt.Sprintf("PG_PORT=%d", h.pg.Port()),
		"SECRET_ENV=" + h.secrets["env"], "BKP_VAR_exported=" + h.secrets["exported"],
	}
	check(t, os.Mkdir(filepath.Join(h.dir, "said"), 0o700))
	h.watch = watchProcesses(t)
	return h
}

func hclQuote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `${`, `$${`, `%{`, `%%{`).Replace(s) + `"`
}

// run runs the command as a process of its own, with a umask, and keeps what it
// said. It fails if the exit code is not as expected.
func (h *hideout) run(t *testing.T, umask string, code int, env []string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", append([]string{"-c", `umask "$0"; exec bkp "$@"`, umask}, args...)...)
	cmd.Dir, cmd.Env = h.dir, append(append([]string{}, h.env...), env...)
	out, _ := cmd.CombinedOutput()
	h.said++
	check(t, os.WriteFile(filepath.Join(h.dir, "said", fmt.Sprintf("%02d", h.said)), out, 0o600))
	if got := cmd.ProcessState.ExitCode(); got != code {
		t.Errorf("bkp %v: exit code %d, want %d\n%s", args, got, code, out)
	}
	return string(out)
}

// ids are the backups in the catalog, oldest first.
func (h *hideout) ids(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(h.dir, "state", "catalog", "*.json"))
	check(t, err)
	for i, f := range files {
		files[i] = strings.TrimSuffix(filepath.Base(f), ".json")
	}
	if len(files) == 0 {
		t.Fatal("no backup")
	}
	return files
}

// TestNoSecretLeavesItsPlace runs everything that can be run, with a secret in
// every place where one may come from, and looks for each in everything that
// was written, printed, or shown to other users of the machine.
func TestNoSecretLeavesItsPlace(t *testing.T) {
	h := newHideout(t)
	all := func(code int, args ...string) {
		t.Helper()
		h.run(t, "022", code, nil, args...)
		h.run(t, "022", code, nil, append(args, "--json")...)
	}
	all(0, "validate")
	h.run(t, "022", 0, nil, "graph", "--target", "instance.prod")
	all(1, "plan") // two of three instances cannot be reached
	all(0, "plan", "--target", "instance.prod")
	h.run(t, "022", 0, nil, "plan", "--target", "instance.prod", "--format", "markdown")
	h.run(t, "0", 0, nil, "plan", "--target", "instance.prod", "--out", "saved.bkpplan")
	h.run(t, "0", 0, nil, "apply", "--auto-approve", "saved.bkpplan")
	h.run(t, "0777", 0, nil, "apply", "--auto-approve", "--json", "--target", "instance.prod")
	all(1, "apply", "--auto-approve", "--target", "instance.literal")
	all(1, "apply", "--auto-approve", "--target", "instance.variable")
	all(0, "list")
	all(0, "status")
	all(0, "unlock")
	id := h.ids(t)[0]
	all(0, "show", id)
	all(0, "show", "saved.bkpplan")
	all(0, "verify", id)
	h.run(t, "0", 0, nil, "restore", id, "--home", "restored/deep/home", "--database", "copy", "--auto-approve")
	all(1, "restore", id, "--home", "restored/deep/home", "--database", "copy", "--auto-approve")

	// What fails says more.
	wrong := newSecret("S3cret-wrong")
	h.secrets["wrong"] = wrong
	h.run(t, "022", 1, []string{"SECRET_ENV=" + wrong}, "apply", "--auto-approve", "--target", "instance.prod")
	failing := []string{"PATH=" + filepath.Join(filepath.Dir(h.dir), "in", "failing") + ":" + os.Getenv("PATH")}
	h.run(t, "022", 6, failing, "apply", "--auto-approve", "--target", "instance.prod")
	check(t, h.pg.Exec(t.Context(), "postgres", "ALTER ROLE backup PASSWORD 'another'"))
	h.run(t, "022", 1, nil, "plan", "--target", "instance.prod")
	check(t, h.pg.Stop())
	h.run(t, "022", 1, nil, "plan", "--target", "instance.prod")
	check(t, os.WriteFile(filepath.Join(h.dir, "broken.bkp.hcl"), []byte("locals { direct = \n"), 0o600))
	all(1, "validate")
	check(t, os.Remove(filepath.Join(h.dir, "broken.bkp.hcl")))
	h.crash(t)

	h.tokens(t)
	h.watch.stop(t, h.secrets)
	h.search(t)
	h.modes(t)
}

// tokens adds those of the lock, which the journal alone may hold.
func (h *hideout) tokens(t *testing.T) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(h.dir, "state", "journal", "*.jsonl"))
	check(t, err)
	for _, f := range files {
		for line := range bytes.Lines(mustRead(t, f)) {
			var r journal.Record
			check(t, json.Unmarshal(line, &r))
			for name, token := range map[string]string{"unlock": r.UnlockToken, "cancel": r.CancelToken} {
				if token != "" {
					h.secrets["token to "+name+" of "+filepath.Base(f)] = token
				}
			}
		}
	}
	if len(h.secrets) < 12 {
		t.Errorf("only these secrets: %v", h.secrets)
	}
}

// crash asks a process for the stacks of all its goroutines, as a bug would
// print them.
func (h *hideout) crash(t *testing.T) {
	t.Helper()
	var out bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "bkp", "apply", "--auto-approve", "--target", "instance.variable")
	// A server that never answers holds the command.
	ts := httptest.NewUnstartedServer(nil)
	defer func() { _ = ts.Listener.Close() }()
	cmd.Dir, cmd.Env = h.dir, append(append([]string{}, h.env...), "GOTRACEBACK=all", "BKP_VAR_given="+h.secrets["variable"])
	config := strings.Replace(string(mustRead(t, filepath.Join(h.dir, "main.bkp.hcl"))), `"http://127.0.0.1:1"`, `"http://`+ts.Listener.Addr().String()+`"`, 1)
	check(t, os.WriteFile(filepath.Join(h.dir, "main.bkp.hcl"), []byte(config), 0o600))
	cmd.Stdout, cmd.Stderr = &out, &out
	check(t, cmd.Start())
	conn, err := ts.Listener.Accept()
	check(t, err)
	check(t, cmd.Process.Signal(syscall.SIGQUIT))
	_ = cmd.Wait()
	_ = conn.Close()
	if !strings.Contains(out.String(), "goroutine ") {
		t.Errorf("no stacks: %s", out.String())
	}
	check(t, os.WriteFile(filepath.Join(h.dir, "said", "crash"), out.Bytes(), 0o600))
}

func mustRead(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	check(t, err)
	return b
}

// given are the files that hold secrets because somebody put them there.
var given = map[string]bool{"main.bkp.hcl": true, "bkp.bkpvars": true}

// search looks through everything that was written.
func (h *hideout) search(t *testing.T) {
	t.Helper()
	wanted := needles(h.secrets)
	searched, archives := 0, 0
	check(t, filepath.WalkDir(h.dir, func(path string, e fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(h.dir, path)
		if err != nil || !e.Type().IsRegular() || given[rel] {
			return err
		}
		for name, content := range unpacked(t, path) {
			if strings.HasSuffix(name, ".tar.zst") {
				archives++
			}
			searched++
			if strings.Contains(name, "/database.") && strings.HasSuffix(name, " (not private)") {
				t.Errorf("%s is in the archive", name)
			}
			for _, n := range wanted {
				// The home's own password of the database stands in the home.
				if n.secret == "home" && strings.HasSuffix(name, "shared/bitbucket.properties") {
					continue
				}
				if strings.HasPrefix(n.secret, "token ") && strings.HasPrefix(rel, "state/journal/") {
					continue
				}
				if bytes.Contains(content, []byte(n.text)) {
					t.Errorf("%s: the secret %q, %s", name, n.secret, n.how)
				}
			}
		}
		return nil
	}))
	t.Logf("%d secrets in %d forms looked for in %d files", len(h.secrets), len(wanted), searched)
	if searched < 100 || archives < 2 {
		t.Errorf("%d files were searched, %d archives", searched, archives)
	}
}

// modes looks at what bkp wrote for itself, some of it with the umask 0.
func (h *hideout) modes(t *testing.T) {
	t.Helper()
	for _, top := range []string{"state", "archives", "saved.bkpplan"} {
		check(t, filepath.WalkDir(filepath.Join(h.dir, top), func(path string, e fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			rel, _ := filepath.Rel(h.dir, path)
			// A working copy has the modes of the home, behind a private folder.
			if strings.HasSuffix(filepath.Dir(rel), "/copy") || strings.Contains(rel, filepath.Join("home.rsync.shared", "copy")+"/") {
				return nil
			}
			info, err := e.Info()
			if err != nil {
				return err
			}
			if want := map[bool]fs.FileMode{true: 0o700, false: 0o600}[e.IsDir()]; info.Mode().Perm() != want {
				t.Errorf("%s has mode %v", rel, info.Mode())
			}
			return nil
		}))
	}
	// What lies above a restored home is for the user that Bitbucket runs as.
	info, err := os.Stat(filepath.Join(h.dir, "restored", "deep"))
	if err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("the folder above the home: %v %v", info, err)
	}
}
