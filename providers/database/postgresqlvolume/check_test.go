package postgresqlvolume

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/providers"
)

// cluster makes what the strategy looks at of a data directory.
func cluster(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	err := errors.Join(
		os.MkdirAll(filepath.Join(dir, "pg_tblspc"), 0o700), os.MkdirAll(filepath.Join(dir, "pg_wal"), 0o700),
		os.WriteFile(filepath.Join(dir, versionFile), []byte("15\n"), 0o600),
	)
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestCheckRefusesWhatASnapshotDoesNotHold(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		change func(dir string) error
		want   string
	}{
		"nothing":               {func(string) error { return nil }, ""},
		"log of changes linked": {func(dir string) error { return relink(filepath.Join(dir, "pg_wal")) }, "files of the database lie elsewhere"},
		"tablespace":            {func(dir string) error { return os.Symlink("/elsewhere", filepath.Join(dir, "pg_tblspc", "16384")) }, "files of the database lie elsewhere"},
		"standby":               {func(dir string) error { return os.WriteFile(filepath.Join(dir, "standby.signal"), nil, 0o600) }, "server is being recovered"},
		"another backup":        {func(dir string) error { return os.WriteFile(filepath.Join(dir, "backup_label"), nil, 0o600) }, "server is being recovered"},
		"no cluster":            {func(dir string) error { return os.Remove(filepath.Join(dir, versionFile)) }, "not a data directory of PostgreSQL"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := cluster(t)
			if err := c.change(dir); err != nil {
				t.Fatal(err)
			}
			s := strategy{cfg: Config{DataDirectory: dir}, env: providers.Env{Address: "database.postgresql_volume.x", Instance: providers.Instance{HomeAddress: "home.btrfs.x"}}}
			r, err := s.Check(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case c.want == "" && r.Failed(), c.want != "" && (len(r.Findings) != 1 || r.Findings[0].Summary != c.want || r.Findings[0].Severity != problem.Error || r.Findings[0].Remedy == ""):
				t.Errorf("want %q: %+v", c.want, r.Findings)
			}
		})
	}
}

func relink(dir string) error {
	return errors.Join(os.Remove(dir), os.Symlink("/elsewhere", dir))
}

func TestADrillNeedsTheServersOwnVersion(t *testing.T) {
	t.Parallel()
	s := strategy{env: providers.Env{Host: &host.Host{}}}
	a := providers.Artifact{Life: providers.Contained, Facts: map[string]string{factVersion: "7"}}
	r, err := s.CheckRehearsal(t.Context(), a, providers.Place{Dir: filepath.Join(os.TempDir(), "drill")})
	if err != nil || !r.Failed() {
		t.Errorf("%v, %v", r.Findings, err)
	}
}
