package tree

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/archive/internal/shelf"
	"bkp/providers/archive/internal/target"
)

const fetchFailed = "backup cannot be unpacked"

// Fetch implements providers.Archiver. Blocks are shared with the folder where they
// can be, and copied elsewhere.
func (a *archive) Fetch(ctx context.Context, b providers.BackupID, dir func(providers.Artifact) string) (providers.Manifest, error) {
	m, err := a.shelf().Load(ctx, b)
	if err != nil {
		return m, err
	}
	u := &unpacking{archive: a, manifest: m, done: shelf.NewProgress(a.env)}
	for i := range m.Artifacts {
		art := &m.Artifacts[i]
		part, ok := m.Stored[0].Copy(art.Address)
		if !ok {
			continue // it lies elsewhere
		}
		if folder := dir(*art); folder != "" {
			art.Trees = providers.OneTree(folder)
			u.done.Expect(part)
			u.wanted = append(u.wanted, wanted{art.Address, folder})
		}
	}
	return m, u.end(ctx, u.all(ctx))
}

// end shows what could not be kept, or after an error removes what was written.
func (u *unpacking) end(ctx context.Context, err error) error {
	if err == nil {
		u.warn()
		return nil
	}
	err = errors.Join(err, u.abandon(context.WithoutCancel(ctx)))
	if ctx.Err() != nil || errors.Is(err, providers.ErrNoPath) {
		return err
	}
	remedy := "see what is damaged:\n\n    bkp verify " + string(u.manifest.ID) + "\n"
	if host.IsFull(err) {
		remedy = "free some space where the backup is unpacked, or restore to a larger disk; the backup itself is not to blame"
	}
	return problem.Wrapf(err, fetchFailed, remedy, "%s", u.manifest.ID)
}

// wanted is a part and the folder that it goes into.
type wanted struct{ address, folder string }

// unpacking is one Fetch: what was written so far.
type unpacking struct {
	archive  *archive
	manifest providers.Manifest
	done     *shelf.Progress
	wanted   []wanted

	started []string // folders that got something
	made    []string // those of them that did not exist
	lost    losses
}

func (u *unpacking) all(ctx context.Context) error {
	for _, w := range u.wanted {
		if err := u.one(ctx, w); err != nil {
			return err
		}
	}
	return nil
}

func (u *unpacking) one(ctx context.Context, w wanted) error {
	return u.into(w.folder, func(to *reading) error { return u.archive.readPart(ctx, u.manifest, w.address, to) })
}

// into has read make a tree in a folder.
func (u *unpacking) into(folder string, read func(*reading) error) error {
	if _, err := os.Lstat(folder); errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return err
		}
		u.made = append(u.made, folder)
	}
	root, err := target.Open(folder)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	u.started = append(u.started, folder)
	// A device leads out of the target as no path can: who may write to it writes
	// to a disk. Bitbucket has none.
	return read(&reading{to: root, copies: true, skipDevices: true, lose: u.lost.add, done: u.done})
}

// abandon removes what was written.
func (u *unpacking) abandon(ctx context.Context) error {
	var failed error
	for _, folder := range u.started {
		root, err := os.OpenRoot(folder)
		if err == nil {
			err = errors.Join(root.Chmod(".", 0o700), target.Empty(ctx, root), root.Close())
		}
		failed = errors.Join(failed, err)
	}
	for _, folder := range u.made {
		failed = errors.Join(failed, os.Remove(folder))
	}
	return failed
}

// warn shows the operator once what could not be kept.
func (u *unpacking) warn() {
	if u.lost.lost != 0 {
		u.archive.env.Warning(fmt.Sprintf("%s could not be kept, for example of %s", u.lost.lost, u.lost.of))
	}
}
