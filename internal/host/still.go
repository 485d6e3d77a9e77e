package host

import (
	"context"
	"fmt"
	"time"
)

// StillError is a tool that was ended because it made no progress.
type StillError struct{ For time.Duration }

// Error says how long it made no progress.
func (e *StillError) Error() string {
	return fmt.Sprintf("it made no progress: for %s none of its processes used the CPU, read or wrote", e.For)
}

// looks is how often a tool must be found as it was before it counts as
// standing still. One look would not do after this machine, or bkp, was stopped
// for a while itself.
const looks = 10

// activity is what a tool and all that it started have done so far.
type activity struct {
	// ticks of the processor, and calls that read or write.
	ticks, calls uint64
	// processes there are, and whether all of them sleep. One that waits for a
	// disk or for a file server does not.
	processes int
	asleep    bool
}

// watchStill calls end when the group has stood still for c.Still, and returns
// what stops it. Where the system reports nothing about processes, it never does.
func watchStill(ctx context.Context, c Command, group int, end context.CancelCauseFunc) (stop func()) {
	if c.Still <= 0 {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if standsStill(ctx, c.Still, group) {
			end(&StillError{For: c.Still})
		}
	}()
	return func() { cancel(); <-done }
}

// standsStill returns true once the group stood still for limit, and false when
// the context ended or nothing can be known.
func standsStill(ctx context.Context, limit time.Duration, group int) bool {
	tick := time.NewTicker(limit / looks)
	defer tick.Stop()
	var last activity
	for same := 0; same < looks; {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
		now, err := groupActivity(group)
		if err != nil {
			return false
		}
		if now != last || !now.asleep {
			last, same = now, 0
			continue
		}
		same++
	}
	return true
}
