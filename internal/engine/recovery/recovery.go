// Package recovery cleans up what a killed run left, from its journal alone:
// it releases the instance and discards every component that was started.
//
// It must be called only while no run is in progress: the caller holds the run
// lock of the state folder. It leaves out how a running process ends its own
// lock (internal/engine/apply).
package recovery

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/go-multierror"

	"bkp/internal/bitbucket"
	"bkp/internal/problem"
	"bkp/internal/records/journal"
	"bkp/internal/secret"
	"bkp/providers"
)

// Timeout is how long an instance that does not answer is to be tried, over all
// its addresses: who waits for it holds the run lock.
const Timeout = 2 * time.Minute

// ErrUnrecorded says that the instance is not locked by the run any more, but
// that its journal could not be written.
var ErrUnrecorded = errors.New("unlocked, but that cannot be recorded")

// Releaser puts an instance back into service.
type Releaser interface {
	Release(ctx context.Context, l bitbucket.Lease) error
	LockOwner(ctx context.Context) (bitbucket.Owner, bool, error)
}

// Discarder is what strategies and archives have in common here.
type Discarder interface {
	Discard(ctx context.Context, b providers.BackupID) error
}

// Release releases the instance that run r may have left locked, and records
// it. It is idempotent. After an error it may still be locked, unless the error
// wraps ErrUnrecorded.
func Release(ctx context.Context, dir string, r journal.Run, instance Releaser) error {
	if !r.MayBeLocked {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	if r.UnlockToken == "" {
		return releaseUnknown(ctx, dir, r, instance)
	}
	err := instance.Release(ctx, bitbucket.Lease{
		UnlockToken: secret.New(r.UnlockToken), CancelToken: secret.New(r.CancelToken),
	})
	// A token that does not fit: another process holds the lock now, not this run.
	if err != nil && !errors.Is(err, bitbucket.ErrLost) {
		return err
	}
	return unlocked(dir, r.ID)
}

// releaseUnknown deals with a run that died between its request to lock and
// the journal entry with the token: only the instance knows whether it is
// locked, and nobody has the token.
func releaseUnknown(ctx context.Context, dir string, r journal.Run, instance Releaser) error {
	owner, locked, err := instance.LockOwner(ctx)
	if err != nil {
		return err
	}
	if locked {
		by := ""
		if owner.Name != "" {
			by = " by " + owner.Name
		}
		return problem.New("locked with an unknown token",
			fmt.Sprintf("%s is locked%s; run %s ended before the reply with the token arrived", r.URL, by, r.ID),
			"if nobody else is maintaining it, restart the instance, which clears the lock; then:\n\n    bkp unlock")
	}
	return unlocked(dir, r.ID)
}

// Discard discards what run r started and ends its record. find returns nil
// for a component that the configuration does not have any more.
func Discard(ctx context.Context, dir string, r journal.Run, find func(address string) Discarder) error {
	var all *multierror.Error
	for _, address := range r.Components {
		d := find(address)
		if d == nil {
			all = multierror.Append(all, problem.New("cannot be cleaned up",
				fmt.Sprintf("run %s started %s, which the configuration does not have any more", r.ID, address),
				"restore the block, or remove what the run left and its journal by hand"))
			continue
		}
		if err := d.Discard(ctx, r.ID); err != nil {
			all = multierror.Append(all, fmt.Errorf("%s: %w", address, err))
			continue
		}
		if err := record(dir, r.ID, journal.Record{Type: journal.Discarded, Address: address}); err != nil {
			return err
		}
	}
	if err := all.ErrorOrNil(); err != nil || r.Ended {
		return err
	}
	return record(dir, r.ID, journal.Record{Type: journal.RunFailed, Error: "the run was interrupted"})
}

func unlocked(dir string, id providers.BackupID) error {
	if err := record(dir, id, journal.Record{Type: journal.Unlocked}); err != nil {
		return fmt.Errorf("%w: %w", ErrUnrecorded, err)
	}
	return nil
}

func record(dir string, id providers.BackupID, rec journal.Record) error {
	j, err := journal.Open(dir, id)
	if err != nil {
		return err
	}
	return errors.Join(j.Sync(rec), j.Close())
}
