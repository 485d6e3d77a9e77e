package mysqlserver_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"bkp/internal/mysqlserver"
)

func TestStart(t *testing.T) {
	s, err := mysqlserver.Start(t.Context(), filepath.Join(t.TempDir(), "my"))
	needServer(t, err)
	t.Cleanup(func() { _ = s.Stop() })

	const name = "odd `name` é"
	if err := s.CreateDatabase(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	if err := s.Exec(t.Context(), name, "CREATE TABLE t (x int); INSERT INTO t VALUES (1)"); err != nil {
		t.Fatal(err)
	}
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.Kill()
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Exec(t.Context(), name, "INSERT INTO t VALUES (2)"); err != nil {
		t.Errorf("after a restart: %v", err)
	}
	for range 2 {
		if err := s.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Exec(t.Context(), name, "DO 1"); err == nil {
		t.Error("the server answers after Stop")
	}
}

func TestStartFailure(t *testing.T) {
	s, err := mysqlserver.Start(t.Context(), t.TempDir(), "--no-such-setting=1")
	if err == nil {
		_ = s.Stop()
		t.Fatal("an unknown setting is accepted")
	}
	if errors.Is(err, mysqlserver.ErrNotInstalled) {
		needServer(t, err)
	}
}

func needServer(t *testing.T, err error) {
	t.Helper()
	if errors.Is(err, mysqlserver.ErrNotInstalled) && os.Getenv("CI") != "true" {
		t.Skipf("%v; install it with: make deps", err)
	}
	if err != nil {
		t.Fatal(err)
	}
}
