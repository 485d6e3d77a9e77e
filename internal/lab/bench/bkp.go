package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"bkp/internal/host"
	"bkp/providers"
)

const configuration = `bkp { state_dir = %q }
instance "bench" {
  url       = %q
  username  = %q
  password  = env("BENCH_ADMINISTRATOR")
  home      = home.%[4]s.shared
  database  = database.postgresql.main
  archives  = [archive.tar.local]
  retention = retention.newest
}
home %[4]q "shared" { path = %[5]q }
database "postgresql" "main" {
  host     = %[6]q
  port     = %[7]d
  database = %[8]q
  username = %[9]q
  password = env("BENCH_DATABASE")
}
archive "tar" "local" { destination = %[10]q }
retention "newest" { keep_last = 1 }
`

// program is a build of bkp. The label is empty for the one that the others
// are compared with.
type program struct{ path, label string }

// bkpMethod is bkp with one of its home strategies, everything else being what
// it is by default.
func bkpMethod(s *site, p program, strategy string) (*method, error) {
	name, dir := fmt.Sprintf("bkp, home %q", strategy), filepath.Join(s.dir, "bkp-"+strategy)
	if p.label != "" {
		name, dir = name+", "+p.label, dir+"-"+p.label
	}
	archives := filepath.Join(dir, "archives")
	text := fmt.Sprintf(configuration, filepath.Join(dir, "state"), s.url, administrator, strategy, s.homeDir(),
		s.pg.Host(), s.pg.Port(), liveDatabase, s.pg.User(), archives)
	if err := os.MkdirAll(archives, 0o700); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, "main.bkp.hcl"), []byte(text), 0o600); err != nil {
		return nil, err
	}
	env := []string{"BENCH_ADMINISTRATOR=" + administrator, "BENCH_DATABASE=" + s.pg.Password()}
	m := &method{
		name: name, dir: dir, archives: archives, prunes: true, attempts: 1,
		process: process{argv: []string{p.path, "--chdir", dir, "apply", "--auto-approve"}, env: env},
	}
	m.reports = func() (time.Duration, error) { return reported(archives) }
	m.restore = func(ctx context.Context, home, database string) error {
		id, err := newestBackup(archives)
		if err != nil {
			return err
		}
		_, err = (&host.Host{}).Run(ctx, host.Command{
			Name: p.path, Env: env,
			Args: []string{"--chdir", dir, "restore", id, "--home", home, "--database", database, "--auto-approve"},
		})
		return err
	}
	return m, nil
}

const manifestName = "manifest.json"

// reported is what the manifest of the one backup that is kept says.
func reported(archives string) (time.Duration, error) {
	id, err := newestBackup(archives)
	if err != nil {
		return 0, err
	}
	text, err := os.ReadFile(filepath.Join(archives, id, manifestName))
	if err != nil {
		return 0, err
	}
	var sealed struct {
		Manifest providers.Manifest `json:"manifest"`
	}
	if err := json.Unmarshal(text, &sealed); err != nil {
		return 0, fmt.Errorf("manifest of %s: %w", id, err)
	}
	return sealed.Manifest.Window["drained_to_complete"], nil
}

// newestBackup is the id of the one backup that is kept.
func newestBackup(archives string) (string, error) {
	found, err := filepath.Glob(filepath.Join(archives, "*", manifestName))
	if err == nil && len(found) != 1 {
		err = fmt.Errorf("%d backups in %s, not the newest alone", len(found), archives)
	}
	if err != nil {
		return "", err
	}
	return filepath.Base(filepath.Dir(found[0])), nil
}

// findProgram finds bkp: in the folder where make builds it, or on PATH.
func findProgram(path string) (string, error) {
	if path != "" {
		if _, err := os.Stat(path); err == nil {
			return filepath.Abs(path)
		} else if !errors.Is(err, os.ErrNotExist) {
			return "", err
		}
	}
	return (&host.Host{}).LookPath("bkp")
}
