package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"bkp/internal/cli"
)

// needs skips a test where a tool is missing, and fails it in CI.
func needs(t *testing.T, tool string) {
	t.Helper()
	if _, err := exec.LookPath(tool); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
}

// systemd has nothing to say about the units: no option that it does not know, no
// program that is missing.
func TestUnitsAreValid(t *testing.T) {
	needs(t, "systemd-analyze")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	all, err := units(self)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	argv := []string{"verify", "--man=no"}
	for _, u := range all {
		path := filepath.Join(dir, u.path)
		if err := os.WriteFile(path, u.data, 0o600); err != nil {
			t.Fatal(err)
		}
		argv = append(argv, strings.ReplaceAll(path, "@.", "@prod."))
	}
	cmd := exec.CommandContext(t.Context(), "systemd-analyze", argv...)
	cmd.Env = append(os.Environ(), "SYSTEMD_LOG_LEVEL=warning")
	out, err := cmd.CombinedOutput()
	// Units of the machine itself may be missing, or be wrong.
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "bkp") {
			t.Error(line)
		}
	}
	if err != nil && !bytes.Contains(out, []byte("not found")) {
		t.Errorf("%v\n%s", err, out)
	}
	if len(all) != 7 {
		t.Errorf("%d units", len(all))
	}
}

// A unit that is no more than sandboxed restarts nothing, and its guardian outlives it.
func TestUnitsKeepTheGuardian(t *testing.T) {
	all, err := units("/usr/bin/bkp")
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range all {
		text := string(u.data)
		if !strings.HasSuffix(u.path, ".service") {
			continue
		}
		for _, want := range []string{"\nKillMode=process\n", "\nProtectSystem=full\n", "\nExecStart=/usr/bin/bkp ", "\nEnvironmentFile=-/etc/bkp/secrets.env\n"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s has no %q:\n%s", u.path, want, text)
			}
		}
		// It would refuse the modes of folders that pass on their group.
		if strings.Contains(text, "RestrictSUIDSGID") {
			t.Errorf("%s: RestrictSUIDSGID", u.path)
		}
	}
}

// What units run are commands that there are, with flags that they have.
func TestUnitsRunCommands(t *testing.T) {
	all, err := units("/usr/bin/bkp")
	if err != nil {
		t.Fatal(err)
	}
	commands := cli.Describe().Commands
	for _, u := range all {
		_, line, ok := strings.Cut(string(u.data), "\nExecStart=/usr/bin/bkp ")
		if !ok {
			continue
		}
		line, _, _ = strings.Cut(line, "\n")
		words := strings.Fields(line)
		i := slices.IndexFunc(commands.Children, func(n *kong.Node) bool { return n.Name == words[0] })
		if i < 0 {
			t.Errorf("%s: no command %s", u.path, words[0])
			continue
		}
		for _, word := range words[1:] {
			name, isFlag := strings.CutPrefix(word, "--")
			if isFlag && !slices.ContainsFunc(commands.Children[i].Flags, func(f *kong.Flag) bool { return f.Name == name }) {
				t.Errorf("%s: %s has no flag %s", u.path, words[0], word)
			}
		}
	}
}

// An archive has the same bytes each time, and says of nothing when it was packed.
func TestArchivesAreTheSameEachTime(t *testing.T) {
	items := []item{{"a/bkp", 0o755, []byte("program")}, {"a/man1/bkp.1", 0o644, []byte("page")}}
	at := time.Unix(1_700_000_000, 0).UTC()
	for name, write := range map[string]func(*bytes.Buffer) error{
		"tar": func(b *bytes.Buffer) error { return writeTar(b, items, at) },
		"zip": func(b *bytes.Buffer) error { return writeZip(b, items, at) },
	} {
		t.Run(name, func(t *testing.T) {
			var first, second bytes.Buffer
			if err := write(&first); err != nil {
				t.Fatal(err)
			}
			if err := write(&second); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(first.Bytes(), second.Bytes()) {
				t.Error("they differ")
			}
		})
	}
}

// Checksums are such as sha256sum checks.
func TestChecksums(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a.tar.gz", "b.deb"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := checksums(dir); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "sha256sum", "-c", "SHA256SUMS")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil || strings.Count(string(out), ": OK") != 2 {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestTargets(t *testing.T) {
	if got, err := chosen("windows/amd64,linux/arm64"); err != nil || len(got) != 2 || got[1] != (target{"linux", "arm64"}) {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := chosen("plan9/386"); err == nil {
		t.Error("plan9/386 is a target")
	}
	if got, err := chosen(""); err != nil || len(got) != len(targets) {
		t.Errorf("%v, %v", got, err)
	}
}

// The time of files is that of the commit, unless $SOURCE_DATE_EPOCH says otherwise.
func TestTimeOfSource(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	got, err := timeOfSource(context.Background())
	if err != nil || got.Unix() != 1_700_000_000 {
		t.Errorf("%v, %v", got, err)
	}
	t.Setenv("SOURCE_DATE_EPOCH", "yesterday")
	if got, err := timeOfSource(context.Background()); err == nil {
		t.Errorf("yesterday is %v", got)
	}
}
