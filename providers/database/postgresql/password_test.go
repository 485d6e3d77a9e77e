package postgresql

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bkp/internal/secret"
)

// TestTheToolsGetTheDriversPassword: what lets the plan in lets the dump in.
func TestTheToolsGetTheDriversPassword(t *testing.T) {
	server := sharedServer(t)
	newDatabase(t, server, "no password")
	file := filepath.Join(t.TempDir(), "pass")
	line := "*:*:no password:*:" + escaped(secret.New(password)).Reveal() + "\n"
	service := filepath.Join(t.TempDir(), "service")
	for path, text := range map[string]string{file: line, service: "[bb]\npassword=" + server.Password() + "\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		env  map[string]string
		role func(*Config)
	}{
		"PGPASSWORD": {map[string]string{"PGPASSWORD": password}, asOddRole},
		"PGPASSFILE": {map[string]string{"PGPASSFILE": file}, asOddRole},
		"PGSERVICE":  {map[string]string{"PGSERVICE": "bb", "PGSERVICEFILE": service}, func(*Config) {}},
	} {
		t.Run(name, func(t *testing.T) {
			for name, value := range c.env {
				t.Setenv(name, value)
			}
			s := newTest(t, server, "no password", func(cfg *Config) { c.role(cfg); cfg.Password = secret.String{} })
			if r, err := s.Check(t.Context()); err != nil || len(r.Findings) > 0 {
				t.Fatalf("%v %v", r.Findings, err)
			}
			backup(t, s, nil)
			leftovers(t, s, string(id))
		})
	}
}

// TestCheckLogsInWithTheTool: what keeps pg_dump out is found before any lock.
func TestCheckLogsInWithTheTool(t *testing.T) {
	server := sharedServer(t)
	newDatabase(t, server, "kept out")
	s := newTest(t, server, "kept out", func(c *Config) { c.BinDir = fakeBin(t, "15.0 fail") })
	r, err := s.Check(t.Context())
	if err != nil || len(r.Findings) != 1 || r.Findings[0].Summary != toolRefused || !strings.Contains(r.Findings[0].Detail, "as configured") {
		t.Errorf("%v %v", r.Findings, err)
	}
	leftovers(t, s)
}
