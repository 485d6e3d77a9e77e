package postgresql

import (
	"context"
	"fmt"
	"net"
	"strconv"

	"github.com/jackc/pgx/v5"

	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/database"
)

// Summaries of what a check finds.
const (
	unreadableTables  = "database role cannot read everything"
	onStandby         = "database server is a standby"
	throughProxy      = "database connection is shared by a proxy"
	targetNotEmpty    = "target database is not empty"
	cannotCreate      = "target database cannot be created"
	ownersNotRestored = "owners of the database's objects are not restored"
	serverOlder       = "target server is older than the one that was backed up"
)

// Check implements providers.Strategy.
func (s *strategy) Check(ctx context.Context) (providers.Report, error) {
	var r providers.Report
	conn, err := s.connect(ctx, s.cfg.Database)
	if err != nil {
		if _, missing := s.dumpTool(ctx, 0); missing != nil {
			r.Add(missing)
		}
		return r, database.AddProblem(&r, err)
	}
	defer func() { _ = closeConn(ctx, conn) }()

	f, err := databaseFacts(ctx, conn)
	if err != nil {
		return r, err
	}
	client, missing := s.dumpTool(ctx, f.version)
	if missing != nil {
		r.Add(missing)
	}
	if f.version < withTransactionTimeout && client.version >= withTransactionTimeout {
		r.Add(problem.Warn(toolNewer, fmt.Sprintf("%s is version %s, the server is %s: its dump can be restored by a client of that version or newer only", client.path, client.version, f.version),
			fmt.Sprintf("install the PostgreSQL client of version %s, or name its folder in bin_dir", f.version.majorString())))
	}
	if f.standby {
		r.Add(problem.New(onStandby, fmt.Sprintf("%s follows another server", s.cfg.Host),
			"name the primary: a standby may lag behind, and would not hold the instant of the lock"))
	}
	for _, check := range []func(context.Context, *pgx.Conn, *providers.Report) error{
		s.checkReadable, s.checkEncoding, s.checkSize, s.checkLocks, s.checkConnections, s.checkAdminObjects, s.checkProxy, s.checkIdentity,
	} {
		if err := check(ctx, conn, &r); err != nil {
			return r, err
		}
	}
	if missing == nil && !r.Failed() && !s.cfg.LockedDump { // settings of pg_dump would stay in sessions of a pool
		if err := s.logIn(ctx, client); err != nil && ctx.Err() == nil {
			r.Add(problem.Wrap(err, toolRefused, "run it by hand with the settings of the database block; bkp passes it no PG variables but those of the password and of certificates"))
		}
	}
	r.Facts[factServerVersion] = f.version.String()
	r.Does = map[providers.Verb]string{
		providers.Prepare: fmt.Sprintf("connect to database %q on %s", s.cfg.Database, s.cfg.Host),
		providers.Capture: fmt.Sprintf("export a snapshot of database %q", s.cfg.Database),
		providers.Finish:  fmt.Sprintf("dump the snapshot with pg_dump %s, %d tables at a time", client.version, s.cfg.jobs()),
	}
	if s.cfg.LockedDump {
		r.Does[providers.Capture] = database.LockedCapture(r.Estimate, s.cfg.Database, "pg_dump "+client.version.String())
		r.Does[providers.Finish] = "keep the dump"
	}
	return r, nil
}

func (s *strategy) checkProxy(ctx context.Context, conn *pgx.Conn, r *providers.Report) error {
	shared, err := s.shared(ctx, conn)
	if err != nil {
		return err
	}
	seen := fmt.Sprintf("two sessions on %s were served by one server process", s.cfg.Host)
	const direct = "connect to the server itself or through a pool of sessions"
	switch {
	case shared && !s.cfg.LockedDump:
		r.Add(problem.New(throughProxy, seen, direct+": a snapshot cannot be exported through a proxy that pools transactions; "+
			"or set locked_dump = true: the whole database is then dumped inside the lock, which grows with it"))
	case shared:
		r.Add(database.WarnLocked(r.Estimate, seen+", so no snapshot can be exported; settings of pg_dump stay in sessions of the pool until bkp has reset them",
			direct+", and remove locked_dump"))
	case s.cfg.LockedDump:
		r.Add(database.WarnLocked(r.Estimate, "", ""))
	}
	return nil
}

func (s *strategy) checkReadable(ctx context.Context, conn *pgx.Conn, r *providers.Report) error {
	unreadable, err := names(ctx, conn, unreadableQuery)
	if err != nil {
		return fmt.Errorf("privileges of the role: %w", err)
	}
	var objects, closed int64
	if err := conn.QueryRow(ctx, largeObjectsQuery).Scan(&objects, &closed); err != nil {
		return fmt.Errorf("large objects: %w", err)
	}
	if closed > 0 {
		unreadable = append(unreadable, fmt.Sprintf("%d of %d large objects", closed, objects))
	}
	if len(unreadable) > 0 {
		r.Add(problem.New(unreadableTables, fmt.Sprintf("role %q may not read %s", s.cfg.Username, database.List(unreadable)),
			"use the role that owns them, or as the server's administrator:\n\n"+
				"    GRANT pg_read_all_data TO "+pgx.Identifier{s.cfg.Username}.Sanitize()+"\n"))
	}
	return nil
}

func (s *strategy) checkSize(ctx context.Context, conn *pgx.Conn, r *providers.Report) error {
	var tables int64
	if err := conn.QueryRow(ctx, sizeQuery).Scan(&r.Estimate.Bytes, &tables); err != nil {
		return fmt.Errorf("size of the database: %w", err)
	}
	r.Estimate.Files = tables + 1
	r.Trees = []string{s.env.WorkDir}
	r.Space = append(r.Space, providers.SpaceNeed{
		Path: s.env.WorkDir, Bytes: r.Estimate.Bytes,
		For: "dump of " + s.env.Address + ", at most: compressed, it is usually a fraction of the tables' size",
	})
	return nil
}

// checkIdentity distinguishes one server from another, but not one that was merely
// updated, moved or restarted.
func (s *strategy) checkIdentity(ctx context.Context, conn *pgx.Conn, r *providers.Report) error {
	id, err := systemIdentifier(ctx, conn)
	if err != nil {
		return fmt.Errorf("identity of the server: %w", err)
	}
	if id == "" {
		id = net.JoinHostPort(s.cfg.Host, strconv.Itoa(s.cfg.Port))
	}
	r.Facts = map[string]string{"server": id, factDatabase: s.cfg.Database}
	return nil
}

// Check implements providers.Restorer.
func (s restorer) Check(ctx context.Context, a providers.Artifact) (providers.Report, error) {
	var r providers.Report
	client, missing := s.restoreTool(ctx, a)
	if missing != nil {
		r.Add(missing)
	}
	t, err := s.openTarget(ctx, a)
	if err != nil {
		return r, database.AddProblem(&r, err)
	}
	defer t.close(ctx)
	r.Facts = map[string]string{factDatabase: s.cfg.Database, factServerVersion: t.version.String()}
	if dumped, err := parseVersion(a.Facts[factServerVersion]); err == nil && t.version.major() < dumped.major() {
		r.Add(problem.Warn(serverOlder, fmt.Sprintf("%s, the backup is of %s", t.version, dumped),
			"restore to a server of the same version or a newer one, if this fails"))
	}
	if p, err := t.denied(ctx, a); err != nil {
		return r, err
	} else if p != nil {
		r.Add(p)
	}
	if w, err := t.ownersLost(ctx, a); err != nil {
		return r, err
	} else if w != "" {
		r.Add(problem.Warn(ownersNotRestored, w, "create the roles first, if the owners matter"))
	}
	if missing, _, err := t.notCreated(ctx, a); err != nil {
		return r, err
	} else if len(missing) > 0 {
		r.Add(s.warnNotCreated(missing))
	}
	if differ, err := t.differences(ctx, a); err != nil {
		return r, err
	} else if differ != nil {
		r.Add(differ)
	}
	verb := "restore"
	if !t.exists {
		verb = "create and restore"
	}
	r.Does = map[providers.Verb]string{providers.Restore: fmt.Sprintf(
		"%s database %q with pg_restore %s, %d tables at a time", verb, s.cfg.Database, client.version, s.cfg.jobs())}
	return r, nil
}

// restoreTool finds a pg_restore that can read what the artifact's pg_dump
// wrote.
func (s *strategy) restoreTool(ctx context.Context, a providers.Artifact) (tool, *problem.Problem) {
	least, err := parseVersion(a.Facts[factClientVersion])
	if err != nil {
		least = 0
	}
	return s.findTool(ctx, "pg_restore", need{least, "the pg_dump that made the backup"})
}
