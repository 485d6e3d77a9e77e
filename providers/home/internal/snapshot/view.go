package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/gofrs/flock"

	"bkp/internal/problem"
	"bkp/providers"
)

// view is a home as a set of snapshots has it, mounted read-only in a folder of
// its own. It is locked while its process lives, so that a process that cleans up knows
// which views are left over.
type view struct {
	storage   Storage
	dir       string
	lock      *flock.Flock
	snapshots []Snapshot
	// mounts are the folders that something is mounted on.
	mounts []string
	// trees are those of the parts.
	trees []providers.Tree
}

// lockOf is the lock of a view. It lies beside its folder: in there, it would keep
// the mount busy.
func lockOf(dir string) *flock.Flock { return flock.New(dir+lockSuffix, flock.SetPermissions(0o600)) }

const lockSuffix = ".lock"

// errBusy is wrapped by errors of a view that cannot be unmounted.
var errBusy = errors.New("it is in use")

// openView mounts the snapshots of a set in a new folder below parent. The
// caller closes it.
func openView(ctx context.Context, storage Storage, parent string, set Set, l layout) (v *view, err error) {
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return nil, problem.Wrap(err, "state folder not writable", "set state_dir to a folder that this user may write to")
	}
	dir, err := os.MkdirTemp(parent, "")
	if err != nil {
		return nil, problem.Wrap(err, "state folder not writable", "set state_dir to a folder that this user may write to")
	}
	v = &view{storage: storage, dir: dir, lock: lockOf(dir)}
	defer func() {
		if err != nil {
			err = errors.Join(err, v.close(context.WithoutCancel(ctx)))
		}
	}()
	if ok, err := v.lock.TryLock(); err != nil || !ok {
		return v, fmt.Errorf("%s: cannot be locked: %w", dir, err)
	}
	if err := private(dir); err != nil {
		return v, err
	}
	for i, volume := range l.Volumes {
		if err := v.mount(ctx, i, volume, set); err != nil {
			return v, err
		}
	}
	return v, v.compose(l)
}

func (v *view) mount(ctx context.Context, i int, volume Volume, set Set) error {
	s, ok := set.of(volume.ID)
	if !ok {
		return gone(set.Tag, volume)
	}
	at := v.at(i)
	if err := os.Mkdir(at, 0o700); err != nil {
		return err
	}
	v.snapshots = append(v.snapshots, s)
	if err := v.storage.Mount(ctx, s, at); err != nil {
		return err
	}
	v.mounts = append(v.mounts, at)
	return nil
}

func (v *view) at(volume int) string { return filepath.Join(v.dir, strconv.Itoa(volume)) }

// compose brings what was mounted inside a part to its place in it, the outer
// first.
func (v *view) compose(l layout) error {
	for _, part := range l.Parts {
		at := filepath.Join(v.at(l.volume(part.Volume)), filepath.FromSlash(part.Rel))
		if err := isFolder(at); err != nil {
			return err
		}
		for _, in := range part.Inside {
			from := filepath.Join(v.at(l.volume(in.Volume)), filepath.FromSlash(in.Rel))
			to := filepath.Join(at, filepath.FromSlash(in.Place))
			if err := errors.Join(isFolder(from), isFolder(to)); err != nil {
				return err
			}
			if err := Bind(from, to); err != nil {
				return err
			}
			v.mounts = append(v.mounts, to)
		}
		v.trees = append(v.trees, providers.Tree{Place: part.Place, Path: at, LeaveOut: part.LeaveOut})
	}
	return nil
}

func isFolder(dir string) error {
	fi, err := os.Lstat(dir)
	if err == nil && !fi.IsDir() {
		err = fmt.Errorf("%s is no folder in the snapshot", dir)
	}
	if err != nil {
		return problem.Wrap(err, "snapshot lacks a folder of the home", "verify the backup, or make another one")
	}
	return nil
}

// close unmounts all, and removes the folder. It may be called again, and is an
// error while somebody reads there.
func (v *view) close(ctx context.Context) error {
	if err := removeView(ctx, v.dir); err != nil {
		return err
	}
	for _, s := range slices.Backward(v.snapshots) {
		if err := v.storage.Release(ctx, s); err != nil {
			return err
		}
	}
	v.snapshots = nil
	return unlock(v.lock)
}

// unlock removes a lock that is held, with its file.
func unlock(l *flock.Flock) error {
	if err := os.Remove(l.Path()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(err, l.Close())
	}
	return l.Close()
}

const (
	// mostTries is how often a view is removed anew that is still busy, and pause the
	// time in between.
	mostTries = 20
	pause     = 50 * time.Millisecond
)

// removeView removes the folder of a view with all its mounts, and nothing that
// is mounted there.
//
// A view that nobody reads any more may be busy for a moment: a tool that is being
// started has copies of all open files until its program is loaded.
func removeView(ctx context.Context, dir string) error {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	var err error
	for range mostTries {
		if err = unmountBelow(dir); err == nil {
			err = removeFolders(dir)
		}
		if !errors.Is(err, syscall.EBUSY) {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(stillBusy(dir, err), context.Cause(ctx))
		case <-tick.C:
		}
	}
	return stillBusy(dir, err)
}

func stillBusy(dir string, err error) error {
	return problem.Wrap(fmt.Errorf("%w: %w", errBusy, err), "snapshot cannot be unmounted", "end whatever reads below "+dir+"; the next run unmounts it")
}

// removeFolders removes a folder and those in it, which are empty: not RemoveAll, which
// would go into what is still mounted.
func removeFolders(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return os.Remove(dir)
}

// sweepViews removes views below parent whose process is gone, and returns how
// many there were.
func sweepViews(ctx context.Context, parent string) (found int, err error) {
	entries, err := os.ReadDir(parent)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		// The lock alone is left of a view whose removal was interrupted.
		name, isLock := strings.CutSuffix(e.Name(), lockSuffix)
		dir := filepath.Join(parent, name)
		if _, err := os.Lstat(dir); isLock && err == nil {
			continue
		}
		lock := lockOf(dir)
		ok, lockErr := lock.TryLock()
		if lockErr != nil || !ok {
			err = errors.Join(err, lockErr)
			continue // in use by a restore, or by a drill
		}
		found++
		if failed := removeView(ctx, dir); failed != nil {
			err = errors.Join(err, failed, lock.Close())
			continue
		}
		err = errors.Join(err, unlock(lock))
	}
	return found, err
}
