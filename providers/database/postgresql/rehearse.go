package postgresql

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"

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
	r.Space = []providers.SpaceNeed{{Path: place.Dir, Bytes: a.Bytes*database.Unpacked + newCluster, For: "scratch database of " + s.env.Address + ", roughly"}}
	return r, nil
}

// findServer returns the folder of the oldest installed server that can read
// the dump: it is nearest to the one that was backed up.
func (s *strategy) findServer(ctx context.Context, a providers.Artifact) (string, error) {
	var least version
	for _, fact := range []string{factServerVersion, factClientVersion} {
		if v, err := parseVersion(a.Facts[fact]); err == nil {
			least = max(least, v) // pg_dump writes what its own version knows
		}
	}
	dirs := pgserver.Installed()
	if s.cfg.BinDir != "" {
		dirs = append(dirs, s.cfg.BinDir)
	}
	remedy := fmt.Sprintf("install the PostgreSQL server of version %s or newer on this machine (it need not run), or leave the database out with --no-database", least.majorString())
	var best string
	var bestVersion, newest version
	for _, dir := range dirs {
		v, err := s.serverVersion(ctx, dir)
		if err != nil {
			continue
		}
		newest = max(newest, v)
		if v.major() >= least.major() && (best == "" || v < bestVersion) {
			best, bestVersion = dir, v
		}
	}
	switch {
	case best != "":
		return best, nil
	case newest > 0:
		return "", problem.New(serverOld, fmt.Sprintf("the newest here is %s, and the backup is of %s", newest, least), remedy)
	default:
		return "", problem.Wrap(pgserver.ErrNotInstalled, serverMissing, remedy)
	}
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
	bin, err := s.findServer(ctx, a)
	if err != nil {
		return nil, err
	}
	server, err := pgserver.Run(ctx, pgserver.Options{Dir: place.Dir, Insist: true, BinDir: bin, Settings: rehearsalSettings})
	if err != nil {
		return nil, problem.Wrap(err, "scratch PostgreSQL server does not start", "see whether an ordinary one does on this machine")
	}
	cfg := Config{
		Host: server.Host(), Port: server.Port(), Username: server.User(), Password: secret.New(server.Password()),
		Database: a.Facts[factDatabase], SSLMode: "disable", Jobs: s.cfg.Jobs, BinDir: s.cfg.BinDir,
	}
	if cfg.Database == "" {
		cfg.Database = s.cfg.Database
	}
	env := s.env
	env.WorkDir = filepath.Join(place.Dir, "client")
	r := &rehearsal{newStrategy(cfg, env), server}
	if err := r.createRoles(ctx, a); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// rehearsal is a restore into a scratch server.
type rehearsal struct {
	into   *strategy
	server *pgserver.Server
}

// Strategy implements providers.Rehearsal.
func (r *rehearsal) Strategy() providers.Strategy { return r.into }

// Close implements providers.Rehearsal.
func (r *rehearsal) Close() error { return r.server.Stop() }

// createRoles makes those who own something in the backup, so that owners and
// grants are restored, too.
func (r *rehearsal) createRoles(ctx context.Context, a providers.Artifact) error {
	roles, _ := artifactRoles(a)
	for _, role := range roles {
		if strings.HasPrefix(role, "pg_") || role == r.server.User() {
			continue // those of every server
		}
		if err := r.server.Exec(ctx, "postgres", "CREATE ROLE "+pgx.Identifier{role}.Sanitize()); err != nil {
			return fmt.Errorf("role %q in the scratch server: %w", role, err)
		}
	}
	return nil
}

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
