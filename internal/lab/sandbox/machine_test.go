package sandbox

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// The states in which every call is tried.
const (
	atIdle      = "idle"
	atLocked    = "locked"
	atLatched   = "latched"
	atDrained   = "drained"
	atComplete  = "complete, locked"
	atCanceled  = "canceled, locked"
	atFailed    = "drain failed, locked"
	atUnlocked  = "unlocked too early"
	atRestarted = "restarted while drained"
)

type tokens struct{ unlock, cancel string }

// reach brings a fresh machine into a state.
func reach(t *testing.T, state string) (*machine, tokens) {
	t.Helper()
	m := &machine{}
	var k tokens
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	if state == atIdle {
		return m, tokens{unlock: "none", cancel: "none"}
	}
	var err error
	k.unlock, _, err = m.lock(Owner{Name: "admin"})
	must(err)
	if state == atLocked {
		k.cancel = "none"
		return m, k
	}
	d := drain{delay: time.Minute}
	if state == atFailed {
		d.end = DrainFails
	}
	started, err := m.start(k.unlock, d)
	must(err)
	k.cancel = started.cancel
	if state != atLatched {
		time.Sleep(time.Minute)
	}
	switch state {
	case atComplete:
		must(m.progress(k.unlock, 100))
	case atCanceled:
		must(m.cancel(k.cancel))
	case atUnlocked:
		must(m.unlock(k.unlock))
	case atRestarted:
		m.restart(false)
	}
	return m, k
}

func TestEveryCallInEveryState(t *testing.T) {
	calls := []string{"lock", "unlock", "unlock wrong", "start", "start wrong", "progress 50", "progress wrong", "progress 100", "cancel", "cancel wrong", "fail", "restart"}
	do := func(m *machine, k tokens, call string) error {
		switch call {
		case "lock":
			_, _, err := m.lock(Owner{Name: "other"})
			return err
		case "unlock":
			return m.unlock(k.unlock)
		case "unlock wrong":
			return m.unlock("wrong")
		case "start":
			_, err := m.start(k.unlock, drain{})
			return err
		case "start wrong":
			_, err := m.start("wrong", drain{})
			return err
		case "progress 50":
			return m.progress(k.unlock, 50)
		case "progress wrong":
			return m.progress("wrong", 50)
		case "progress 100":
			return m.progress(k.unlock, 100)
		case "cancel":
			return m.cancel(k.cancel)
		case "cancel wrong":
			return m.cancel("wrong")
		case "fail":
			return m.fail()
		}
		m.restart(false)
		return nil
	}
	var ok error
	// One row a state; columns as in calls.
	tests := map[string][]error{
		atIdle:      {ok, errNotLocked, errNotLocked, errNotLocked, errNotLocked, errNoTask, errNoTask, errNoTask, errNoTask, errNoTask, errNoTask, ok},
		atLocked:    {errLocked, ok, errWrongToken, ok, errWrongToken, errNoTask, errNoTask, errNoTask, errNoTask, errNoTask, errNoTask, ok},
		atLatched:   {errLocked, ok, errWrongToken, errTaskRunning, errWrongToken, ok, errWrongToken, ok, ok, errWrongToken, ok, ok},
		atDrained:   {errLocked, ok, errWrongToken, errTaskRunning, errWrongToken, ok, errWrongToken, ok, ok, errWrongToken, ok, ok},
		atComplete:  {errLocked, ok, errWrongToken, ok, errWrongToken, errNoTask, errNoTask, errNoTask, errNoTask, errNoTask, errNoTask, ok},
		atCanceled:  {errLocked, ok, errWrongToken, ok, errWrongToken, errNoTask, errNoTask, errNoTask, errNoTask, errNoTask, errNoTask, ok},
		atFailed:    {errLocked, ok, errWrongToken, ok, errWrongToken, errNoTask, errNoTask, errNoTask, errNoTask, errNoTask, errNoTask, ok},
		atUnlocked:  {ok, errNotLocked, errNotLocked, errNotLocked, errNotLocked, ok, errWrongToken, ok, ok, errWrongToken, ok, ok},
		atRestarted: {ok, errNotLocked, errNotLocked, errNotLocked, errNotLocked, errNoTask, errNoTask, errNoTask, errNoTask, errNoTask, errNoTask, ok},
	}
	for state, wants := range tests {
		for i, call := range calls {
			t.Run(state+"/"+call, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					m, k := reach(t, state)
					before := m.state()
					err := do(m, k, call)
					if !errors.Is(err, wants[i]) || (err == nil) != (wants[i] == nil) {
						t.Fatalf("got %v, want %v", err, wants[i])
					}
					after := m.state()
					if err != nil && (before.Locked() != after.Locked() || before.Database != after.Database) {
						t.Errorf("a refused call changed the state: %+v, then %+v", before, after)
					}
				})
			})
		}
	}
}

func TestStatesAsSeen(t *testing.T) {
	tests := map[string]struct {
		locked  bool
		latch   Latch
		task    TaskState
		percent int
		open    bool // to users
	}{
		atIdle:      {false, Available, "", 0, true},
		atLocked:    {true, Available, "", 0, false},
		atLatched:   {true, Latched, Running, 5, false},
		atDrained:   {true, Drained, Running, 10, false},
		atComplete:  {true, Available, Successful, 100, false},
		atCanceled:  {true, Available, Canceled, 10, false},
		atFailed:    {true, Available, Failed, 5, false},
		atUnlocked:  {false, Drained, Running, 10, false},
		atRestarted: {false, Available, "", 0, true},
	}
	for name, want := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, _ := reach(t, name)
				s := m.state()
				var task Task
				if s.Task != nil {
					task = *s.Task
				}
				if s.Locked() != want.locked || s.Database != want.latch || s.SCM != want.latch ||
					task.State != want.task || task.Progress != want.percent {
					t.Errorf("state %+v, task %+v, want %+v", s, task, want)
				}
				if open := m.page(); open != want.open {
					t.Errorf("open to users: %v, want %v", open, want.open)
				}
			})
		})
	}
}

func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, k := reach(t, atDrained)
		steps := []struct {
			percent int
			err     error
			shown   int
		}{
			{0, nil, 10}, {50, nil, 55}, {49, errProgress, 55}, {50, nil, 55}, {101, errProgress, 55}, {-1, errProgress, 55}, {100, nil, 100}, {100, errNoTask, 100},
		}
		for _, s := range steps {
			if err := m.progress(k.unlock, s.percent); !errors.Is(err, s.err) || (err == nil) != (s.err == nil) {
				t.Errorf("progress %d: %v, want %v", s.percent, err, s.err)
			}
			if got := m.state().Task.Progress; got != s.shown {
				t.Errorf("after progress %d users see %d, want %d", s.percent, got, s.shown)
			}
		}
	})
}

func TestDrainWaitsForWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &machine{}
		began, ok := m.enter()
		if !ok {
			t.Fatal("an idle instance refuses a write")
		}
		token, _, _ := m.lock(Owner{})
		if _, err := m.start(token, drain{delay: time.Second}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if s := m.state(); s.Database != Latched || s.SCM != Latched {
			t.Fatalf("drained with a write in flight: %+v", s)
		}
		m.leave(began, true)
		end := time.Now()
		time.Sleep(time.Minute)
		if s := m.state(); s.Database != Drained || s.SCM != Drained {
			t.Fatalf("not drained: %+v", s)
		}
		if got := m.locks[0].Drained; !got.Equal(end) {
			t.Errorf("drained at %v, want the end of the last write, %v", got, end)
		}
	})
}

func TestDrainTakesItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _ := reach(t, atLatched)
		time.Sleep(30 * time.Second)
		if s := m.state(); s.Database != Latched || s.SCM != Drained {
			t.Errorf("half-way: %+v, want the repositories drained and the database not", s)
		}
		time.Sleep(30*time.Second - time.Nanosecond)
		if s := m.state(); s.Database != Latched {
			t.Errorf("drained too early: %+v", s)
		}
		time.Sleep(time.Nanosecond)
		if s := m.state(); s.Database != Drained {
			t.Errorf("not drained in time: %+v", s)
		}
	})
}

func TestDrainNeverEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &machine{}
		token, _, _ := m.lock(Owner{})
		started, err := m.start(token, drain{end: DrainNever})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(1000 * time.Hour)
		if s := m.state(); s.Database != Latched || s.SCM != Latched || s.Task.State != Running {
			t.Errorf("state %+v, want latched and running", s)
		}
		if err := m.cancel(started.cancel); err != nil {
			t.Errorf("cancel: %v", err)
		}
	})
}

func TestOutageIsWhatUsersSaw(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewServer(Options{})
		m := &s.machine
		inFlight, _ := m.enter()
		token, _, _ := m.lock(Owner{})
		time.Sleep(time.Second) // locked, and nobody asks yet
		first := time.Now()
		m.page()
		m.leave(inFlight, true) // began before the outage: does not end it
		time.Sleep(3 * time.Second)
		m.page()
		if err := m.unlock(token); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		m.page()
		u := s.Users()
		if len(u.Outages) != 1 || u.Longest != 4*time.Second || !u.First503.Equal(first) || u.Unavailable != 2 || u.OK != 2 {
			t.Errorf("users saw %+v", u)
		}
	})
}

// TestRecordShowsWhenDrainedWasNoticed: by the clock of the instance, whatever
// the tool says of itself.
func TestRecordShowsWhenDrainedWasNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewServer(Options{})
		m := &s.machine
		token, _, _ := m.lock(Owner{})
		if _, err := m.start(token, drain{delay: time.Second}); err != nil {
			t.Fatal(err)
		}
		m.polled() // too early to count
		time.Sleep(time.Second + 15*time.Millisecond)
		m.state() // nobody but the control interface
		time.Sleep(5 * time.Millisecond)
		m.polled()
		time.Sleep(30 * time.Millisecond)
		m.polled() // the first counts
		if err := m.progress(token, 100); err != nil {
			t.Fatal(err)
		}
		if err := m.unlock(token); err != nil {
			t.Fatal(err)
		}
		got := s.Report().Locks[0]
		if got.DrainedToNoticed != 20*time.Millisecond || got.DrainedToComplete != 50*time.Millisecond || got.LetIn {
			t.Errorf("%+v", got)
		}
	})
}

// TestRecordShowsWhoWasLetIn: an unlock while the task runs is no end.
func TestRecordShowsWhoWasLetIn(t *testing.T) {
	for _, at := range []string{atUnlocked, atComplete} {
		synctest.Test(t, func(t *testing.T) {
			m, k := reach(t, at)
			if at == atComplete {
				if err := m.unlock(k.unlock); err != nil {
					t.Fatal(err)
				}
			}
			if got := m.locks[0].LetIn; got != (at == atUnlocked) {
				t.Errorf("%s: %v", at, got)
			}
		})
	}
}
