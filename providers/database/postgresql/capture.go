package postgresql

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"

	"bkp/internal/problem"
	"bkp/providers"
)

// snapshotLost is the summary when the session that holds the snapshot ended.
const snapshotLost = "database snapshot lost"

// Keys of an artifact's Ref between Capture and Finish.
const (
	refBackup   = "backup"
	refSnapshot = "snapshot"
)

// session is the connection that will hold, or holds, the snapshot.
type session struct {
	conn *pgx.Conn
	// exported is true while a snapshot is open.
	exported bool
}

// Prepare opens the connection and uses it once as Capture will, so that
// under the lock no name is resolved, no key agreed and no catalog read.
func (s *strategy) Prepare(ctx context.Context, _ providers.BackupID) error {
	if s.cfg.LockedDump {
		return s.getReady(ctx)
	}
	return s.reopen(ctx)
}

const (
	// openWithin is how long opening a session and trying it may take.
	openWithin = time.Minute
	// warmWithin is how long the server may take to answer before the lock, and
	// answerWithin under it, before the connection counts as lost: a firewall
	// that dropped it answers nothing.
	warmWithin   = 5 * time.Second
	answerWithin = time.Second
)

// Warm implements providers.Strategy: live passes take hours where firewalls and
// servers close a connection that is idle for minutes.
func (s *strategy) Warm(ctx context.Context) error {
	if s.cfg.LockedDump { // pg_dump will connect by itself
		conn, err := s.connect(ctx, s.cfg.Database)
		if err != nil {
			return err
		}
		return closeConn(ctx, conn)
	}
	if held := s.holding(); held != nil && held.answers(ctx, warmWithin) {
		return nil
	}
	return s.reopen(ctx)
}

func (s *strategy) holding() *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.held
}

// answers reports whether the connection can be used. One that did not answer
// cannot be used again.
func (h *session) answers(ctx context.Context, within time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	return h.conn.Ping(ctx) == nil
}

// reopen puts a new connection in the place of the one that is held.
func (s *strategy) reopen(ctx context.Context) error {
	if err := s.Close(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, openWithin)
	defer cancel()
	conn, err := s.openSession(ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = &session{conn: conn}
	return nil
}

// noTimeouts lifts the limits that would end the session while the dump reads
// from its snapshot. Which there are depends on the server's version.
const noTimeouts = `SELECT set_config(name, '0', false) FROM pg_catalog.pg_settings
	WHERE name IN ('statement_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout', 'idle_session_timeout')`

// beginAndExport is sent as one message: one round trip under the lock.
const beginAndExport = `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
	SELECT pg_catalog.pg_export_snapshot(),
		pg_catalog.to_char(pg_catalog.clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`

func (s *strategy) openSession(ctx context.Context) (*pgx.Conn, error) {
	conn, err := s.connect(ctx, s.cfg.Database)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Exec(ctx, noTimeouts); err != nil {
		return nil, errors.Join(err, closeConn(ctx, conn))
	}
	if _, _, err := export(ctx, conn); err != nil {
		return nil, errors.Join(err, closeConn(ctx, conn))
	}
	if _, err := conn.Exec(ctx, "ROLLBACK"); err != nil {
		return nil, errors.Join(err, closeConn(ctx, conn))
	}
	return conn, nil
}

// export opens a transaction and returns the name of its snapshot and the
// server's time.
func export(ctx context.Context, conn *pgx.Conn) (snapshot string, at time.Time, err error) {
	results, err := conn.PgConn().Exec(ctx, beginAndExport).ReadAll()
	if err != nil {
		return "", time.Time{}, problem.Wrap(err, "database snapshot cannot be exported", "see the server's log")
	}
	last := results[len(results)-1]
	if len(last.Rows) != 1 || len(last.Rows[0]) != 2 {
		return "", time.Time{}, fmt.Errorf("pg_export_snapshot returned %d rows", len(last.Rows))
	}
	at, err = time.Parse(time.RFC3339Nano, string(last.Rows[0][1]))
	return string(last.Rows[0][0]), at, err
}

// instantOf is the instant of a snapshot by the clock of this machine, as that of every
// part is, and by how much the server's was ahead. The server may run on another
// machine, and took the snapshot at its own time at, between asked and answered. A
// difference that is smaller than that is none.
func instantOf(at, asked, answered time.Time) (instant time.Time, ahead time.Duration) {
	if !at.Before(asked) && !at.After(answered) {
		return at, 0
	}
	instant = asked.Add(answered.Sub(asked) / 2).UTC() //nolint:mnd // the middle
	return instant, at.Sub(instant)
}

// Capture exports a snapshot on the connection that Prepare opened. The
// connection holds it until Finish or Release.
func (s *strategy) Capture(ctx context.Context, b providers.BackupID) (providers.Artifact, error) {
	if s.cfg.LockedDump {
		return s.captureLocked(ctx, b)
	}
	held := s.holding()
	if held == nil || held.exported || !held.answers(ctx, answerWithin) {
		// The drain may take longer than a firewall keeps an idle connection.
		if err := s.reopen(ctx); err != nil {
			return providers.Artifact{}, err
		}
		held = s.holding()
	}
	asked := time.Now()
	snapshot, at, err := export(ctx, held.conn)
	if err != nil {
		return providers.Artifact{}, errors.Join(err, s.Close())
	}
	held.exported = true
	instant, ahead := instantOf(at, asked, time.Now())
	return providers.Artifact{
		Life:    providers.Transient,
		Address: s.env.Address, Strategy: Definition().Name(), PointInTime: instant, ClockAhead: ahead,
		Ref: map[string]string{refBackup: string(b), refSnapshot: snapshot},
	}, nil
}

// Release ends the session and with it the snapshot.
func (s *strategy) Close() error {
	s.mu.Lock()
	held := s.held
	s.held = nil
	s.mu.Unlock()
	if held == nil {
		return nil
	}
	// The server ends the transaction with the session. A connection that is
	// already lost has nothing left to release.
	_ = closeConn(context.Background(), held.conn)
	return nil
}

// Discard removes the dump of b. The snapshot ends with the process that
// exported it.
func (s *strategy) Discard(_ context.Context, b providers.BackupID) error {
	if _, err := providers.ParseBackupID(string(b)); err != nil {
		return err
	}
	err := s.Close()
	for _, path := range []string{s.passfile(b), s.partial(b), s.tree(b)} {
		err = errors.Join(err, os.RemoveAll(path))
	}
	return err
}

func (s *strategy) tree(b providers.BackupID) string {
	return filepath.Join(s.env.WorkDir, string(b))
}
func (s *strategy) partial(b providers.BackupID) string  { return s.tree(b) + ".partial" }
func (s *strategy) passfile(b providers.BackupID) string { return s.tree(b) + ".pgpass" }
