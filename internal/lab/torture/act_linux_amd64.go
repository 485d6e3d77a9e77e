package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"bkp/internal/records/catalog"
)

// act is a command of bkp that is disturbed, and what it finds when it begins.
type act string

const (
	// actAgain is bkp apply, actFirst the same without a working copy.
	actAgain act = "again"
	actFirst act = "first"
	// actRecoverLocked is bkp recover after all was killed under the lock,
	// actRecoverStored after all was killed while the backup was stored.
	actRecoverLocked act = "recover-locked"
	actRecoverStored act = "recover-stored"
	// actResume is bkp apply --resume after the archive could not be written.
	actResume  act = "resume"
	actRestore act = "restore"
	actDrill   act = "drill"
)

// applies reports whether the act makes a backup.
func (a act) applies() bool { return a == actAgain || a == actFirst }

// recovers reports whether the act is the last resort: nobody watches over it, and
// what it leaves is left until it is run again.
func (a act) recovers() bool { return a == actRecoverLocked || a == actRecoverStored }

// arguments are those of the command.
func (c *scene) arguments(a act) []string {
	switch a {
	case actRecoverLocked, actRecoverStored:
		return []string{"recover"}
	case actResume:
		return []string{"apply", "--resume", c.subject}
	case actRestore:
		return c.restoring(c.subject, c.restoreDir())
	case actDrill:
		return []string{"verify", c.subject, "--drill", "--scratch", c.scratch()}
	default:
		return []string{"apply", "--auto-approve"}
	}
}

// begin brings the scene to where an act begins.
func (c *scene) begin(ctx context.Context, a act) error {
	if a == actFirst && len(c.took) > 0 {
		c.known = map[string]bool{}
		return c.clear(ctx)
	}
	if err := c.haveBackup(ctx); err != nil {
		return err
	}
	var err error
	switch a {
	case actAgain:
	case actFirst:
		return c.begin(ctx, a)
	case actRecoverLocked:
		err = c.hurt(ctx, class{"bkp", "write", "instance:POST:/mvc/admin/backups/progress/client"}, kindKillAll)
		if err == nil && c.server.State().Idle() {
			err = errors.New("the instance is not locked")
		}
	case actRecoverStored:
		err = c.hurt(ctx, class{"bkp", "sync", "archives/ID/.manifest.json.partial"}, kindKillAll)
	case actResume:
		if err = c.hurt(ctx, class{"bkp", "write", "archives/ID/.home." + c.home + ".shared.tar.zst.partial"}, kindError+"ENOSPC"); err == nil {
			c.subject, err = c.newest(ctx, catalog.Captured)
		}
	case actRestore:
		c.subject, err = c.newest(ctx, catalog.Complete)
	case actDrill:
		if err = os.RemoveAll(filepath.Join(c.records().Dir, "drills")); err == nil {
			c.subject, err = c.newest(ctx, catalog.Complete)
		}
	}
	if err != nil {
		err = fmt.Errorf("what comes before %s: %w", a, err)
	}
	return err
}

// haveBackup makes one unless there is one.
func (c *scene) haveBackup(ctx context.Context) error {
	if found, err := c.archive.holds(ctx); err != nil || found {
		return err
	}
	said, err := c.backUp(ctx)
	if err != nil || said.code != 0 {
		return errors.Join(err, fmt.Errorf("an undisturbed bkp apply: %s", said))
	}
	all, err := c.listed(ctx)
	for _, e := range all {
		c.known[string(e.Manifest.ID)] = true
	}
	return err
}

// hurt disturbs a backup, so that there is something to clean up.
func (c *scene) hurt(ctx context.Context, where class, how kind) error {
	stop := c.busy(ctx, quickly)
	got, err := c.disturb(ctx, failure{scenario{c.database, c.home, c.kind, actAgain}, where, 1, how}, nil)
	if err = errors.Join(err, stop()); err == nil && !got.reached {
		err = fmt.Errorf("a backup has no effect %s: %s\n%s", where, got.how(), got.output)
	}
	return err
}

// newest is the last backup of a status.
func (c *scene) newest(ctx context.Context, status catalog.Status) (string, error) {
	all, err := c.listed(ctx)
	if err != nil {
		return "", err
	}
	for _, e := range all {
		if e.Status == status {
			return string(e.Manifest.ID), nil
		}
	}
	return "", fmt.Errorf("no backup is %s", status)
}

// usually is how long an act takes here.
func (c *scene) usually(a act) time.Duration {
	if took, ok := c.took[a]; ok {
		return took
	}
	if a.recovers() { // which does little
		return c.took[actAgain] / 10
	}
	return c.took[actAgain]
}
