package cli

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"bkp/internal/filemeta"
)

func runIn(t *testing.T, dir string, args ...string) (code int, out, errs string) {
	t.Helper()
	t.Chdir(dir)
	var o, e bytes.Buffer
	code = Run(t.Context(), args, IO{In: strings.NewReader(""), Out: &o, Err: &e, Hurry: context.Background()})
	return code, o.String(), e.String()
}

func TestFmtRefusesWhatWouldOverflowTheStack(t *testing.T) {
	dir := t.TempDir()
	text := "locals {\n  a = " + strings.Repeat("[", 100_000) + "\n}\n"
	write(t, filepath.Join(dir, "main.bkp.hcl"), text)
	code, _, errs := runIn(t, dir, "fmt")
	if code != ExitFailed || !strings.Contains(errs, "Expression is too deep") {
		t.Errorf("exit code %d, %s", code, errs)
	}
}

func TestFmtLeavesTheFileItselfWhenNothingChanges(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "main.bkp.hcl")
	write(t, name, "locals {\n  a = 1\n}\n")
	before, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	if code, out, errs := runIn(t, dir, "fmt"); code != 0 || out != "" {
		t.Errorf("exit code %d, %s%s", code, out, errs)
	}
	after, err := os.Stat(name)
	if err != nil || !os.SameFile(before, after) || before.ModTime() != after.ModTime() {
		t.Errorf("the file was replaced: %v", err)
	}
}

func TestReplaceFileKeepsTheOwner(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no owner of this kind")
	}
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away; run the tests as root")
	}
	name := filepath.Join(t.TempDir(), "main.bkp.hcl")
	write(t, name, "a=1\n")
	if err := os.Chown(name, 12345, 12345); err != nil {
		t.Fatal(err)
	}
	if err := replaceFile(name, []byte("a = 1\n")); err != nil {
		t.Fatal(err)
	}
	if uid := owner(t, name); uid != 12345 {
		t.Errorf("now it belongs to %d", uid)
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func owner(t *testing.T, name string) uint32 {
	t.Helper()
	m, err := filemeta.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	return m.UID
}
