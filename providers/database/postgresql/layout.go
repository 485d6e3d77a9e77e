package postgresql

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/database"
)

// Summaries of findings about the tables' locks and layout.
const (
	tablesChanged = "tables were changed before the dump could lock them"
	tooManyTables = "database has more tables than the server can lock"
)

// layout is what each table was, by its object id: pg_dump reads the catalog by
// the snapshot, but the rows by the table's name and from its file of now.
type layout map[uint32]table

type table struct{ name, sum string }

// layoutQuery sums up all of a table by which pg_dump finds its rows: TRUNCATE
// and a rewriting ALTER TABLE give it a new file, whose rows no older snapshot
// sees; a table or a column of another time may go by the same name.
const layoutQuery = `
	SELECT c.oid::bigint, format('%I.%I', n.nspname, c.relname), format('%s %s', c.relfilenode, (
		SELECT md5(string_agg(format('%s %s %s', a.attnum, a.atttypid, a.attname), ',' ORDER BY a.attnum))
		FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped))
	FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
	WHERE c.relkind IN ('r','p') AND c.relpersistence <> 't' AND ` + userNamespace

func readLayout(ctx context.Context, conn *pgx.Conn) (layout, error) {
	rows, err := conn.Query(ctx, layoutQuery)
	if err != nil {
		return nil, fmt.Errorf("layout of the tables: %w", err)
	}
	all := layout{}
	var id uint32
	var t table
	_, err = pgx.ForEachRow(rows, []any{&id, &t.name, &t.sum}, func() error {
		all[id] = t
		return nil
	})
	return all, err
}

// changed names the tables of l that now are not what they were. A table that
// lost a column may have got another one of the same name.
func (l layout) changed(now layout) []string {
	names := map[string]bool{}
	for id, was := range l {
		if is, there := now[id]; !there || is != was {
			names[was.name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// lookAgain is how often a dump that has begun is looked for.
const lookAgain = 50 * time.Millisecond

// checkLayout compares the tables with those of the snapshot, once pg_dump has
// locked all of them: it writes no rows before. From then on they cannot be
// changed until it ends. done is closed when it has ended.
func (s *strategy) checkLayout(ctx context.Context, was layout, folder string, done <-chan struct{}) error {
	tick := time.NewTicker(lookAgain)
	defer tick.Stop()
	for ended := false; !ended && sizeOf(folder).Files == 0; {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-done:
			ended = true
		case <-tick.C:
		}
	}
	conn, err := s.connect(ctx, s.cfg.Database)
	if err != nil {
		return err
	}
	defer func() { _ = closeConn(ctx, conn) }()
	now, err := readLayout(ctx, conn)
	if err != nil {
		return err
	}
	if changed := was.changed(now); len(changed) > 0 {
		return problem.New(tablesChanged, fmt.Sprintf("TRUNCATE, ALTER TABLE or the like ran right after the unlock on %s in database %q, so their rows of the lock are gone",
			database.List(changed), s.cfg.Database), "run the backup again at another time than what changes these tables")
	}
	return nil
}

// locksQuery gives how many tables pg_dump locks at once, and how many the
// server is made for.
const locksQuery = `
	SELECT (SELECT count(*) FROM pg_catalog.pg_class c WHERE relkind IN ('r','p') AND ` + userSchema + `),
		current_setting('max_locks_per_transaction')::bigint * (current_setting('max_connections')::bigint + current_setting('max_prepared_transactions')::bigint),
		current_setting('max_connections')::bigint + current_setting('max_prepared_transactions')::bigint`

// checkLocks refuses more tables than the server has locks for, and warns where
// those of users may use up what is left.
func (s *strategy) checkLocks(ctx context.Context, conn *pgx.Conn, r *providers.Report) error {
	var tables, locks, sessions int64
	if err := conn.QueryRow(ctx, locksQuery).Scan(&tables, &locks, &sessions); err != nil {
		return fmt.Errorf("locks of the server: %w", err)
	}
	if tables <= locks/2 {
		return nil
	}
	p := problem.New(tooManyTables, fmt.Sprintf("pg_dump locks all %d tables of database %q, the server has room for about %d locks", tables, s.cfg.Database, locks),
		fmt.Sprintf("as the server's administrator, then restart the server:\n\n    ALTER SYSTEM SET max_locks_per_transaction = %d\n", 2*tables/max(sessions, 1)+64))
	if tables <= locks {
		p.Severity = problem.Warning
	}
	r.Add(p)
	return nil
}
