package sqlserver

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/database"
)

// Summaries of statements that do not end.
const (
	backupStalled  = "backup of the database stalled"
	restoreStalled = "restore of the database stalled"
	answerLost     = "database server carries out the statement no longer"
)

// pace is how often a statement that moves data is looked at.
type pace struct {
	database.Pace
	// ask is after which silence the server is asked, and how often from then on.
	ask time.Duration
}

func usual() pace {
	const ask = 30 * time.Second
	return pace{database.Usual(nil), ask}
}

// movement is a BACKUP or a RESTORE.
type movement struct {
	statement string
	// total is what 100 percent are, in bytes; 0 if that is not known.
	total int64
	// patient is set where nobody waits but the operator, and the server may be silent for
	// as long as it likes: while it fills files with zeros, waits for a disk or recovers. As
	// long as it says that it is at it, it is not given up.
	patient bool
}

func (m movement) stalled(limit time.Duration) *problem.Problem {
	if m.patient {
		return problem.New(restoreStalled, fmt.Sprintf("the server said nothing for %s, and does not answer another connection", limit),
			"look whether the server hangs, and for a firewall that drops connections; then restore again")
	}
	return problem.New(backupStalled, fmt.Sprintf("the server got no further for %s", limit),
		"look at its disk, for another backup that it waits for (sys.dm_exec_requests), and for a firewall that drops connections; then "+runBackupAgain)
}

// moving is one that goes on.
type moving struct {
	movement
	// percent is how far the server says it is; signs counts what shows that it goes on.
	percent, signs atomic.Int64
	// spoke is set since the last look.
	spoke atomic.Bool
}

// move runs a statement that moves data, and reports how far the server says it has come. One
// that does not go on is given up: see movement.
func (s *strategy) move(ctx context.Context, c *session, m movement) error {
	id, err := c.number(ctx)
	if err != nil {
		return err
	}
	on := &moving{movement: m}
	p := s.pace.Pace
	p.Stalled = m.stalled(p.Silence)
	return p.Watch(ctx, func(now providers.Progress) { on.report(s.env, now) }, on.progress, func(ctx context.Context) error {
		ctx, cancel := context.WithCancelCause(ctx)
		asking := make(chan struct{})
		go func() { defer close(asking); s.ask(ctx, cancel, id, on) }()
		err := c.run(ctx, m.statement, func(said string) { s.heard(on, said) })
		cancel(nil)
		<-asking
		return err
	})
}

// heard takes a message of the statement itself.
func (s *strategy) heard(on *moving, said string) {
	on.spoke.Store(true)
	on.signs.Add(1)
	if n, ok := percentOf(said); ok {
		on.percent.Store(max(n, on.percent.Load()))
	} else if s.env.Log != nil {
		fmt.Fprintln(s.env.Log, said)
	}
}

// progress has the signs in the place of files, for the watch alone.
func (on *moving) progress() providers.Progress {
	return providers.Progress{Bytes: on.percent.Load(), Files: on.signs.Load()}
}

// report shows bytes, unless percent are all that is known.
func (on *moving) report(env providers.Env, now providers.Progress) {
	const all = 100
	if on.total > 0 {
		env.Report(providers.Progress{Bytes: now.Bytes * on.total / all, TotalBytes: on.total})
	}
}

// ask asks the server, over another connection, what becomes of a statement that is silent.
func (s *strategy) ask(ctx context.Context, giveUp context.CancelCauseFunc, id string, on *moving) {
	var other *session
	defer func() {
		if other != nil {
			other.close()
		}
	}()
	var last request
	missing := 0
	tick := time.NewTicker(s.pace.ask)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if on.spoke.Swap(false) {
			missing = 0
			continue
		}
		if other == nil {
			other, _ = s.connect(ctx, master) // a server that does not answer is not a sign
		}
		if other == nil {
			continue
		}
		now, err := other.request(ctx, id)
		switch {
		case err != nil:
			other.close()
			other = nil
		case !now.running && now.seen:
			// Its answer may just be on its way.
			if missing++; missing > 1 {
				giveUp(problem.New(answerLost, "its answer did not arrive", "look for a firewall that drops connections, and into the server's error log"))
				return
			}
		default:
			missing = 0
			on.percent.Store(max(now.percent, on.percent.Load()))
			if on.patient || now.counters != last.counters {
				on.signs.Add(1)
			}
			last = now
		}
	}
}

// request is what the server says of what another session has it do.
type request struct {
	// seen is set if the login may see what others do, running if that session does something.
	seen, running bool
	percent       int64
	// counters change with whatever it does.
	counters string
}

// rightSee is the right to see what other sessions do. Without it the server shows a
// session only itself.
const rightSee = "VIEW SERVER STATE"

func (c *session) request(ctx context.Context, id string) (request, error) {
	r, err := c.row(ctx, `SELECT CONVERT(nvarchar(20), FLOOR(percent_complete)), CONVERT(nvarchar(20), percent_complete), CONVERT(nvarchar(20), cpu_time), CONVERT(nvarchar(20), reads), CONVERT(nvarchar(20), writes),
	CONVERT(nvarchar(20), logical_reads), ISNULL(wait_type, N'') FROM sys.dm_exec_requests WHERE session_id = `+id)
	if err != nil {
		return request{}, err
	}
	if len(r) == 0 {
		v, err := c.value(ctx, `SELECT CONVERT(nvarchar(1), HAS_PERMS_BY_NAME(NULL, NULL, `+literal(rightSee)+`))`)
		return request{seen: v == "1"}, err
	}
	percent, _ := strconv.ParseInt(r[0], 10, 64)
	return request{seen: true, running: true, percent: percent, counters: strings.Join(r, " ")}, nil
}

// number is that of the session, as the server counts them.
func (c *session) number(ctx context.Context) (string, error) {
	if c.id != "" {
		return c.id, nil
	}
	id, err := c.value(ctx, `SELECT CONVERT(nvarchar(10), @@SPID)`)
	if err == nil {
		_, err = strconv.Atoi(id)
	}
	if err != nil {
		return "", fmt.Errorf("number of the session: %w", err)
	}
	c.id = id
	return id, nil
}

// percentOf reads "40 percent processed.".
func percentOf(said string) (int64, bool) {
	n, found := strings.CutSuffix(said, " percent processed.")
	if !found {
		return 0, false
	}
	percent, err := strconv.ParseInt(n, 10, 64)
	return percent, err == nil
}
