package aws

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"bkp/internal/problem"
	"bkp/providers"
)

// holder is that of snapshots that are copied back for a restore.
const holder = "restore"

// Back is the way of copies to the region and account of their originals, for the time of a
// restore.
type Back struct {
	To *Client
	// Part and Maker are in the tags of what is made; WorkDir is the folder of the component,
	// in which is noted what a killed restore leaves.
	Part, Maker, WorkDir string
	// VolumeKey and DatabaseKey are those of Transfer.
	VolumeKey, DatabaseKey string
	// Warn takes a line for the operator.
	Warn func(message string)
}

// Bring copies the copies back. The caller calls drop, also after an error: it deletes what was
// made.
func (b Back) Bring(ctx context.Context, id providers.BackupID, c Copied) (here []Copy, drop func() error, err error) {
	t := Transfer{
		From: New(c.Access), To: b.To, Backup: id, Part: b.Part, Holder: holder, Maker: b.Maker, VolumeKey: b.VolumeKey, DatabaseKey: b.DatabaseKey,
	}
	drop = func() error {
		if err := t.Remove(context.WithoutCancel(ctx), kindsOf(c.Copies)...); err != nil {
			return err
		}
		return b.forget()
	}
	if err := b.note(c); err != nil {
		return nil, b.forget, err
	}
	here, err = t.Run(ctx, c.Copies)
	return here, drop, err
}

// Sweep deletes what a killed restore copied back, and ends the sharing of what it copied from.
// What cannot be done now is for the next Sweep, and stops nobody.
func (b Back) Sweep(ctx context.Context, kind Kind) error {
	all, err := b.To.Copies(ctx, kind)
	if err != nil {
		return err
	}
	var left error
	for _, c := range all {
		if c.Tags[TagHolder] == holder && c.Tags[TagPart] == b.Part && c.Tags[TagMaker] == b.Maker {
			left = errors.Join(left, b.To.DeleteCopy(ctx, c.Original))
		}
	}
	if left = errors.Join(left, b.unshare(ctx)); left != nil && ctx.Err() == nil {
		b.Warn(fmt.Sprintf("what an interrupted restore copied back could not be removed, which the next run tries again: %v", left))
		return nil
	}
	return left
}

// unshare ends the sharing that the note of a killed restore speaks of.
func (b Back) unshare(ctx context.Context) error {
	text, err := os.ReadFile(b.path())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var c Copied
	if err == nil {
		err = json.Unmarshal(text, &c)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", b.path(), err)
	}
	from := New(c.Access)
	for _, k := range kindsOf(c.Copies) {
		if err := from.EndSharing(ctx, k, b.Maker, func(Copy) bool { return true }); err != nil {
			return err
		}
	}
	return b.forget()
}

func (b Back) path() string { return filepath.Join(b.WorkDir, "brought.json") }

// note writes where the copies are, before anything is shared.
func (b Back) note(c Copied) error {
	text, err := json.Marshal(c)
	if err == nil {
		err = os.MkdirAll(b.WorkDir, 0o700)
	}
	if err == nil {
		err = writeSynced(b.path(), text)
	}
	if err != nil {
		return problem.Wrap(err, "state folder not writable", "set state_dir to a folder that this user may write to")
	}
	return nil
}

func writeSynced(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Sync(), f.Close())
}

func (b Back) forget() error {
	if err := os.Remove(b.path()); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
