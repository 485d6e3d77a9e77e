package database

import (
	"context"
	"fmt"
	"time"

	"bkp/internal/problem"
	"bkp/providers"
)

const (
	// lookEvery is how often a dump's progress is looked at and reported.
	lookEvery = time.Second
	// silence is how long a dump may bring nothing. It is far longer than any
	// wait for another session's lock on a table should be, and short enough
	// that the next night's run does not find this one still waiting.
	silence = 15 * time.Minute
)

// silent is the summary when a dump does not go on.
const silent = "dump stalled"

// Watch runs work, which makes a dump, and reports once a second and at its end
// how far it has come. When nothing comes for 15 minutes, the context of work
// ends, and Watch returns a problem. A connection can be lost in ways that
// neither side notices; an unattended run would wait for ever, and all runs
// after it.
//
// Work must return soon after its context has ended: Watch waits for it.
// Progress is called from one goroutine at a time.
func Watch(ctx context.Context, report func(providers.Progress), progress func() providers.Progress, work func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	done := make(chan error, 1)
	go func() { done <- work(ctx) }()

	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	last := progress()
	var fallen *problem.Problem
	// Looks are counted, and the time is not taken: a machine that was
	// suspended has looked once.
	for quiet := time.Duration(0); ; {
		select {
		case err := <-done:
			report(progress())
			if fallen != nil && err != nil {
				return fallen
			}
			return err
		case <-tick.C:
		}
		now := progress()
		report(now)
		if quiet += lookEvery; now != last {
			last, quiet = now, 0
		}
		if quiet >= silence && fallen == nil {
			fallen = problem.New(silent, fmt.Sprintf("nothing arrived for %s", silence),
				"look for a session that locks a table (ALTER TABLE, VACUUM FULL), and for a firewall that drops connections; then run the backup again")
			cancel(fallen)
		}
	}
}
