package bitbucket

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// settle bounds the wait for a cancelled task to end before the unlock, which
// is the more important of the two.
const settle = 10 * time.Second

// Release puts the instance back into service after a run that did not
// succeed: it cancels the backup task, or completes it where it cannot be
// cancelled, waits for it to end, and unlocks. Unlocking alone would leave the
// task running and the latches held. It repeats what fails in passing until
// ctx ends, may be called again, and treats an instance that is not locked as
// success. An error that wraps ErrLost says the lock belongs to somebody else
// by now: nothing of ours is left.
func (c *Client) Release(ctx context.Context, l Lease) error {
	taskErr := c.endTask(ctx, l)
	if err := c.Unlock(ctx, l); err != nil {
		return errors.Join(err, taskErr)
	}
	if taskErr != nil {
		// An instance that came back in time to be unlocked can be told now.
		taskErr = c.endTask(ctx, l)
	}
	if taskErr != nil {
		return fmt.Errorf("unlocked, but the backup task may still be running: %w", taskErr)
	}
	return nil
}

func (c *Client) endTask(ctx context.Context, l Lease) error {
	// The task must not eat all the time there is for the unlock.
	ctx, cancel := context.WithTimeout(ctx, shareOf(ctx))
	defer cancel()
	if l.CancelToken.Reveal() != "" && c.tryCancel(ctx, l) == nil {
		return c.waitEnded(ctx, l)
	}
	// Completing takes the unlock token alone, so it also reaches a task whose
	// start was never answered.
	if err := c.Complete(ctx, l); err != nil {
		return err
	}
	return c.waitEnded(ctx, l)
}

// tryCancel leaves time to complete a task that cannot be cancelled.
func (c *Client) tryCancel(ctx context.Context, l Lease) error {
	ctx, cancel := context.WithTimeout(ctx, min(shareOf(ctx), settle))
	defer cancel()
	return c.Cancel(ctx, l)
}

// shareOf is half of what ctx has left.
func shareOf(ctx context.Context) time.Duration {
	deadline, ok := ctx.Deadline()
	if !ok {
		return time.Minute
	}
	return time.Until(deadline) / 2
}

func (c *Client) waitEnded(ctx context.Context, l Lease) error {
	ctx, cancel := context.WithTimeout(ctx, settle)
	defer cancel()
	for {
		m, err := c.Maintenance(ctx, l)
		// A refusal means that there is no task of ours; whether the lock is
		// ours the unlock will tell.
		if refused := status(err) >= 400 && status(err) < 500; refused || err == nil && !m.Running() {
			return nil
		}
		select {
		case <-ctx.Done():
			if err != nil {
				return err
			}
			return fmt.Errorf("the task is still running after %s", settle)
		case <-time.After(100 * time.Millisecond):
		}
	}
}
