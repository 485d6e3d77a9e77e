package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"bkp/internal/bitbucket"
	"bkp/internal/engine/apply"
	"bkp/internal/engine/recovery"
	"bkp/internal/problem"
	"bkp/internal/records/journal"
	"bkp/lang"
)

// Unlock releases what runs of the state folder left locked, at the address at if
// it is not "", and returns whether there was any. One that cannot be unlocked
// does not keep the others from it. The caller holds the run lock.
func (eng *Engine) Unlock(ctx context.Context, at string) (found bool, err error) {
	runs, unreadable := journal.Unfinished(eng.journalDir())
	found, err = eng.releaseAll(ctx, runs, at)
	held := slices.DeleteFunc(slices.Clone(runs), func(r journal.Run) bool { return !r.MayBeLocked })
	eng.recovered(ctx, held, err)
	return found || unreadable != nil, problem.Join(err, UnreadableJournal(unreadable))
}

// LockedOtherwise is an error if an instance is locked now although no run of this
// state folder holds a lock: nothing here has the token. It wraps
// apply.ErrMayBeLocked where the account of bkp holds it: the run may have had
// another state folder, or one that is lost. An instance that does not answer is left
// out. at is as in Unlock.
func (eng *Engine) LockedOtherwise(ctx context.Context, at string) error {
	if len(eng.Config.Instances) > 1 {
		at = "" // nobody knows whose address it is, and the credentials are not for all
	}
	return lockedOtherwise(eng.lockStates(ctx, at))
}

func lockedOtherwise(states []InstanceStatus) error {
	var all []error
	for _, i := range states {
		switch {
		case i.Locked && i.Self:
			all = append(all, fmt.Errorf("%w: %w", apply.ErrMayBeLocked, problem.New("no run of this state folder holds the lock",
				fmt.Sprintf("%s is locked by %s, the account of bkp", i.Address, i.Owner),
				"if bkp runs elsewhere with that account, wait until that run has ended. If its state folder is lost, restart the instance, which clears the lock. "+
					"If the run was interrupted, and its state folder is elsewhere, run there:\n\n    bkp unlock\n")))
		case i.Locked:
			by := ""
			if i.Owner != "" {
				by = " by " + i.Owner
			}
			all = append(all, problem.New("no run of this state folder holds the lock", i.Address+" is locked"+by, "ask who locked it"))
		}
	}
	return problem.Join(all...)
}

// LockedBySelf is LockedOtherwise for what a status has seen, of locks of the account
// of bkp alone. A run, or a guardian, that is there is no reason to worry.
func (st Status) LockedBySelf() error {
	if st.Running || len(st.Unfinished)+len(st.Guardians) > 0 {
		return nil
	}
	return lockedOtherwise(slices.DeleteFunc(slices.Clone(st.Instances), func(i InstanceStatus) bool { return !i.Self }))
}

// StillLocked adds to what kept bkp from cleaning up after interrupted runs
// that one may have left its instance locked, if it may: a script that reads the exit
// code is not to believe that all is well.
func (eng *Engine) StillLocked(err error) error {
	if eng.Running() {
		return err // a run that lives is not interrupted, and unlocks
	}
	if _, closed := journal.IDs(eng.journalDir()); closed != nil {
		return err // nothing is known of any run
	}
	runs, unreadable := journal.Unfinished(eng.journalDir())
	if unreadable == nil && !slices.ContainsFunc(runs, func(r journal.Run) bool { return r.MayBeLocked }) {
		return err
	}
	return fmt.Errorf("%w: %w", apply.ErrMayBeLocked, err)
}

// releaseAll unlocks what runs left locked. One that cannot be unlocked does
// not keep the others from it.
func (eng *Engine) releaseAll(ctx context.Context, runs []journal.Run, at string) (found bool, err error) {
	for _, r := range runs {
		if r.MayBeLocked {
			found = true
			err = problem.Join(err, eng.releaseRun(ctx, r, at))
		}
	}
	return found, err
}

// UnreadableJournal is the error for records that cannot be read: one may hold the
// token of a lock. It is nil for nil.
func UnreadableJournal(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", apply.ErrMayBeLocked,
		problem.Wrap(err, "the journal cannot be read", "check the file; move it away once nothing is locked"))
}

// releaseRun unlocks what one run left locked.
func (eng *Engine) releaseRun(ctx context.Context, r journal.Run, at string) error {
	err := eng.release(ctx, r, at)
	if err != nil && !errors.Is(err, recovery.ErrUnrecorded) {
		return errors.Join(fmt.Errorf("%w: run %s", apply.ErrMayBeLocked, r.ID), err)
	}
	if err == nil {
		eng.note("instance.%s is unlocked; run %s had left it locked", r.Instance, r.ID)
	}
	return err
}

func (eng *Engine) release(ctx context.Context, r journal.Run, at string) error {
	inst, ok := eng.Config.Instance(r.Instance)
	if !ok {
		return problem.New("cannot be unlocked", fmt.Sprintf("run %s locked instance %s at %s, which the configuration does not have any more", r.ID, r.Instance, r.URL),
			"put the instance back into the configuration, under that name, then:\n\n    bkp unlock")
	}
	tried, failed := eng.answering(ctx, inst, addresses(inst, r, at))
	for i, address := range tried {
		err := eng.releaseAt(ctx, r, inst, address, address == at, time.Duration(len(tried)-i))
		if err == nil || errors.Is(err, recovery.ErrUnrecorded) {
			return err
		}
		failed = append(failed, fmt.Errorf("%s: %w", address, err))
	}
	return problem.Join(failed...)
}

// answerTimeout is how long an address may take to answer while others are
// there to be tried.
const answerTimeout = 10 * time.Second

// answering leaves out the addresses at which nobody answers now, with the
// reasons, unless that is so of all: then each gets its time.
func (eng *Engine) answering(ctx context.Context, inst *lang.Instance, all []string) (some []string, silent []error) {
	if len(all) == 1 {
		return all, nil
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	failures := make([]error, len(all))
	var g errgroup.Group
	for i, address := range all {
		g.Go(func() error {
			client, err := eng.clientAt(inst, address)
			if err == nil {
				defer client.Close()
				_, _, err = client.LockOwner(ctx)
			}
			failures[i] = err
			return nil
		})
	}
	_ = g.Wait() // the failures are kept by address
	for i, err := range failures {
		if err == nil {
			some = append(some, all[i])
			continue
		}
		silent = append(silent, fmt.Errorf("%s: %w", all[i], err))
	}
	if len(some) == 0 {
		return all, nil
	}
	return some, silent
}

func (eng *Engine) releaseAt(ctx context.Context, r journal.Run, inst *lang.Instance, address string, named bool, share time.Duration) error {
	client, err := eng.clientAt(inst, address)
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, recovery.Timeout/share)
	defer cancel()
	if address == r.Asked || named {
		return recovery.Release(ctx, eng.journalDir(), r, client)
	}
	return recovery.Release(ctx, eng.journalDir(), r, otherAddress{client, address})
}

// otherAddress is an address that may be that of another instance of the same name,
// such as of another environment: that it is not locked, or that the token does
// not fit, does not prove that the run's instance was released.
type otherAddress struct {
	*bitbucket.Client
	address string
}

// Release implements recovery.Releaser. It succeeds if the token fits.
func (e otherAddress) Release(ctx context.Context, l bitbucket.Lease) error {
	if _, _, err := e.LockOwner(ctx); err != nil {
		return err
	}
	err := e.Client.Release(ctx, l)
	if errors.Is(err, bitbucket.ErrLost) {
		return e.other()
	}
	return err
}

// LockOwner implements recovery.Releaser. Not locked is an error.
func (e otherAddress) LockOwner(ctx context.Context) (bitbucket.Owner, bool, error) {
	owner, locked, err := e.Client.LockOwner(ctx)
	if err == nil && !locked {
		err = e.other()
	}
	return owner, locked, err
}

func (e otherAddress) other() error {
	return problem.New("it may not be the instance that was locked", fmt.Sprintf("the run did not lock it at %s", e.address),
		"if it is the same instance:\n\n    bkp unlock --url "+e.address)
}

// addresses are where the instance of a run can be asked. The token is sent
// nowhere but to what the configuration, the journal or the operator names. The
// address that gave it comes before a url that may have been changed since.
func addresses(inst *lang.Instance, r journal.Run, at string) []string {
	if at != "" {
		return []string{at}
	}
	var out []string
	for _, a := range []string{r.Asked, inst.MaintenanceURL, r.URL, inst.URL} {
		if a != "" && !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	return out
}
