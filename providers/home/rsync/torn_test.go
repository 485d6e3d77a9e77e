//go:build unix

package rsync

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/home"
	"bkp/providers/providertest"
)

// TestAFileThatChangesWhileRsyncReadsItIsAnError: rsync copies what it finds
// and reports nothing. The tool here is rsync, with somebody who writes as soon as
// it is done under the lock.
func TestAFileThatChangesWhileRsyncReadsItIsAnError(t *testing.T) {
	needRsync(t)
	for name, c := range map[string]struct {
		write string // below the home
		fails bool
	}{
		"rewritten, as long as before": {"printf 'after!' >shared/config/file", true},
		"made":                         {"touch shared/config/new", true},
		"removed":                      {"rm shared/config/file", true},
		"a folder made":                {"mkdir shared/config/folder", true},
		"nothing":                      {"true", false},
		"a mode":                       {"chmod 0640 shared/config/file", false},
		"the log":                      {"printf more >>log/bitbucket.log", false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "home")
			for file, text := range map[string]string{"shared/config/file": "before", "log/bitbucket.log": "line"} {
				if err := os.MkdirAll(filepath.Dir(filepath.Join(path, file)), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(path, file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			tool := filepath.Join(dir, "rsync")
			script := fmt.Sprintf("#!/bin/sh\nrsync \"$@\" || exit\ncase \"$*\" in *--dry-run*|--version) exit;; esac\nif [ -e %s/locked ]; then cd %s && %s; fi\n", dir, path, c.write)
			if err := os.WriteFile(tool, []byte(script), 0o755); err != nil {
				t.Fatal(err)
			}
			s := newStrategy(Config{Config: home.Config{Path: path, IncludeLogs: true}, Tool: Tool{dir}},
				providers.Env{Address: "home.rsync.x", WorkDir: filepath.Join(dir, "work"), Host: &host.Host{}, Parallelism: 1})
			defer func() { _ = s.Close() }()
			if err := s.Prepare(t.Context(), providertest.ID); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "locked"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := s.Capture(t.Context(), providertest.ID)
			if (err != nil) != c.fails {
				t.Fatalf("got %v", err)
			}
			if err != nil && (!strings.HasPrefix(err.Error(), "file changed under the lock") || problem.Remedy(err) == "") {
				t.Errorf("got %v", err)
			}
		})
	}
}
