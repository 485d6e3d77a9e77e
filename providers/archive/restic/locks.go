package restic

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"time"
)

// stale is the age from which restic unlock takes a lock for dead, no matter whose it is;
// one that lives is renewed every five minutes. Some of it is left for clocks that
// differ.
const stale = 25 * time.Minute

// lock is one of the repository.
type lock struct {
	Time      time.Time `json:"time"`
	Exclusive bool      `json:"exclusive"`
	Hostname  string    `json:"hostname"`
	PID       int       `json:"pid"`
}

// exclusive runs what needs the repository for itself. If it is locked, and all locks
// that restic would take for dead are those of killed processes of this machine, they
// are removed, and it is tried once more.
func (a *archive) exclusive(ctx context.Context, c call) error {
	err := a.run(ctx, c)
	if codeOf(err) != codeLocked {
		return err
	}
	removed, lockErr := a.removeDead(ctx)
	if lockErr != nil {
		return errors.Join(err, lockErr)
	}
	if !removed {
		return err
	}
	return a.run(ctx, c)
}

// removeDead removes the locks of processes of this machine that are gone, and
// reports whether there were any. It never touches somebody else's.
func (a *archive) removeDead(ctx context.Context) (bool, error) {
	all, err := a.locks(ctx)
	if err != nil {
		return false, err
	}
	host, err := os.Hostname()
	if err != nil {
		return false, err
	}
	dead := false
	for _, l := range all {
		switch {
		case l.Hostname == host && !alive(l.PID):
			dead = true
		case time.Since(l.Time) > stale:
			return false, nil // unlock would remove it, and it is not ours to remove
		}
	}
	if !dead {
		return false, nil
	}
	a.env.Warning("removing the lock that a killed restic of this machine left in " + a.shown())
	return true, a.run(ctx, call{args: []string{"unlock"}, reads: true})
}

// locks reads the locks of the repository. One that is removed meanwhile is none.
func (a *archive) locks(ctx context.Context) ([]lock, error) {
	names, err := a.list(ctx, "locks")
	if err != nil {
		return nil, err
	}
	var all []lock
	for _, id := range names {
		text := &bounded{most: maxLine}
		if err := a.run(ctx, call{args: []string{"cat", "lock", id}, reads: true, uncached: true, stdout: text}); err != nil {
			if ctx.Err() != nil {
				return nil, err
			}
			continue
		}
		var l lock
		if err := json.Unmarshal(text.Bytes(), &l); err != nil {
			return nil, fmt.Errorf("lock %s: %w", id, err)
		}
		all = append(all, l)
	}
	return all, nil
}
