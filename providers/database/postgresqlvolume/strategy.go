package postgresqlvolume

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"bkp/internal/jdbc"
	"bkp/internal/problem"
	"bkp/providers"
)

// Config is the block database "postgresql_volume".
type Config struct {
	DataDirectory string `hcl:"data_directory" help:"data directory of the server, the one that holds PG_VERSION, on a volume that the home's strategy takes snapshots of" example:"/data/postgresql/15/main"`
	Database      string `hcl:"database,optional" help:"name of Bitbucket's database, which a drill asks for its repositories"`
	BinDir        string `hcl:"bin_dir,optional" help:"folder of the programs of a PostgreSQL server of the same major version, for drills" unset:"where systems install it"`
}

// Definition describes the strategy.
func Definition() providers.Definition {
	return providers.Define(providers.Databases, "postgresql_volume", "the files of a PostgreSQL server, captured by the home's snapshots", Config{Database: "bitbucket"},
		func(c Config, env providers.Env) (providers.Strategy, error) { return &strategy{cfg: c, env: env}, nil },
		providers.Engines(jdbc.PostgreSQL), providers.InsideAtomic(providers.Homes))
}

var (
	_ providers.ConfigValidator = (*Config)(nil)
	_ providers.Housed          = (*Config)(nil)
)

// ValidateConfig implements providers.ConfigValidator.
func (c *Config) ValidateConfig() []providers.ConfigProblem {
	if filepath.IsAbs(c.DataDirectory) {
		return nil
	}
	return []providers.ConfigProblem{{
		Attribute: "data_directory", Summary: "path is not absolute", Detail: fmt.Sprintf("%q depends on where bkp is started", c.DataDirectory), Remedy: "begin it with /",
	}}
}

// Folders implements providers.Housed. A server that finds the file of a running
// one does not start.
func (c *Config) Folders() []providers.Folder {
	return []providers.Folder{{Path: c.DataDirectory, LeaveOut: providers.Rules{"/postmaster.pid", "/postmaster.opts", "/pg_stat_tmp/*"}}}
}

const (
	factVersion   = "server_version"
	factDirectory = "data_directory"
	versionFile   = "PG_VERSION"
)

type strategy struct {
	providers.Base

	cfg Config
	env providers.Env
}

var _ providers.Rehearser = (*strategy)(nil)

// Check implements providers.Strategy.
func (s *strategy) Check(ctx context.Context) (providers.Report, error) {
	r := providers.Report{Facts: map[string]string{factDirectory: s.cfg.DataDirectory}, Does: map[providers.Verb]string{
		providers.Capture: "captured with the home, in the snapshot that holds its files",
		providers.Restore: "see that the database's files came with the home; the server recovers when it is started",
	}}
	version, err := s.version()
	var p *problem.Problem
	if errors.As(err, &p) {
		r.Add(p)
		return r, nil
	}
	if err != nil {
		return r, err
	}
	r.Facts[factVersion] = version
	if err := s.checkDirectory(&r); err != nil || r.Failed() {
		return r, err
	}
	return r, s.checkSettings(ctx, &r)
}

// version is the major version of the server that made the directory.
func (s *strategy) version() (string, error) {
	if s.env.Instance.HomeAddress == "" {
		return "", problem.New("home of the database is not known", s.env.Address+" has no home on this machine", "name the instance's home in its block: its snapshots hold the database")
	}
	text, err := os.ReadFile(filepath.Join(s.cfg.DataDirectory, versionFile))
	if err != nil {
		return "", problem.Wrap(err, "not a data directory of PostgreSQL", "name the one that SHOW data_directory gives, and run bkp as root")
	}
	return strings.TrimSpace(string(text)), nil
}

// checkDirectory refuses what would make the restored files useless, or lead to the
// live ones.
func (s *strategy) checkDirectory(r *providers.Report) error {
	for _, folder := range []string{"", "pg_tblspc"} {
		entries, err := os.ReadDir(filepath.Join(s.cfg.DataDirectory, folder))
		if err != nil {
			return problem.Wrap(err, "data directory cannot be read", "run bkp as root")
		}
		for _, e := range entries {
			at := filepath.Join(s.cfg.DataDirectory, folder, e.Name())
			if e.Type()&fs.ModeSymlink != 0 {
				to, _ := os.Readlink(at)
				r.Add(problem.New("files of the database lie elsewhere", fmt.Sprintf("%s leads to %s, which the snapshot of the data directory does not hold", at, to),
					`bring it into the data directory; or dump the database: database "postgresql"`))
			}
		}
	}
	for _, name := range []string{"standby.signal", "recovery.signal", "recovery.conf", "backup_label"} {
		if _, err := os.Lstat(filepath.Join(s.cfg.DataDirectory, name)); err == nil {
			r.Add(problem.New("server is being recovered", filepath.Join(s.cfg.DataDirectory, name)+" is there: the server is a standby, or a backup by files is under way",
				"back up the primary, once nothing else does so"))
		}
	}
	return nil
}

// Capture says where the database is. Its size is part of the home's.
func (s *strategy) Capture(ctx context.Context, _ providers.BackupID) (providers.Artifact, error) {
	version, err := s.version()
	if err != nil {
		return providers.Artifact{}, err
	}
	return providers.Artifact{
		Address: s.env.Address, Strategy: Definition().Name(), PointInTime: time.Now().UTC(),
		Life: providers.Contained, In: s.env.Instance.HomeAddress,
		Facts: map[string]string{factVersion: version, factDirectory: s.cfg.DataDirectory},
	}, context.Cause(ctx)
}

// Discard implements providers.Strategy.
func (*strategy) Discard(context.Context, providers.BackupID) error { return nil }

// Restorer implements providers.Strategy. The files go where the home's restore
// brings them.
func (s *strategy) Restorer(target string) (providers.Restorer, error) {
	if target != "" {
		return nil, fmt.Errorf("%s is restored with the home: %w", s.env.Address, providers.ErrElsewhere)
	}
	return restorer{strategy: s}, nil
}

type restorer struct {
	providers.BaseRestorer
	*strategy
}

// Check implements providers.Restorer.
func (restorer) Check(_ context.Context, a providers.Artifact) (providers.Report, error) {
	r := providers.Report{Does: map[providers.Verb]string{
		providers.Restore: "the files of PostgreSQL " + a.Facts[factVersion] + " come with the home; start a server of that version on them, and it recovers",
	}}
	if err := check(a); err != nil {
		r.Add(err)
	}
	return r, nil
}

// Restore implements providers.Restorer: the home has brought the files.
func (restorer) Restore(_ context.Context, a providers.Artifact) error {
	if err := check(a); err != nil {
		return err
	}
	return nil
}

func check(a providers.Artifact) *problem.Problem {
	if a.Life == providers.Contained && a.Facts[factVersion] != "" {
		return nil
	}
	return problem.New("backup holds no files of PostgreSQL", fmt.Sprintf("%s was captured as %s", a.Address, a.Strategy), "declare the database as it was when the backup was made")
}
