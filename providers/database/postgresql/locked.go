package postgresql

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"bkp/internal/problem"
	"bkp/providers"
)

const (
	// mendWithin is how long the proxy may take to lend a session.
	mendWithin = time.Second
	// maxPoolSessions is how many sessions of the pool are looked at, at most.
	maxPoolSessions = 64
)

// ready is what a dump inside the lock need not look for there.
type ready struct {
	client tool
	facts  facts
}

// getReady is Prepare for a dump inside the lock.
func (s *strategy) getReady(ctx context.Context) error {
	conn, err := s.connect(ctx, s.cfg.Database)
	if err != nil {
		return err
	}
	defer func() { _ = closeConn(ctx, conn) }()
	f, err := databaseFacts(ctx, conn)
	if err != nil {
		return err
	}
	client, missing := s.dumpTool(ctx, f.version)
	if missing != nil {
		return missing
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ready = &ready{client, f}
	return nil
}

// captureLocked dumps the whole database. pg_dump takes a snapshot of its own.
func (s *strategy) captureLocked(ctx context.Context, b providers.BackupID) (providers.Artifact, error) {
	got := s.gotReady()
	if got == nil {
		if err := s.getReady(ctx); err != nil {
			return providers.Artifact{}, err
		}
		got = s.gotReady()
	}
	begun := time.Now().UTC() // nobody writes until this returns
	err := s.dump(ctx, got.client, b, snapshot{jobs: s.cfg.jobs()})
	if resetErr := s.resetPool(ctx); resetErr != nil {
		err = errors.Join(err, problem.Wrapf(resetErr, "sessions of the proxy may still have settings of pg_dump",
			"restart the proxy, so that it opens new sessions", "%s", s.cfg.Host))
	}
	if err != nil {
		return providers.Artifact{}, err
	}
	return providers.Artifact{
		Life:    providers.Transient,
		Address: s.env.Address, Strategy: Definition().Name(), PointInTime: begun,
		Ref: map[string]string{refBackup: string(b)},
	}, nil
}

func (s *strategy) gotReady() *ready {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ready
}

// resetPool resets sessions that pg_dump left changed in a pool of transactions.
// The one in which it read ends with it, but the statements before its
// transaction (one of them empties the search path) may have used other sessions:
// Bitbucket, which gets such a session next, would not find its tables.
// Each session that is looked at is kept in a
// transaction, so that the proxy lends another; it lends what was used last,
// so as many clean ones as pg_dump had connections prove that no more come.
// It works on after the run was cancelled.
func (s *strategy) resetPool(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	var kept []*pgx.Conn
	defer func() {
		for _, conn := range kept {
			_ = closeConn(ctx, conn)
		}
	}()
	for clean := 0; clean <= s.cfg.jobs() && len(kept) < maxPoolSessions; {
		conn, wasClean, err := s.resetSession(ctx)
		if conn != nil {
			kept = append(kept, conn)
		}
		switch {
		case errors.Is(err, context.DeadlineExceeded) && len(kept) > 0:
			clean = s.cfg.jobs() + 1 // the pool has no more
		case err != nil:
			return err
		case wasClean:
			clean++
		}
	}
	var failed error
	for _, conn := range kept {
		_, err := conn.Exec(ctx, "COMMIT")
		failed = errors.Join(failed, err)
	}
	return failed
}

// resetSession borrows a session, resets it if pg_dump had it, and keeps it.
func (s *strategy) resetSession(ctx context.Context) (conn *pgx.Conn, clean bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, mendWithin)
	defer cancel()
	conn, err = s.dial(ctx, s.cfg.Database)
	if err != nil {
		return nil, false, err
	}
	var path string
	if _, err = conn.Exec(ctx, "BEGIN"); err == nil {
		err = conn.QueryRow(ctx, "SELECT pg_catalog.current_setting('search_path')").Scan(&path)
	}
	if clean = path != ""; !clean && err == nil {
		_, err = conn.Exec(ctx, "RESET ALL")
	}
	if err != nil {
		return nil, false, errors.Join(fmt.Errorf("session of the pool: %w", err), closeConn(ctx, conn))
	}
	return conn, clean, nil
}

// finishLocked completes the artifact of a dump that Capture made.
func (s *strategy) finishLocked(a providers.Artifact, id providers.BackupID) (providers.Artifact, error) {
	got := s.gotReady()
	if got == nil {
		return a, s.lost(errors.New("this process made no dump"))
	}
	return s.artifact(a, id, got.client, got.facts)
}
