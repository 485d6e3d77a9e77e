package home

import (
	"context"
	"errors"
	"math"
	"time"

	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/home/internal/treesync"
)

// Pass makes the working copy equal to the home: of the parts that changes
// lists, by their numbers, only what changed, and all of the others. With
// strict a change under its eyes is an error. treesync.ErrIncomplete asks for a
// pass over everything.
type Pass func(ctx context.Context, strict bool, changes map[int]treesync.Changes) error

// enough is how many changes are left to the pass under the lock rather than to
// another one before it: they cost some milliseconds.
const enough = 100

// Live makes the passes while users work: one over everything, and then some
// over what changed meanwhile, until little does.
func (t *Tracker) Live(ctx context.Context, pass Pass) error {
	if err := pass(ctx, false, nil); err != nil {
		return err
	}
	if t.syncCopy != nil {
		t.syncCopy()
	}
	return t.catchUp(ctx, pass)
}

// catchUp makes live passes over what changed since the last one, as long as
// each finds much less to do than the one before: that is what is left to the
// pass under the lock.
func (t *Tracker) catchUp(ctx context.Context, pass Pass) error {
	before := math.MaxInt
	for {
		changes, err := t.Take()
		if err != nil {
			t.say(err)
			return nil
		}
		begun := time.Now()
		if err := t.runPass(ctx, pass, false, changes); err != nil {
			if ctx.Err() != nil {
				return err
			}
			// The changes were taken, and are not in the copy: everything is walked.
			t.say(err)
			if err := pass(ctx, false, nil); err != nil {
				return err
			}
		}
		t.took = time.Since(begun)
		n := named(changes)
		if n <= enough || n > before/2 {
			return nil
		}
		before = n
	}
}

// Warm makes another live pass if others prepared for so long that more changed
// meanwhile than during the last one.
func (t *Tracker) Warm(ctx context.Context, pass Pass) error {
	if t.tracks() && time.Since(t.taken) > 2*t.took {
		return t.catchUp(ctx, pass)
	}
	return nil
}

// Locked makes the working copy equal to the home as it was at one instant of
// the lock. The kernel reports even afterwards whether there was one.
func (t *Tracker) Locked(ctx context.Context, pass Pass) error {
	before := t.taken
	changes, err := t.Take()
	if err != nil {
		t.say(err)
		return pass(ctx, true, nil)
	}
	t.change = &providers.Change{Files: int64(named(changes)), Over: t.taken.Sub(before)}
	const most = 3
	for range most {
		if err := t.runPass(ctx, pass, true, changes); err != nil {
			return err
		}
		if changes, err = t.Take(); err != nil {
			t.say(err)
			return pass(ctx, true, nil)
		}
		if named(changes) == 0 {
			return nil
		}
	}
	return problem.New("repositories change under the lock", "something went on writing to them while the instance was locked and drained",
		"find out what writes to the home besides Bitbucket, and stop it during the backup")
}

// runPass makes a pass, and walks everything if the changes are not enough to go by.
func (t *Tracker) runPass(ctx context.Context, pass Pass, strict bool, changes map[int]treesync.Changes) error {
	err := pass(ctx, strict, changes)
	if errors.Is(err, treesync.ErrIncomplete) {
		t.say(err)
		return pass(ctx, strict, nil)
	}
	return err
}

func (t *Tracker) say(why error) {
	if t.onUntracked != nil {
		t.onUntracked(why)
	}
}

// named counts the entries and folders that changed.
func named(all map[int]treesync.Changes) int {
	n := 0
	for _, c := range all {
		for _, names := range c.Folders {
			n += max(len(names), 1)
		}
	}
	return n
}
