package postgresqlvolume

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"bkp/internal/host"
	"bkp/internal/pgserver"
	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/database"
)

// CheckRehearsal implements providers.Rehearser.
func (s *strategy) CheckRehearsal(ctx context.Context, a providers.Artifact, place providers.Place) (providers.Report, error) {
	r, err := restorer{strategy: s}.Check(ctx, a)
	if err != nil || r.Failed() {
		return r, err
	}
	if _, err := s.findServer(ctx, a); err != nil {
		return r, database.AddProblem(&r, err)
	}
	if !pgserver.Reachable(place.Dir) {
		r.Add(database.Unreachable(place.Dir, "postgres"))
	}
	return r, nil
}

// findServer is the folder of the programs of the server's own major version: no
// other reads its files.
func (s *strategy) findServer(ctx context.Context, a providers.Artifact) (string, error) {
	want := a.Facts[factVersion]
	dirs := pgserver.Installed()
	if s.cfg.BinDir != "" {
		dirs = []string{s.cfg.BinDir}
	}
	for _, dir := range dirs {
		text, err := s.env.Host.Output(ctx, host.Command{Name: filepath.Join(dir, "postgres"), Args: []string{"--version"}})
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		// postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)
		if fields := strings.Fields(text); err == nil && len(fields) > 2 && (fields[2] == want || strings.HasPrefix(fields[2], want+".")) {
			return dir, nil
		}
	}
	return "", problem.New("no PostgreSQL server to start on the files", "the files are of PostgreSQL "+want+", which no other version reads",
		fmt.Sprintf("install the PostgreSQL server of version %s on this machine (it need not run), or leave the database out with --no-database", want))
}

// Rehearse implements providers.Rehearser. The server is started once the home has
// brought the files.
func (s *strategy) Rehearse(ctx context.Context, a providers.Artifact, place providers.Place) (providers.Rehearsal, error) {
	bin, err := s.findServer(ctx, a)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(s.env.Instance.Folders, func(f providers.Folder) bool { return f.Address == s.env.Address })
	if i < 0 {
		return nil, check(providers.Artifact{Address: a.Address, Strategy: a.Strategy})
	}
	return &rehearsal{strategy: s, bin: bin, dir: place.Dir, data: providers.FolderAt(place.Home, i)}, nil
}

// rehearsal is a server on restored files.
type rehearsal struct {
	*strategy
	bin, dir, data string
	server         *pgserver.Server
}

// Restorer implements providers.Rehearsal.
func (r *rehearsal) Restorer() providers.Restorer { return trial{restorer{strategy: r.strategy}, r} }

// trial starts the server.
type trial struct {
	restorer
	*rehearsal
}

// Check implements providers.Restorer.
func (t trial) Check(ctx context.Context, a providers.Artifact) (providers.Report, error) {
	return t.restorer.Check(ctx, a)
}

// Restore implements providers.Restorer.
func (t trial) Restore(ctx context.Context, a providers.Artifact) error {
	if err := t.restorer.Restore(ctx, a); err != nil {
		return err
	}
	// The server's user may not pass to where the home is restored.
	cluster := filepath.Join(t.dir, "cluster")
	if err := errors.Join(os.MkdirAll(t.dir, 0o700), os.Rename(t.data, cluster)); err != nil {
		return problem.Wrap(err, "files of the database did not come with the home", "verify the backup")
	}
	server, err := pgserver.Adopt(ctx, pgserver.Options{Dir: t.dir, BinDir: t.bin}, cluster)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return problem.Wrap(err, "PostgreSQL does not start on the restored files", "see what it says; restore another backup if this one is needed")
	}
	t.server = server
	return nil
}

// tablesQuery finds Bitbucket's table of repositories, in whatever schema.
const tablesQuery = `SELECT n.nspname::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
	WHERE c.relname = 'repository' AND c.relkind IN ('r','p') AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema' ORDER BY n.nspname <> 'public', 1`

// Named implements providers.Rehearsal.
func (r *rehearsal) Named(ctx context.Context) (ids []int64, known bool, err error) {
	if r.server == nil {
		return nil, false, errors.New("the server was not started")
	}
	conn, err := pgx.Connect(ctx, r.server.URL(r.cfg.Database))
	if err != nil {
		return nil, false, err
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	rows, err := conn.Query(ctx, tablesQuery)
	if err != nil {
		return nil, false, err
	}
	schemas, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, false, err
	}
	if len(schemas) == 0 {
		return nil, false, database.NoRepositories(r.cfg.Database)
	}
	if rows, err = conn.Query(ctx, "SELECT id::bigint FROM "+pgx.Identifier{schemas[0], "repository"}.Sanitize()+" ORDER BY 1"); err != nil {
		return nil, false, err
	}
	ids, err = pgx.CollectRows(rows, pgx.RowTo[int64])
	return ids, err == nil, err
}

// NotImitated implements providers.Rehearsal: the server's own files are all there
// is.
func (*rehearsal) NotImitated() []string { return nil }

// Close implements providers.Rehearsal.
func (r *rehearsal) Close() error {
	if r.server == nil {
		return nil
	}
	return r.server.Stop()
}
