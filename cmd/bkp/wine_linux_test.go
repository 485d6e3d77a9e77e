package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bkp/internal/lab/sandbox/command"
	"bkp/internal/records/catalog"
)

// wineProgram is where Debian's package wine64 has it.
const wineProgram = "/usr/lib/wine/wine64"

// wineConfig is a configuration as an administrator of Windows writes it.
const wineConfig = `bkp { state_dir = "state" }

instance "prod" {
  url       = env("URL")
  username  = "admin"
  password  = env("BKP_SANDBOX_PASSWORD")
  home      = home.mirror.shared
  database  = database.embedded.main
  archives  = [archive.tar.local]
  retention = retention.standard
}
home "mirror" "shared" { path = env("SANDBOX_HOME") }
database "embedded" "main" {}
archive "tar" "local" { destination = "archives" }
retention "standard" { keep_last = 2 }
`

// windows is bkp for Windows under Wine, in a folder with a configuration.
type windows struct {
	t        *testing.T
	exe, dir string
	env      []string
}

// TestWindows runs the build for Windows against a sandbox on this machine: make
// windows.
func TestWindows(t *testing.T) {
	if os.Getenv("BKP_WINE") != "1" {
		t.Skip("slow: make windows")
	}
	home, url := wineSandbox(t)
	w := newWindows(t, "URL="+url, "SANDBOX_HOME="+drive(home), "BKP_SANDBOX_PASSWORD=sandbox")
	check(t, os.WriteFile(filepath.Join(w.dir, "main.bkp.hcl"), []byte(wineConfig), 0o600))

	w.says(0, "windows/amd64", "version")
	w.says(0, "the configuration is valid: 1 instance", "validate")
	w.says(0, "changes are not tracked", "plan")
	w.says(0, "lock window", "apply", "--auto-approve")
	repository := filepath.Join(home, "shared", "data", "repositories", "changed")
	check(t, os.WriteFile(repository, []byte("between two backups"), 0o600))
	w.says(0, "lock window", "apply", "--auto-approve")
	w.says(0, "complete", "list")
	w.says(0, "is intact: all checksums match", "verify", "latest")
	w.says(0, "restored prod-", "restore", "latest", "--home", "restored", "--auto-approve")
	w.says(1, "not empty", "restore", "latest", "--home", "restored", "--auto-approve")
	w.says(0, "not locked", "status")

	restored := filepath.Join(w.dir, "restored")
	if got, err := os.ReadFile(filepath.Join(restored, "shared", "data", "repositories", "changed")); err != nil || string(got) != "between two backups" {
		t.Errorf("the file that changed: %q, %v", got, err)
	}
	if code := command.Run(t.Context(), []string{"check", restored, "embedded"}, os.Stderr, os.Stderr); code != 0 {
		t.Errorf("what was restored is not consistent")
	}
	// What Windows stored is read here.
	c := catalog.Catalog{Dir: filepath.Join(w.dir, "state", "catalog")}
	if all, err := c.List(); err != nil || len(all) != 2 {
		t.Errorf("%d backups in the catalog, %v", len(all), err)
	}
	check(t, os.WriteFile(filepath.Join(w.dir, "rsync.bkp.hcl"), []byte("home \"rsync\" \"other\" { path = env(\"SANDBOX_HOME\") }\n"), 0o600))
	check(t, os.WriteFile(filepath.Join(w.dir, "main.bkp.hcl"), []byte(strings.ReplaceAll(wineConfig, "home.mirror.shared", "home.rsync.other")), 0o600))
	w.says(1, "rsync", "plan")
}

// wineSandbox starts a sandbox without load, and returns its home and address.
func wineSandbox(t *testing.T) (home, url string) {
	t.Helper()
	dir := t.TempDir()
	ready := filepath.Join(dir, "ready.json")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan int, 1)
	go func() {
		ended <- command.Run(ctx, []string{"serve", "--dir", filepath.Join(dir, "home"), "--ready-file", ready, "--writers", "0", "--drain", "50ms"}, io.Discard, io.Discard)
	}()
	t.Cleanup(func() { cancel(); <-ended })
	var r struct{ URL, Home string }
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		if b, err := os.ReadFile(ready); err == nil && json.Unmarshal(b, &r) == nil {
			return r.Home, r.URL
		}
		select {
		case code := <-ended:
			ended <- code
			t.Fatalf("the sandbox ended with %d", code)
		default:
		}
	}
	return "", ""
}

func newWindows(t *testing.T, env ...string) *windows {
	t.Helper()
	top := t.TempDir()
	w := &windows{t: t, exe: filepath.Join(top, "bkp.exe"), dir: filepath.Join(top, "etc")}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", w.exe, ".")
	build.Env = append(os.Environ(), "GOOS=windows", "GOARCH=amd64", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	prefix := filepath.Join(top, "wine")
	w.env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + top, "WINEPREFIX=" + prefix, "WINEDEBUG=-all", "NO_COLOR=1"}, env...)
	check(t, os.Mkdir(w.dir, 0o700), os.Mkdir(prefix, 0o700))
	w.wine("wineboot", "--init")
	t.Cleanup(func() { w.wine("wineboot", "--kill") })
	system := filepath.Join(prefix, "drive_c", "windows", "system32")
	randomness(t, filepath.Join(system, "bcryptprimitives.dll"))
	return w
}

// randomness makes a library that Go's programs need, and Wine 8 has not: its only
// function leads to an older one that does the same.
func randomness(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Stat(path); err == nil {
		return
	}
	def := filepath.Join(t.TempDir(), "forward.def")
	check(t, os.WriteFile(def, []byte("LIBRARY bcryptprimitives.dll\nEXPORTS\n  ProcessPrng = ADVAPI32.SystemFunction036\n"), 0o600))
	if out, err := exec.CommandContext(t.Context(), "x86_64-w64-mingw32-ld", "-shared", "--entry=0", "-o", path, def).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func (w *windows) wine(args ...string) {
	w.t.Helper()
	cmd := exec.Command(wineProgram, args...)
	cmd.Env = w.env
	if out, err := cmd.CombinedOutput(); err != nil {
		w.t.Fatalf("wine %v: %v\n%s", args, err, out)
	}
}

// says runs bkp, and expects an exit code and a text in its output.
func (w *windows) says(code int, want string, args ...string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, wineProgram, append([]string{w.exe}, args...)...)
	cmd.Dir, cmd.Env = w.dir, w.env
	out, err := cmd.CombinedOutput()
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) || cmd.ProcessState.ExitCode() != code || !strings.Contains(string(out), want) {
		w.t.Fatalf("bkp %v: exit code %d, want %d and %q: %v\n%s", args, cmd.ProcessState.ExitCode(), code, want, err, out)
	}
	w.t.Logf("bkp %v\n%s", args, out)
}

// drive is a path of this machine as Wine shows it.
func drive(path string) string { return "Z:" + filepath.ToSlash(path) }
