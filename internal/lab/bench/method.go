package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"bkp/internal/lab/sandbox"
)

// method is one way to back up a site. Everything it keeps lies in dir; its
// working copy stays from one backup to the next, as it does where backups are
// made every night.
type method struct {
	name string
	dir  string
	process
	// archives is the folder in which a backup leaves its archive.
	archives string
	// prunes: the method itself keeps only the newest archive. Those of the
	// others are removed once they are proven.
	prunes bool
	// peer is what bkp is measured beside: that it fails or tears a backup is
	// reported, and does not end the bench.
	peer bool
	// attempts is how often a backup may be tried before the bench gives up.
	attempts int
	// reports is what the newest backup says of itself took from DRAINED to
	// complete; nil where a method does not say.
	reports func() (time.Duration, error)
	// restore brings the newest backup back, into a folder that does not exist
	// and a database that does not exist.
	restore func(ctx context.Context, home, database string) error
}

// failed is a backup that did not work and was made again, or one that was
// torn: home and database are not of one instant.
type failed struct {
	Method string `json:"method"`
	Reason string `json:"reason"`
	Torn   bool   `json:"torn,omitempty"`
}

// errTorn is wrapped where a restore is not consistent.
var errTorn = errors.New("the backup is not consistent")

// backup makes one backup under load, proves it, and returns what it took and
// what went wrong.
func (m *method) backup(ctx context.Context, s *site) (sample, []failed, error) {
	var failures []failed
	for {
		got, err := m.once(ctx, s)
		if err == nil {
			return got, failures, nil
		}
		if m.peer && errors.Is(err, errTorn) {
			return got, append(failures, failed{m.name, err.Error(), true}), nil
		}
		err = fmt.Errorf("%s: %w", m.name, err)
		if ctx.Err() != nil || len(failures)+1 >= m.attempts {
			return got, failures, err
		}
		failures = append(failures, failed{m.name, err.Error(), false})
		// What failed under the lock may have left it.
		s.instance.Restart()
	}
}

func (m *method) once(ctx context.Context, s *site) (got sample, err error) {
	if !m.prunes {
		defer func() { err = errors.Join(err, os.RemoveAll(m.archives)) }()
	}
	if err := os.MkdirAll(m.archives, 0o700); err != nil {
		return got, err
	}
	// bkp brings its backup to the disk, the others do not: it must not wait for
	// what the proof of the backup before left to be written.
	settle()
	saw, err := s.busy(ctx, func(ctx context.Context) error {
		got, err = measure(ctx, m.process, m.dir+".log")
		return err
	})
	if err != nil {
		return got, err
	}
	got.Window, got.DrainedToNoticed, got.DrainedToComplete = saw.outage, saw.lock.DrainedToNoticed(), saw.lock.DrainedToComplete()
	if m.reports != nil {
		if got.ReportedToComplete, err = m.reports(); err != nil {
			return got, err
		}
	}
	if got.Archive, err = sizeOf(m.archives); err != nil {
		return got, err
	}
	return got, m.prove(ctx, s)
}

// prove restores the newest backup and lets the sandbox check that home and
// database are of one instant.
func (m *method) prove(ctx context.Context, s *site) (err error) {
	home, database := filepath.Join(s.dir, "restored"), "restored"
	defer func() {
		ctx := context.WithoutCancel(ctx)
		err = errors.Join(err, os.RemoveAll(home), s.pg.Exec(ctx, "postgres", "drop database if exists "+database))
	}()
	if err := m.restore(ctx, home, database); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	report, err := sandbox.Check(ctx, sandbox.Checking{Home: home, Database: s.pg.URL(database)})
	if err != nil {
		return fmt.Errorf("check: %w", err)
	}
	if len(report.Failures) > 0 {
		return fmt.Errorf("%w: %s", errTorn, strings.Join(report.Failures, "; "))
	}
	return nil
}
