package mysql

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"

	"bkp/internal/mysqlserver"
	"bkp/internal/problem"
	"bkp/internal/secret"
	"bkp/providers"
	"bkp/providers/database"
)

const (
	serverMissing  = "no database server to restore into"
	leaveOut       = "or leave the database out with --no-database"
	installMariaDB = "install the MariaDB server on this machine (it need not run), " + leaveOut
	// newServer is about what a server takes when nothing is in it.
	newServer = 512 << 20
)

var _ providers.Rehearser = (*strategy)(nil)

// CheckRehearsal implements providers.Rehearser.
func (s *strategy) CheckRehearsal(ctx context.Context, a providers.Artifact, place providers.Place) (providers.Report, error) {
	var r providers.Report
	v, err := parseFact(a.Facts[factServerVersion])
	if err == nil && v.kind == kindMySQL {
		r.Add(problem.New(serverMissing, fmt.Sprintf("the backup is of %s, and bkp can start MariaDB alone", v), "prove it by a restore into a MySQL server of your own, "+leaveOut))
		return r, nil
	}
	if err := mysqlserver.Installed(); err != nil {
		r.Add(problem.Wrap(mysqlserver.ErrNotInstalled, serverMissing, installMariaDB))
	}
	if _, finding := s.findTool(ctx, restoring(), version{kind: kindMariaDB}); usable(finding) != nil {
		r.Add(finding)
	}
	if !mysqlserver.Reachable(place.Dir) {
		r.Add(database.Unreachable(place.Dir, "mysql"))
	}
	r.Space = []providers.SpaceNeed{{Path: place.Dir, Times: database.Unpacked, Bytes: newServer, For: "scratch database of " + s.env.Address + ", roughly"}}
	return r, nil
}

// Rehearse implements providers.Rehearser.
func (s *strategy) Rehearse(ctx context.Context, a providers.Artifact, place providers.Place) (providers.Rehearsal, error) {
	acc, known := recordedAccount(a)
	name := cmp.Or(a.Facts[factDatabase], s.cfg.Database)
	server, err := mysqlserver.Run(ctx, mysqlserver.Options{
		Dir: place.Dir, Insist: true, Superuser: unused(acc.Name, definersOf(a)), Settings: acc.options(name, a),
	})
	if err != nil {
		return nil, problem.Wrap(err, "scratch MariaDB server does not start", "check whether this machine can start an ordinary server")
	}
	cfg := Config{
		Host: server.Host(), Port: server.Port(), Username: server.User(), Password: secret.New(server.Password()),
		Database: name, TLS: TLS{Mode: tlsDisable}, BinDir: s.cfg.BinDir,
	}
	env := s.env
	env.WorkDir = filepath.Join(place.Dir, "client")
	into := newStrategy(cfg, env)
	into.scratch = true
	r := &rehearsal{into: into, server: server, account: acc}
	if err := r.compare(ctx, a, s.cfg.Username, known); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	if known {
		err = r.imitate(ctx, a)
	}
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// rehearsal is a restore into a scratch server.
type rehearsal struct {
	into    *strategy
	server  *mysqlserver.Server
	account account
	// as is the account that restores, "" for the scratch server's superuser.
	as string
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

// Named implements providers.Rehearsal.
func (r *rehearsal) Named(ctx context.Context) ([]int64, bool, error) {
	s, err := r.into.connect(ctx, r.into.cfg.Database)
	if err != nil {
		return nil, false, err
	}
	defer s.close()
	tables, err := s.names(ctx, `SELECT table_name FROM information_schema.tables
		WHERE table_schema = ? AND LOWER(table_name) = 'repository' AND `+baseTables, r.into.cfg.Database)
	if err != nil {
		return nil, false, err
	}
	if len(tables) == 0 {
		return nil, false, database.NoRepositories(r.into.cfg.Database)
	}
	texts, err := s.names(ctx, "SELECT id FROM "+quoteName(tables[0])+" ORDER BY 1")
	if err != nil {
		return nil, false, err
	}
	ids := make([]int64, len(texts))
	for i, text := range texts {
		if ids[i], err = strconv.ParseInt(text, 10, 64); err != nil {
			return nil, false, fmt.Errorf("id of a repository: %w", err)
		}
	}
	return ids, true, nil
}
