package postgresql

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"bkp/internal/problem"
	"bkp/providers"
)

// fewConnections is the summary of a finding.
const fewConnections = "few connections are left for the dump"

const (
	// besides are the sessions that bkp itself opens while pg_dump runs: that of
	// the snapshot, and one that compares the tables.
	besides = 2
	// freeWithin is how long a snapshot is kept while no connection is free.
	freeWithin = 10 * time.Minute
	freeEvery  = time.Second
)

// freeQuery gives how many more sessions the role can open: a limit of -1 is
// none, and a superuser has that of the server only.
const freeQuery = `
	SELECT least(
		CASE WHEN r.rolsuper OR r.rolconnlimit < 0 THEN 1000000 ELSE r.rolconnlimit - (SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE usesysid = r.oid) END,
		CASE WHEN r.rolsuper OR d.datconnlimit < 0 THEN 1000000 ELSE d.datconnlimit - (SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE datid = d.oid AND usesysid IS NOT NULL) END,
		current_setting('max_connections')::bigint - (SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE usesysid IS NOT NULL)
			- CASE WHEN r.rolsuper THEN 0 ELSE current_setting('superuser_reserved_connections')::bigint + coalesce(current_setting('reserved_connections', true)::bigint, 0) END)
	FROM pg_catalog.pg_roles r, pg_catalog.pg_database d WHERE r.rolname = current_user AND d.datname = current_database()`

func freeConnections(ctx context.Context, conn *pgx.Conn) (int, error) {
	// Within a transaction, as that of the snapshot, the view stays as it was when
	// it was first read.
	if _, err := conn.Exec(ctx, "SELECT pg_catalog.pg_stat_clear_snapshot()"); err != nil {
		return 0, err
	}
	var free int64
	err := conn.QueryRow(ctx, freeQuery).Scan(&free)
	return int(free), err
}

// jobsFor is how many jobs so many free connections are enough for. Several jobs
// take one connection more than there are jobs, one job takes one.
func (s *strategy) jobsFor(free int) int {
	return max(1, min(s.cfg.jobs(), free-besides-1))
}

// checkConnections warns where the dump will have to do with fewer jobs. The
// connection that asks will be free by then.
func (s *strategy) checkConnections(ctx context.Context, conn *pgx.Conn, r *providers.Report) error {
	free, err := freeConnections(ctx, conn)
	if err != nil {
		return fmt.Errorf("connections of the server: %w", err)
	}
	if free++; s.jobsFor(free) < s.cfg.jobs() || free <= besides {
		r.Add(problem.Warn(fewConnections, fmt.Sprintf("role %q can open %d sessions in database %q, and a dump with %d jobs takes %d: it is made with %d",
			s.cfg.Username, free, s.cfg.Database, s.cfg.jobs(), s.cfg.jobs()+besides+1, s.jobsFor(free)),
			"raise CONNECTION LIMIT of the role or the database, or max_connections of the server; or set jobs"))
	}
	return nil
}

// usedUp reports whether a dump failed because no connection was free.
func usedUp(err error) bool {
	for _, words := range []string{"too many connections", "remaining connection slots", "too many clients"} {
		if strings.Contains(err.Error(), words) {
			return true
		}
	}
	return false
}

// dumpPatiently dumps with as many jobs as there are connections for. Users
// come back when the lock ends, and may take all: as long as the snapshot
// lives, the dump is tried again, with one job.
func (s *strategy) dumpPatiently(ctx context.Context, held *session, client tool, id providers.BackupID, from snapshot) error {
	free, err := freeConnections(ctx, held.conn)
	if err != nil {
		return err
	}
	waiting, cancel := context.WithTimeout(ctx, freeWithin)
	defer cancel()
	from.jobs = s.jobsFor(free)
	for {
		err := s.dump(ctx, client, id, from)
		if err == nil || ctx.Err() != nil {
			return err
		}
		free, errFree := freeConnections(ctx, held.conn)
		if errFree != nil || free > besides && !usedUp(err) {
			return err
		}
		s.env.Warning("no connection is free for the dump; it is tried again while the snapshot lives: " + err.Error())
		if errWait := awaitFree(waiting, held.conn); errWait != nil {
			return errors.Join(err, errWait)
		}
		from.jobs = 1
	}
}

func awaitFree(ctx context.Context, conn *pgx.Conn) error {
	tick := time.NewTicker(freeEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
		if free, err := freeConnections(ctx, conn); err != nil || free > besides {
			return err
		}
	}
}
