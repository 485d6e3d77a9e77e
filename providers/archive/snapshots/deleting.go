package snapshots

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"bkp/internal/problem"
	"bkp/providers"
)

// deleting is the folder of this state folder with a file for each backup whose Delete has begun
// and not ended.
func (a *archive) deleting() string { return filepath.Join(a.env.WorkDir, "deleting") }

func (a *archive) note(b providers.BackupID) error {
	err := os.MkdirAll(a.deleting(), 0o700)
	if err == nil {
		err = os.WriteFile(filepath.Join(a.deleting(), string(b)), nil, 0o600)
	}
	if err != nil {
		return problem.Wrap(err, "state folder not writable", "set state_dir to a folder that this user may write to")
	}
	return nil
}

func (a *archive) forget(b providers.BackupID) error {
	if err := os.Remove(filepath.Join(a.deleting(), string(b))); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// resume deletes what an interrupted Delete left. A backup that is whole is on the list, and may be
// one that retention keeps now: it stays. What cannot be deleted now is for a later call.
func (a *archive) resume(ctx context.Context) error {
	entries, err := os.ReadDir(a.deleting())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		b, err := providers.ParseBackupID(e.Name())
		if err != nil {
			continue
		}
		_, err = a.find(ctx, b)
		if err != nil && errors.Is(err, providers.ErrNotFound) {
			err = a.deleteAll(ctx, b)
		}
		if err == nil {
			err = a.forget(b)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			a.env.Warning(fmt.Sprintf("what is left of %s could not be removed, which the next run tries again: %v", b, err))
		}
	}
	return nil
}
