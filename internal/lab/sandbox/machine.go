package sandbox

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"sync"
	"time"
)

// Why the machine refuses a call. The server turns each into the HTTP status
// that the corners name.
var (
	errLocked      = errors.New("the instance is already locked")
	errWrongToken  = errors.New("the token is not the one of the lock or task")
	errNotLocked   = errors.New("the instance is not locked")
	errNoTask      = errors.New("no backup is running")
	errTaskRunning = errors.New("a backup is already running")
	errProgress    = errors.New("progress must be 0 to 100 and must not decrease")
)

// Owner is who holds the lock.
type Owner struct {
	DisplayName string `json:"displayName"`
	Name        string `json:"name"`
}

// TaskState is the state of the backup task.
type TaskState string

// The states of a backup task.
const (
	Running    TaskState = "RUNNING"
	Successful TaskState = "SUCCESSFUL"
	Failed     TaskState = "FAILED"
	Canceled   TaskState = "CANCELED"
)

// Latch is the state of the database's or the repositories' latch.
type Latch string

// The states of a latch.
const (
	Available Latch = "AVAILABLE"
	Latched   Latch = "LATCHED"
	Drained   Latch = "DRAINED"
)

// Task is what the instance reports about the backup task.
type Task struct {
	ID       string    `json:"id"`
	State    TaskState `json:"state"`
	Message  string    `json:"message"`
	Progress int       `json:"percentage"`
}

// State is the machine at one instant, without its tokens.
type State struct {
	Owner    *Owner `json:"owner,omitempty"` // nil: not locked
	Task     *Task  `json:"task,omitempty"`  // nil: none since the last lock
	Database Latch  `json:"db-state"`
	SCM      Latch  `json:"scm-state"`
	InFlight int    `json:"in_flight"`
}

// Locked reports whether someone holds the maintenance lock.
func (s State) Locked() bool { return s.Owner != nil }

// Idle reports whether nothing of a backup is left: no lock, no running task.
func (s State) Idle() bool {
	return s.Owner == nil && (s.Task == nil || s.Task.State != Running)
}

// LockRecord is the history of one lock. Times that were not reached are zero.
type LockRecord struct {
	Owner     Owner     `json:"owner"`
	Locked    time.Time `json:"locked"`
	Started   time.Time `json:"started,omitzero"`
	Drained   time.Time `json:"drained,omitzero"`
	Noticed   time.Time `json:"noticed,omitzero"`   // the first poll that was answered with DRAINED
	Completed time.Time `json:"completed,omitzero"` // the task's end, whichever
	Unlocked  time.Time `json:"unlocked,omitzero"`
	Outcome   TaskState `json:"outcome,omitempty"` // of the last task under this lock
	// LetIn: the lock was taken away while the task ran, so that users meet
	// latches that nobody opens.
	LetIn bool `json:"let_in,omitempty"`
}

// DrainedToNoticed is how long the backup tool took to find out that it may
// begin, by the monotonic clock. It is 0 unless it did.
func (r LockRecord) DrainedToNoticed() time.Duration {
	if r.Drained.IsZero() || r.Noticed.IsZero() {
		return 0
	}
	return r.Noticed.Sub(r.Drained)
}

// DrainedToComplete is the part of the lock window that the backup tool
// answers for, by the monotonic clock. It is 0 unless the backup was drained and ended.
func (r LockRecord) DrainedToComplete() time.Duration {
	if r.Drained.IsZero() || r.Completed.IsZero() {
		return 0
	}
	return r.Completed.Sub(r.Drained)
}

// machine is the maintenance state of the instance and the gate that its users
// pass. Nothing in it runs by itself: what time has brought, such as the end
// of the drain, is worked out whenever someone looks.
type machine struct {
	mu        sync.Mutex
	owner     *Owner
	token     string
	task      *task
	inFlight  int
	idleSince time.Time
	locks     []LockRecord
	users     users
}

type task struct {
	id, cancel, unlock string
	state              TaskState
	percent            int // as the client says
	started            time.Time
	drain              drain
	drained            time.Time
	record             int // in machine.locks
}

// drain is how a task drains, fixed when it starts.
type drain struct {
	delay time.Duration
	end   DrainEnd
}

// lock takes the lock and returns the unlock token. When it is taken already,
// the owner returned is the present one.
func (m *machine) lock(o Owner) (string, Owner, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.owner != nil {
		return "", *m.owner, errLocked
	}
	m.owner, m.token = &o, newToken()
	if m.task != nil && m.task.state != Running {
		m.task = nil
	}
	m.locks = append(m.locks, LockRecord{Owner: o, Locked: time.Now()})
	return m.token, o, nil
}

// unlock opens the instance. A running task goes on, its latches held.
func (m *machine) unlock(token string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.advance()
	switch {
	case m.owner == nil:
		return errNotLocked
	case token != m.token:
		return errWrongToken
	}
	m.locks[len(m.locks)-1].LetIn = m.task != nil && m.task.state == Running
	m.open()
	if m.task != nil && m.task.state != Running {
		m.task = nil
	}
	return nil
}

func (m *machine) open() {
	m.owner, m.token = nil, ""
	m.locks[len(m.locks)-1].Unlocked = time.Now()
}

// start begins a backup: both latches close and begin to drain.
func (m *machine) start(token string, d drain) (started task, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.advance()
	switch {
	case m.owner == nil:
		return task{}, errNotLocked
	case token != m.token:
		return task{}, errWrongToken
	case m.task != nil && m.task.state == Running:
		return task{}, errTaskRunning
	}
	last := len(m.locks) - 1
	m.task = &task{
		id: newToken(), cancel: newToken(), unlock: token,
		state: Running, started: time.Now(), drain: d, record: last,
	}
	r := &m.locks[last]
	r.Started, r.Drained, r.Noticed, r.Completed, r.Outcome = m.task.started, time.Time{}, time.Time{}, time.Time{}, Running
	return *m.task, nil
}

// progress takes the client's word for how far it is; 100 completes.
func (m *machine) progress(token string, percent int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.advance()
	switch {
	case m.task == nil || m.task.state != Running:
		return errNoTask
	case token != m.task.unlock:
		return errWrongToken
	case percent < m.task.percent || percent > 100:
		return errProgress
	}
	m.task.percent = percent
	if percent == 100 {
		m.endTask(Successful, time.Now())
	}
	return nil
}

// cancel ends the backup and releases the latches. The lock stays.
func (m *machine) cancel(token string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.advance()
	switch {
	case m.task == nil || m.task.state != Running:
		return errNoTask
	case token != m.task.cancel:
		return errWrongToken
	}
	m.endTask(Canceled, time.Now())
	return nil
}

// fail ends the backup as the instance itself does when something breaks.
func (m *machine) fail() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.advance()
	if m.task == nil || m.task.state != Running {
		return errNoTask
	}
	m.endTask(Failed, time.Now())
	return nil
}

// restart forgets the task and, unless keepLock, the lock.
func (m *machine) restart(keepLock bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.advance()
	if m.task != nil && m.task.state == Running {
		m.endTask(Failed, time.Now())
	}
	m.task = nil
	if m.owner != nil && !keepLock {
		m.open()
	}
}

// checkToken refuses a token that is neither empty nor the lock's.
func (m *machine) checkToken(token string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if token != "" && m.owner != nil && token != m.token {
		return errWrongToken
	}
	return nil
}

// polled is the state as the tool that makes the backup is shown it.
func (m *machine) polled() State {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.see()
	if t := m.task; t != nil && t.state == Running && !t.drained.IsZero() && m.locks[t.record].Noticed.IsZero() {
		m.locks[t.record].Noticed = time.Now()
	}
	return s
}

func (m *machine) state() State {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.see()
}

// see works out the state. Callers hold mu.
func (m *machine) see() State {
	m.advance()
	s := State{InFlight: m.inFlight}
	s.Database, s.SCM = m.latches()
	if m.owner != nil {
		o := *m.owner
		s.Owner = &o
	}
	if m.task != nil {
		s.Task = &Task{ID: m.task.id, State: m.task.state}
		s.Task.Message, s.Task.Progress = m.task.shown()
	}
	return s
}

// endTask releases the latches, which live only as long as a task runs.
func (m *machine) endTask(s TaskState, at time.Time) {
	m.task.state = s
	r := &m.locks[m.task.record]
	r.Completed, r.Outcome = at, s
}

// advance brings the task to where the clock says it is. Callers hold mu.
func (m *machine) advance() {
	t := m.task
	if t == nil || t.state != Running || !t.drained.IsZero() || t.drain.end == DrainNever {
		return
	}
	at, now := t.started.Add(t.drain.delay), time.Now()
	if t.drain.end == DrainFails {
		if !now.Before(at) {
			m.endTask(Failed, at)
		}
		return
	}
	if m.idleSince.After(at) {
		at = m.idleSince
	}
	if m.inFlight == 0 && !now.Before(at) {
		t.drained = at
		m.locks[t.record].Drained = at
	}
}

// latches returns the database's and the repositories' latch. The repositories
// drain in half of the time, so that a client that looks at one latch only is
// found out. Callers hold mu.
func (m *machine) latches() (database, scm Latch) {
	t := m.task
	switch {
	case t == nil || t.state != Running:
		return Available, Available
	case !t.drained.IsZero():
		return Drained, Drained
	case t.drain.end == "" && m.inFlight == 0 && time.Since(t.started) >= t.drain.delay/2:
		return Latched, Drained
	}
	return Latched, Latched
}

// shown is what users see of the task: a tenth is the instance's own share.
func (t *task) shown() (string, int) {
	switch {
	case t.state == Successful:
		return "Backup complete", 100
	case t.state == Canceled:
		return "Backup canceled", 10 + t.percent*9/10
	case t.state == Failed:
		return "Backup failed", 5
	case t.drained.IsZero():
		return "Closing connections to the current database", 5
	}
	return "Backing up Bitbucket home", 10 + t.percent*9/10
}

// newToken returns 40 hexadecimal digits, as the instance's tokens are.
func newToken() string {
	b := make([]byte, 20)
	_, _ = rand.Read(b) // never fails, by its contract
	return hex.EncodeToString(b)
}
