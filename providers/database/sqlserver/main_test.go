package sqlserver

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"bkp/internal/host"
	"bkp/internal/lab/sqlserver"
	"bkp/internal/secret"
	"bkp/providers"
	"bkp/providers/providertest"
)

const id = providertest.ID

// account of the stand-in on its disk: not root, where root runs the tests.
func serverAccount() int {
	if os.Geteuid() == 0 {
		return 12345
	}
	return 0
}

func newServer(t *testing.T, set ...func(*sqlserver.Options)) *sqlserver.Server {
	t.Helper()
	o := sqlserver.Options{Dir: t.TempDir(), Account: serverAccount()}
	for _, f := range set {
		f(&o)
	}
	s, err := sqlserver.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	newDatabase(s, "bitbucket")
	return s
}

func newDatabase(s *sqlserver.Server, name string) {
	s.CreateDatabase(name)
	s.AddUser(name, "sa")
	s.Write(name, "push", "one", "0123abcd")
	s.Write(name, "push", "two", "it's [quoted]")
}

// warnings are those that a strategy gave.
type warnings struct {
	mu   sync.Mutex
	said []string
}

func (w *warnings) add(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said = append(w.said, text)
}

func (w *warnings) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.said, "\n")
}

// opening is a configuration of the strategy, which can be opened again and again.
type opening struct {
	cfg      Config
	env      providers.Env
	warnings *warnings
	log      *bytes.Buffer
}

func (o opening) new() *strategy { return newStrategy(o.cfg, o.env) }

func newOpening(t *testing.T, s *sqlserver.Server, database string, set ...func(*Config)) opening {
	t.Helper()
	cfg, ok := Definition().NewConfig().(*Config)
	if !ok {
		t.Fatal("the definition has another configuration")
	}
	cfg.Host, cfg.Port, cfg.Database, cfg.Username, cfg.Password = "127.0.0.1", s.Port(), database, "sa", secret.New(s.Password())
	cfg.ServerPath, cfg.Path, cfg.TLS.Mode = sqlserver.BackupFolder, s.Disk(sqlserver.BackupFolder), tlsDisable
	for _, f := range set {
		f(cfg)
	}
	if wrong := cfg.ValidateConfig(); len(wrong) > 0 {
		t.Fatal(wrong)
	}
	o := opening{cfg: *cfg, warnings: &warnings{}, log: &bytes.Buffer{}}
	o.env = providers.Env{
		Address: "database.sqlserver.main", WorkDir: filepath.Join(t.TempDir(), "work"), Host: &host.Host{}, Parallelism: 1,
		Warn: o.warnings.add,
	}
	return o
}

// complete makes a backup as a run does.
func complete(t *testing.T, s *strategy) providers.Artifact {
	t.Helper()
	if err := s.Prepare(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if err := s.Warm(t.Context()); err != nil {
		t.Fatal(err)
	}
	a, err := s.Capture(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if a, err = s.Finish(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return a
}

// left are the names in the folder of backups.
func left(t *testing.T, s *sqlserver.Server) []string {
	t.Helper()
	entries, err := os.ReadDir(s.Disk(sqlserver.BackupFolder))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}
