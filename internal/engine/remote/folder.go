package remote

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/gofrs/flock"

	"bkp/internal/engine/stage"
	"bkp/internal/host"
	"bkp/internal/problem"
)

// patience is how long what cleans up waits for an agent that has lost its session,
// and is still cleaning up itself.
const patience = 2 * time.Minute

// folder is the work folder of a component, as an agent has it: one session works in it
// at a time, since another machine that runs bkp may be configured to use it, too.
type folder struct {
	path string

	mu   sync.Mutex
	lock *flock.Flock
	// restoring holds a token while a restore is under way, or what one left is removed.
	restoring chan struct{}
}

func newFolder(path string) *folder { return &folder{path: path, restoring: make(chan struct{}, 1)} }

// record is where it stands what a restore makes for a while on this machine.
func (f *folder) record() string { return f.path + ".restore.json" }

// own takes the folder for this session, and removes what a restore left that was
// killed. What cannot be removed stays on record, and keeps nobody from a backup: tidy
// returns the error.
func (f *folder) own(ctx context.Context, wait bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lock != nil {
		return nil
	}
	l, err := f.locked(ctx, wait)
	if err != nil {
		return err
	}
	f.lock = l
	_ = f.clean()
	return nil
}

func (f *folder) locked(ctx context.Context, wait bool) (*flock.Flock, error) {
	if err := os.MkdirAll(filepath.Dir(f.path), 0o700); err != nil {
		return nil, unwritableState(err)
	}
	l := flock.New(f.path+".lock", flock.SetPermissions(0o600), flock.SetFlag(os.O_CREATE|os.O_RDWR|host.NonBlock))
	ok, err := l.TryLock()
	if err == nil && !ok && wait {
		waiting, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		if ok, err = l.TryLockContext(waiting, 100*time.Millisecond); waiting.Err() != nil && ctx.Err() == nil {
			err = nil // as if it had been tried once
		}
	}
	if err != nil {
		return nil, unwritableState(err)
	}
	if !ok {
		return nil, problem.New("another bkp works on the other machine", f.path+" is in use",
			"wait until its run has ended; if that run was killed, what it left is discarded within the connection's timeout; give each machine that runs bkp a state_dir of its own")
	}
	return l, nil
}

func unwritableState(err error) error {
	return problem.Wrap(err, "state folder of the other machine not writable", "set state_dir of the connection to a folder that its user may write to, or sudo = true")
}

// restore records what a restore makes for a while, before any of it is there. done
// removes that; what cannot be removed stays on record.
func (f *folder) restore(ctx context.Context, r stage.Record) (done func(), err error) {
	if err := f.begin(ctx); err != nil {
		return nil, err
	}
	if err := stage.Remember(f.record(), r); err != nil {
		f.end()
		return nil, unwritableState(err)
	}
	return func() {
		_ = f.clean() // the near side asks for it once more, and gets the error
		f.end()
	}, nil
}

// tidy removes what restores left, once none is under way.
func (f *folder) tidy(ctx context.Context) error {
	if err := f.own(ctx, true); err != nil {
		return err
	}
	if err := f.begin(ctx); err != nil {
		return err
	}
	defer f.end()
	return f.clean()
}

func (f *folder) begin(ctx context.Context) error {
	select {
	case f.restoring <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (f *folder) end() { <-f.restoring }

func (f *folder) clean() error {
	_, err := stage.Clean(f.record(), func(stage.There) error { return errors.ErrUnsupported })
	return err
}

// release gives the folder to others.
func (f *folder) release() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lock == nil {
		return nil
	}
	return f.lock.Unlock()
}
