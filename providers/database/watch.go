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

// Pace says when something that does not go on is given up.
type Pace struct {
	// Every is how often it is looked at and reported, Silence how long it may bring nothing.
	Every, Silence time.Duration
	// Stalled is returned then.
	Stalled *problem.Problem
}

// Usual is the pace of whatever a server is watched for: once a second, 15 minutes.
func Usual(stalled *problem.Problem) Pace { return Pace{lookEvery, silence, stalled} }

// Watch runs work, which makes a dump, at the usual pace: see Pace.Watch.
func Watch(ctx context.Context, report func(providers.Progress), progress func() providers.Progress, work func(context.Context) error) error {
	stalled := problem.New(silent, fmt.Sprintf("nothing arrived for %s", silence),
		"look for a session that locks a table (ALTER TABLE, VACUUM FULL), and for a firewall that drops connections; then run the backup again")
	return Usual(stalled).Watch(ctx, report, progress, work)
}

// Watch runs work, and reports now and then and at its end how far it has come. When
// progress stays the same for too long, the context of work ends, and Watch returns a
// problem. A connection can be lost in ways that neither side notices; an unattended run would
// wait for ever, and all runs after it.
//
// Work must return soon after its context has ended: Watch waits for it.
// Progress is called from one goroutine at a time.
func (p Pace) Watch(ctx context.Context, report func(providers.Progress), progress func() providers.Progress, work func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	done := make(chan error, 1)
	go func() { done <- work(ctx) }()

	tick := time.NewTicker(p.Every)
	defer tick.Stop()
	last := progress()
	isGivenUp := false
	// Looks are counted, and the time is not taken: a machine that was
	// suspended has looked once.
	for quiet := time.Duration(0); ; {
		select {
		case err := <-done:
			report(progress())
			if isGivenUp && err != nil {
				return p.Stalled
			}
			return err
		case <-tick.C:
		}
		now := progress()
		report(now)
		if quiet += p.Every; now != last {
			last, quiet = now, 0
		}
		if quiet >= p.Silence && !isGivenUp {
			isGivenUp = true
			cancel(p.Stalled)
		}
	}
}
