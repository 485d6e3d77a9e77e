package command

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/providers"
)

// reached is a machine whose sudo is a script of the test.
func reached(t *testing.T, sudo string) providers.Connection {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("there is no shell")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "sudo"), []byte("#!/bin/sh\n"+sudo+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	d := Definition()
	cfg := d.NewConfig().(*Config)
	cfg.Command, cfg.Sudo = []string{"env", "PATH=" + dir + ":/usr/bin:/bin"}, true
	made, err := providers.Connections.Open(d, cfg, providers.Env{Address: "connection.command.pod", Host: &host.Host{}})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// TestSudoThatAsksNamesItsLine, and one that does not is passed.
func TestSudoThatAsksNamesItsLine(t *testing.T) {
	for sudo, want := range map[string]string{
		`echo "sudo: a password is required" >&2; exit 1`:                                  "ALL=(root) NOPASSWD: /bin/sh",
		`echo "sudo: a terminal is required to read the password" >&2; exit 1`:             "ALL=(root) NOPASSWD: /bin/sh",
		`echo "bkp is not in the sudoers file." >&2; exit 1`:                               "ALL=(root) NOPASSWD: /bin/sh",
		`echo "/bin/sh: 1: sudo: not found" >&2; exit 127`:                                 "sudo = false",
		`echo "the pod is gone" >&2; exit 1`:                                               "try it by hand",
		`test "$1 $2 $3 $4" = "-n -- /bin/sh -c" || exit 9; shift 4; exec /bin/sh -c "$@"`: "",
	} {
		m := reached(t, sudo)
		s, err := m.Start(t.Context(), "echo there")
		if err != nil {
			t.Fatal(err)
		}
		said, err := io.ReadAll(s)
		if err != nil {
			t.Fatal(err)
		}
		ended := s.Wait()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if want == "" {
			if ended != nil || string(said) != "there\n" {
				t.Errorf("%q, %v", said, ended)
			}
			continue
		}
		if ended == nil {
			t.Errorf("%s: it ended well", sudo)
			continue
		}
		var p *problem.Problem
		if err := m.Explain(ended); !errors.As(err, &p) || !strings.Contains(p.Remedy, want) {
			t.Errorf("%s: %v", sudo, err)
		}
	}
}
