package tree

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"bkp/internal/host"
	"bkp/providers"
	"bkp/providers/archive/internal/shelf"
	"bkp/providers/archive/internal/target"
	"bkp/providers/archive/place"
)

// Delete implements providers.Archiver. It removes the manifest first, and then hides
// what the backup has: from then on no one takes the rest for a backup. Removing
// millions of files takes a while, and may be interrupted; what is left goes with the
// next Store.
func (a *archive) Delete(ctx context.Context, b providers.BackupID) error {
	if err := a.place.Delete(ctx, place.Name(b, shelf.ManifestObject)); err != nil {
		return err
	}
	return a.removeTrees(ctx, b)
}

// removeTrees removes all trees and indexes of a backup without a manifest, and then
// its folder.
func (a *archive) removeTrees(ctx context.Context, b providers.BackupID) error {
	root, err := a.open(b)
	if err != nil || root == nil {
		return err
	}
	defer func() { _ = root.Close() }()
	if err := errors.Join(hide(root), host.SyncDir(root.Name())); err != nil {
		return err
	}
	if err := a.clean(ctx, root); err != nil {
		return err
	}
	err = os.Remove(root.Name())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		// Who put something else there will see to it.
		if left, _ := os.ReadDir(root.Name()); len(left) > 0 {
			return nil
		}
		return err
	}
	return host.SyncDir(a.dir)
}

// open opens the folder of a backup, nil without one.
func (a *archive) open(b providers.BackupID) (*os.Root, error) {
	at := a.place.At(string(b))
	info, err := os.Lstat(at)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil //nolint:nilnil // there is nothing to remove
	case err != nil:
		return nil, err
	case !info.IsDir():
		return nil, nil //nolint:nilnil // it is none of ours
	}
	return os.OpenRoot(at)
}

// hide gives every tree and every index a name that no part has.
func hide(root *os.Root) error {
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return err
	}
	for _, e := range entries {
		if isHidden(e.Name()) || !e.IsDir() && !strings.HasSuffix(e.Name(), indexSuffix) {
			continue
		}
		to := "." + e.Name() + removedSuffix
		for n := 1; exists(root, to); n++ {
			to = fmt.Sprintf(".%s.%d%s", e.Name(), n, removedSuffix)
		}
		if err := root.Rename(e.Name(), to); err != nil {
			return err
		}
	}
	return nil
}

func exists(root *os.Root, name string) bool {
	_, err := root.Lstat(name)
	return err == nil
}

// clean removes what is hidden in the folder of a backup: trees and indexes that were
// never finished, or that are being removed.
func (a *archive) clean(ctx context.Context, root *os.Root) error {
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := e.Name()
		if !isHidden(name) || !strings.HasSuffix(name, partialSuffix) && !strings.HasSuffix(name, removedSuffix) {
			continue
		}
		if e.IsDir() {
			if err := emptyTree(ctx, root, e.Name()); err != nil {
				return err
			}
		}
		if err := root.Remove(e.Name()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func emptyTree(ctx context.Context, in *os.Root, name string) error {
	if err := in.Chmod(name, 0o700); err != nil {
		return err
	}
	root, err := in.OpenRoot(name)
	if err != nil {
		return err
	}
	return errors.Join(target.Empty(ctx, root), root.Close())
}

// Discard implements providers.Archiver.
func (a *archive) Discard(ctx context.Context, b providers.BackupID) error {
	by, err := a.place.Claimed(ctx, b)
	if err != nil {
		return err
	}
	if by != "" && by != a.shelf().Claims().Maker() {
		return nil // whatever there is, it is theirs
	}
	there, err := a.place.List(ctx, b)
	if err != nil {
		return err
	}
	if has(there, shelf.ManifestObject, false) {
		err = a.cleanComplete(ctx, b)
	} else {
		err = a.Delete(ctx, b)
	}
	return errors.Join(err, a.place.Unclaim(ctx, b))
}

// cleanComplete removes what a Store that was ended left beside a backup.
func (a *archive) cleanComplete(ctx context.Context, b providers.BackupID) error {
	root, err := a.open(b)
	if err != nil || root == nil {
		return err
	}
	return errors.Join(a.clean(ctx, root), root.Close())
}

// sweep removes what is left of backups whose Delete was interrupted, of ids that are
// nobody's.
func (a *archive) sweep(ctx context.Context) error {
	all, err := a.shelf().Backups(ctx)
	if err != nil {
		return err
	}
	for _, b := range all {
		if has(b.Objects, shelf.ManifestObject, false) || !isRemoved(b.Objects) {
			continue
		}
		by, err := a.place.Claim(ctx, b.ID, a.shelf().Claims().Maker()+":sweep")
		if err != nil {
			return err
		}
		if by != a.shelf().Claims().Maker()+":sweep" {
			continue
		}
		err = errors.Join(a.removeTrees(ctx, b.ID), a.place.Unclaim(context.WithoutCancel(ctx), b.ID))
		if err != nil {
			return err
		}
	}
	return nil
}
