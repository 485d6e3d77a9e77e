package postgresqlvolume

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"bkp/internal/host"
	"bkp/internal/pgserver"
	"bkp/internal/problem"
	"bkp/providers"
)

// TestSettingsOfARealServer: what it was started with counts, wherever that stands.
func TestSettingsOfARealServer(t *testing.T) {
	t.Parallel()
	const refused = "server may lose what it has written"
	for name, c := range map[string]struct {
		settings []string
		file     string
		want     string
	}{
		"as by itself":               {[]string{"fsync=on", "full_page_writes=on"}, "", ""},
		"without waiting":            {[]string{"fsync=off", "full_page_writes=on"}, "", refused},
		"torn pages":                 {[]string{"fsync=on", "full_page_writes=off"}, "", refused},
		"in a file of its own":       {[]string{"config_file=FILE"}, "fsync = on\nfull_page_writes = on\n", refused}, // the arguments of a scratch server are stronger
		"a file that cannot be read": {[]string{"fsync=on", "full_page_writes=on"}, "gone", "settings of the server are unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c.file != "" && c.file != "gone" {
				dir, err := os.MkdirTemp("", "bkp-conf")
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = os.RemoveAll(dir) })
				path := filepath.Join(dir, "postgresql.conf")
				if err := errors.Join(os.Chmod(dir, 0o755), os.WriteFile(path, []byte(c.file), 0o600), os.Chmod(path, 0o644)); err != nil {
					t.Fatal(err)
				}
				c.settings[0] = "config_file=" + path
			}
			dir, err := os.MkdirTemp("", "bkp-pg")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = os.RemoveAll(dir) })
			server, err := pgserver.Start(t.Context(), filepath.Join(dir, "server"), c.settings...)
			if errors.Is(err, pgserver.ErrNotInstalled) && os.Getenv("CI") != "true" {
				t.Skip(err)
			}
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := server.Stop(); err != nil {
					t.Error(err)
				}
			})
			data := filepath.Join(server.Dir(), "data")
			if c.file == "gone" {
				if err := os.Remove(filepath.Join(data, commandFile)); err != nil {
					t.Fatal(err)
				}
			}
			s := strategy{cfg: Config{DataDirectory: data}, env: providers.Env{Host: &host.Host{}, Instance: providers.Instance{HomeAddress: "home.btrfs.x"}}}
			r, err := s.Check(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			i := slices.IndexFunc(r.Findings, func(p problem.Problem) bool { return p.Summary == c.want })
			if c.want == "" && len(r.Findings) > 0 || c.want != "" && i < 0 || i >= 0 && r.Failed() != (c.want == refused) {
				t.Errorf("want %q: %+v", c.want, r.Findings)
			}
		})
	}
}

func TestArguments(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"/usr/bin/postgres \"-D\" \"/data/a b\" \"-c\" \"x=y\"\n": {"-D", "/data/a b", "-c", "x=y"},
		"/usr/bin/postgres\n": nil,
	} {
		if got, err := arguments(text); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	if got, err := arguments(`/usr/bin/postgres "-D" "/da`); err == nil {
		t.Errorf("torn: %q", got)
	}
}
