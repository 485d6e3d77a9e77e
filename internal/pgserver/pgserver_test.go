package pgserver_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"bkp/internal/pgserver"
)

// sharedOutside names a file in /dev/shm that the server has open, if that can
// be known here.
func sharedOutside(t *testing.T, s *pgserver.Server) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.Dir(), "data", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	pid, _, _ := strings.Cut(string(text), "\n")
	maps, _ := os.ReadFile(filepath.Join("/proc", pid, "maps"))
	for line := range strings.Lines(string(maps)) {
		if strings.Contains(line, "/dev/shm/PostgreSQL") {
			return line
		}
	}
	return ""
}

func TestStart(t *testing.T) {
	s, err := pgserver.Start(t.Context(), filepath.Join(t.TempDir(), "pg"))
	if errors.Is(err, pgserver.ErrNotInstalled) && os.Getenv("CI") != "true" {
		t.Skipf("%v; install it with: make deps", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Stop() })

	const name = `odd "name" é`
	if err := s.CreateDatabase(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	for label, url := range map[string]string{
		"port":   s.URL(name),
		"socket": "user=" + s.User() + " password=" + s.Password() + " host=" + s.SocketDir() + " dbname=postgres port=" + strconv.Itoa(s.Port()),
	} {
		if label == "socket" && s.SocketDir() == "" {
			continue
		}
		if err := ping(t.Context(), url); err != nil {
			t.Errorf("%s: %v", label, err)
		}
	}
	if err := ping(t.Context(), "user="+s.User()+" password=wrong sslmode=disable host="+s.Host()+" port="+strconv.Itoa(s.Port())); err == nil {
		t.Error("a wrong password is accepted")
	}

	if left := sharedOutside(t, s); left != "" {
		t.Errorf("it shares memory that outlives it when it is killed: %s", left)
	}
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := ping(t.Context(), s.URL(name)); err != nil {
		t.Errorf("after a restart: %v", err)
	}
	for range 2 {
		if err := s.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	if err := ping(t.Context(), s.URL(name)); err == nil {
		t.Error("the server answers after Stop")
	}
}

func TestStartFailure(t *testing.T) {
	if _, err := pgserver.BinDir(); err != nil && os.Getenv("CI") != "true" {
		t.Skipf("%v; install it with: make deps", err)
	}
	s, err := pgserver.Start(t.Context(), t.TempDir(), "no_such_setting=1")
	if err == nil {
		_ = s.Stop()
		t.Fatal("an unknown setting is accepted")
	}
}

func ping(ctx context.Context, url string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}
