package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/gofrs/flock"

	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/internal/records/running"
)

// ErrRunning is wrapped by errors that say that another run holds the state
// folder.
var ErrRunning = errors.New("another run is in progress")

// lockAgain is how often a command that waits for another run looks.
const lockAgain = 250 * time.Millisecond

// RunLock is the state folder of one command, until Unlock.
type RunLock struct {
	eng  *Engine
	lock *flock.Flock
}

// Unlock gives the state folder back. It may be called twice.
func (l *RunLock) Unlock() error {
	if !l.lock.Locked() {
		return nil
	}
	_ = running.Remove(l.eng.Config.StateDir) // a record without a lock means nothing
	l.eng.holder.set(nil)
	return l.lock.Unlock()
}

// Lock takes the state folder for this run; the kernel lets it go when the
// process ends in any way. command is what bkp status shows of it. For up to
// LockTimeout it waits until another run has ended.
func (eng *Engine) Lock(ctx context.Context, command string) (*RunLock, error) {
	const remedy = "run as a user who may write there, or set state_dir"
	if err := makePrivate(eng.Config.StateDir); err != nil {
		return nil, problem.Wrap(err, "state folder not writable", remedy)
	}
	l := flock.New(filepath.Join(eng.Config.StateDir, "lock"), flock.SetPermissions(0o600), flock.SetFlag(os.O_CREATE|os.O_RDONLY|host.NonBlock))
	ok, err := l.TryLock()
	if err == nil && !ok && eng.LockTimeout > 0 {
		ok, err = eng.await(ctx, l)
	}
	if ctx.Err() != nil && !ok {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, problem.Wrap(err, "state folder not writable", remedy)
	}
	if !ok {
		return nil, fmt.Errorf("%w in %s%s", ErrRunning, eng.Config.StateDir, eng.byWhom())
	}
	name, _ := os.Hostname()
	eng.holder.set(&running.Record{Command: command, PID: os.Getpid(), Host: name, Started: time.Now().UTC()})
	eng.warnOf(eng.holder.write(eng.Config.StateDir))
	return &RunLock{eng, l}, nil
}

// await waits for the lock, and says for whom.
func (eng *Engine) await(ctx context.Context, l *flock.Flock) (bool, error) {
	eng.note("another run is in progress%s; waiting for it up to %s", eng.byWhom(), eng.LockTimeout)
	within, cancel := context.WithTimeout(ctx, eng.LockTimeout)
	defer cancel()
	ok, err := l.TryLockContext(within, lockAgain)
	if errors.Is(err, context.DeadlineExceeded) {
		return false, nil
	}
	return ok, err
}

// byWhom describes the run that holds the state folder, "" if it is unknown.
func (eng *Engine) byWhom() string {
	r, err := running.Read(eng.Config.StateDir)
	if err != nil || r == nil {
		return ""
	}
	return ": " + Describe(*r)
}

// Running reports whether another process holds the state folder, without
// making anything.
func (eng *Engine) Running() bool {
	path := filepath.Join(eng.Config.StateDir, "lock")
	if _, err := os.Stat(path); err != nil {
		return false
	}
	l := flock.New(path, flock.SetFlag(os.O_RDONLY|host.NonBlock))
	ok, err := l.TryRLock()
	if ok {
		_ = l.Unlock()
	}
	return err == nil && !ok
}

// holder is the record of this process, while it holds the state folder.
type holder struct {
	mu     sync.Mutex
	record *running.Record
}

func (h *holder) set(r *running.Record) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.record = r
}

// change changes the record and writes it; without the lock it does nothing.
func (h *holder) change(stateDir string, how func(*running.Record)) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.record == nil {
		return nil
	}
	how(h.record)
	return running.Write(stateDir, *h.record)
}

func (h *holder) write(stateDir string) error { return h.change(stateDir, func(*running.Record) {}) }
