package sqlserver

import (
	"sync/atomic"
	"testing"
	"time"

	"bkp/internal/lab/sqlserver"
	"bkp/internal/lab/tds"
	"bkp/providers"
	"bkp/providers/database"
)

// hasty is a pace at which a second of silence is long.
var hasty = pace{database.Pace{Every: 10 * time.Millisecond, Silence: time.Second}, 20 * time.Millisecond}

// enough is how many looks take longer than the silence.
const enough = 100

// paused keeps a statement of a server from going on until it was looked at often enough.
func paused(server *sqlserver.Server, at string, busy bool) *atomic.Int64 {
	var looks atomic.Int64
	until := make(chan struct{})
	server.Watch("sys.dm_exec_requests", func() {
		if looks.Add(1) == enough {
			close(until)
		}
	})
	server.Pause(sqlserver.Pause{At: at, Until: until, IsBusy: busy, Percent: 42})
	return &looks
}

// TestABackupThatWorksIsAwaited: a percent of a large database takes long, and the server
// shows that it reads. One that stands still is given up.
func TestABackupThatWorksIsAwaited(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		busy bool
		want string
	}{"works": {true, ""}, "stands still": {false, backupStalled}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := newServer(t)
			o := newOpening(t, server, "bitbucket")
			var shown atomic.Int64
			o.env.OnProgress = func(p providers.Progress) {
				if p.TotalBytes > 0 {
					shown.Store(max(shown.Load(), 100*p.Bytes/p.TotalBytes))
				}
			}
			s := o.new()
			s.pace = hasty
			looks := paused(server, "BACKUP DATABASE [", c.busy)
			err := s.Prepare(t.Context(), id)
			if c.want != "" {
				wants(t, err, c.want)
			} else if err != nil || looks.Load() < enough {
				t.Errorf("%v after %d looks", err, looks.Load())
			}
			if c.want != "" && shown.Load() != 41 && shown.Load() != 42 {
				t.Errorf("shown were %d percent", shown.Load())
			}
		})
	}
}

// TestARestoreIsAwaited: as long as the server says that it is at it, and even if it may not
// say so to this login.
func TestARestoreIsAwaited(t *testing.T) {
	t.Parallel()
	for name, login := range map[string]string{"seen": "sa", "not seen": "blind"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := newServer(t)
			server.CreateLogin("blind", server.Password(), rightSee)
			o := newOpening(t, server, "bitbucket")
			a := complete(t, o.new())
			o.cfg.Username = login
			r := &restorer{strategy: newStrategy(o.cfg, o.env)}
			r.pace, r.cfg.Database = hasty, "copy"
			looks := paused(server, "NORECOVERY", false)
			if err := r.Restore(t.Context(), a); err != nil || looks.Load() < enough {
				t.Errorf("%v after %d looks", err, looks.Load())
			}
		})
	}
}

// TestAnAnswerThatDoesNotCome: the server has ended the statement, and does not list it.
func TestAnAnswerThatDoesNotCome(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	o := newOpening(t, server, "bitbucket")
	a := complete(t, o.new())
	server.Disturb(tds.Fault{At: "NORECOVERY", Hold: make(chan struct{})})
	r := &restorer{strategy: o.new()}
	r.pace, r.cfg.Database = hasty, "copy"
	r.pace.Silence = time.Hour
	wants(t, r.Restore(t.Context(), a), answerLost)
	if names := server.Databases(); len(names) != 1 {
		t.Errorf("the server has %q", names)
	}
}
