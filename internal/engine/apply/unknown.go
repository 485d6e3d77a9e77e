package apply

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bkp/internal/bitbucket"
	"bkp/internal/problem"
	"bkp/internal/records/journal"
)

// askTimeout bounds the question what became of a request to lock.
const askTimeout = time.Minute

// ErrTokenUnknown is wrapped beside ErrMayBeLocked when nobody has the token of
// the lock that there may be, so that no command of bkp can unlock.
var ErrTokenUnknown = errors.New("the token of the lock is unknown")

// restart is what helps where nobody has the token.
const restart = "the instance cannot be unlocked without the token, not even in Bitbucket. If no one else is maintaining the instance, restart it: that clears the lock. " +
	"Then let bkp check it and correct its record:\n\n    bkp unlock"

// lostLock is a request to lock whose effect is unknown.
type lostLock struct{ error }

// Is implements errors.Is.
func (lostLock) Is(target error) bool { return target == ErrMayBeLocked || target == ErrTokenUnknown }

// Unwrap returns why there is no reply.
func (l lostLock) Unwrap() error { return l.error }

// notLocked finds out what a failed request to lock left behind. After every
// answer but that of a lock that names somebody else, the instance itself is
// asked: a proxy that answered may have passed the request on.
func (r *Run) notLocked(ctx context.Context, cause error) error {
	if errors.Is(cause, bitbucket.ErrUnknown) {
		if unclear := r.unclear(ctx, cause); unclear != nil {
			return unclear
		}
	}
	if err := r.Journal.Sync(journal.Record{Type: journal.LockRefused, Error: cause.Error()}); err != nil {
		return errors.Join(cause, err)
	}
	return cause
}

// unclear says what is known after a request to lock that was not answered as
// Bitbucket does; nil if nothing came of it. The question ignores cancellation,
// like the request. No matter who is named as the owner, the lock counts as ours: an
// account can have more than one name, and right before the request there was
// no lock.
func (r *Run) unclear(ctx context.Context, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTimeout)
	defer cancel()
	owner, locked, err := r.Instance.LockTaken(ctx)
	what, remedy := "", restart
	switch {
	case err != nil:
		what = fmt.Sprintf("the reply to the lock request was lost, and the state of the lock is unknown: %v", err)
		remedy = "check whether users can reach it:\n\n    bkp status\n\nIf it is locked: " + restart
	case locked && owner.Self:
		what = fmt.Sprintf("the reply to the lock request was lost, and the instance is locked by %s, the account of bkp: most likely by that request", owner.Name)
	case locked && owner.Name != "":
		what = fmt.Sprintf("the reply to the lock request was lost, and the instance is locked by %s: ask them first", owner.Name)
	case locked:
		what = "the reply to the lock request was lost, and the instance is locked, possibly by that request"
	case errors.Is(cause, bitbucket.ErrUnderWay):
		what = "the lock request was not answered in time; the instance is not locked now, but may be locked later"
		remedy = "check again in a minute:\n\n    bkp status\n\nIf it is locked then: " + restart
	default:
		return nil
	}
	return problem.Wrapf(lostLock{cause}, ErrMayBeLocked.Error(), remedy, "%s", what)
}
