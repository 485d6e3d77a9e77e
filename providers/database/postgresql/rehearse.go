package postgresql

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"

	"github.com/jackc/pgx/v5"

	"bkp/internal/host"
	"bkp/internal/pgserver"
	"bkp/internal/problem"
	"bkp/internal/secret"
	"bkp/providers"
	"bkp/providers/database"
)

const (
	serverMissing = "no PostgreSQL server to restore into"
	serverOld     = "PostgreSQL server too old to restore into"
)

// newCluster is about what a cluster takes when nothing is in it, and its log
// of changes at most, given rehearsalSettings.
const newCluster = 512 << 20

// rehearsalSettings keep the log of changes short: nobody will replay it.
var rehearsalSettings = []string{
	"wal_level=minimal", "max_wal_senders=0", "max_wal_size=256MB", "autovacuum=off", "maintenance_work_mem=128MB",
}

var _ providers.Rehearser = (*strategy)(nil)

// CheckRehearsal implements providers.Rehearser.
func (s *strategy) CheckRehearsal(ctx context.Context, a providers.Artifact, place providers.Place) (providers.Report, error) {
	var r providers.Report
	if _, err := s.findServer(ctx, a); err != nil {
		return r, database.AddProblem(&r, err)
	}
	if _, missing := s.restoreTool(ctx, a); missing != nil {
		r.Add(missing)
	}
	if !pgserver.Reachable(place.Dir) {
		r.Add(database.Unreachable(place.Dir, "postgres"))
	}
	r.Space = []providers.SpaceNeed{{Path: place.Dir, Times: database.Unpacked, Bytes: newCluster, For: "scratch database of " + s.env.Address + ", roughly"}}
	return r, nil
}

// installed is a server whose programs are on this machine.
type installed struct {
	dir     string
	version version
}

// findServer returns the installed server of the version that was backed up, else
// the oldest newer one. What a newer pg_dump wrote is restored into the older
// server as an ordinary restore does it.
func (s *strategy) findServer(ctx context.Context, a providers.Artifact) (installed, error) {
	least := backedUp(a)
	dirs := pgserver.Installed()
	if s.cfg.BinDir != "" {
		dirs = append(dirs, s.cfg.BinDir)
	}
	remedy := fmt.Sprintf("install the PostgreSQL server of version %s or newer on this machine (it need not run), or leave the database out with --no-database", least.majorString())
	var best installed
	var newest version
	for _, dir := range dirs {
		v, err := s.serverVersion(ctx, dir)
		if err != nil {
			continue
		}
		newest = max(newest, v)
		if v.major() >= least.major() && (best.dir == "" || v < best.version) {
			best = installed{dir, v}
		}
	}
	switch {
	case best.dir != "":
		return best, nil
	case newest > 0:
		return best, problem.New(serverOld, fmt.Sprintf("the newest here is %s, and the backup is of %s", newest, least), remedy)
	default:
		return best, problem.Wrap(pgserver.ErrNotInstalled, serverMissing, remedy)
	}
}

// backedUp is the version of the server that a backup is of, or else of the
// client that dumped it; 0 if it does not say.
func backedUp(a providers.Artifact) version {
	for _, fact := range []string{factServerVersion, factClientVersion} {
		if v, err := parseVersion(a.Facts[fact]); err == nil {
			return v
		}
	}
	return 0
}

func (s *strategy) serverVersion(ctx context.Context, dir string) (version, error) {
	if _, err := exec.LookPath(filepath.Join(dir, "initdb")); err != nil {
		return 0, err
	}
	text, err := s.env.Host.Output(ctx, host.Command{Name: filepath.Join(dir, "postgres"), Args: []string{"--version"}})
	if err != nil {
		return 0, err
	}
	return parseVersion(text)
}

// Rehearse implements providers.Rehearser.
func (s *strategy) Rehearse(ctx context.Context, a providers.Artifact, place providers.Place) (providers.Rehearsal, error) {
	found, err := s.findServer(ctx, a)
	if err != nil {
		return nil, err
	}
	acc, known := recordedAccount(a)
	roles, _ := artifactRoles(a)
	settings := slices.Clone(rehearsalSettings)
	for _, x := range acc.Server {
		settings = append(settings, x.Name+"="+x.Value)
	}
	server, err := pgserver.Run(ctx, pgserver.Options{
		Dir: place.Dir, Insist: true, BinDir: found.dir, Superuser: unused(acc.names(roles)), Settings: settings,
	})
	if err != nil {
		return nil, problem.Wrap(err, "scratch PostgreSQL server does not start", "check whether this machine can start an ordinary server")
	}
	cfg := Config{
		Host: server.Host(), Port: server.Port(), Username: server.User(), Password: secret.New(server.Password()),
		Database: a.Facts[factDatabase], TLS: TLS{Mode: "disable"}, Jobs: s.cfg.Jobs, BinDir: s.cfg.BinDir,
	}
	if cfg.Database == "" {
		cfg.Database = s.cfg.Database
	}
	env := s.env
	env.WorkDir = filepath.Join(place.Dir, "client")
	r := &rehearsal{into: newStrategy(cfg, env), server: server, version: found.version, account: acc}
	r.into.unlike = r.unlike
	r.compare(a, s.cfg.Username, known)
	if err := r.imitate(ctx, a, known); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// rehearsal is a restore into a scratch server.
type rehearsal struct {
	into    *strategy
	server  *pgserver.Server
	version version
	// account is that of the backup, super is set if it may do everything in the
	// scratch server.
	account account
	super   bool
	// entries are what NotImitated returns.
	entries []string
	// trouble is what went wrong with this machine while the server was prepared.
	trouble error
}

// Restorer implements providers.Rehearsal.
func (r *rehearsal) Restorer() providers.Restorer {
	return trial{restorer{strategy: r.into}, r}
}

// NotImitated implements providers.Rehearsal.
func (r *rehearsal) NotImitated() []string { return r.entries }

// Close implements providers.Rehearsal.
func (r *rehearsal) Close() error { return r.server.Stop() }

// tablesQuery finds Bitbucket's table of repositories, in whatever schema.
const tablesQuery = `SELECT n.nspname::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
	WHERE c.relname = 'repository' AND c.relkind IN ('r','p') AND ` + userNamespace + ` ORDER BY n.nspname <> 'public', 1`

// Named implements providers.Rehearsal.
func (r *rehearsal) Named(ctx context.Context) ([]int64, bool, error) {
	conn, err := r.into.connect(ctx, r.into.cfg.Database)
	if err != nil {
		return nil, false, err
	}
	defer func() { _ = closeConn(ctx, conn) }()
	schemas, err := names(ctx, conn, tablesQuery)
	if err != nil {
		return nil, false, err
	}
	if len(schemas) == 0 {
		return nil, false, database.NoRepositories(r.into.cfg.Database)
	}
	rows, err := conn.Query(ctx, "SELECT id::bigint FROM "+pgx.Identifier{schemas[0], "repository"}.Sanitize()+" ORDER BY 1")
	if err != nil {
		return nil, false, err
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	return ids, err == nil, err
}
