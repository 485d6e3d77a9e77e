package aws

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

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
// made, and ends the sharing, of an earlier restore that was killed, too.
func (b Back) Bring(ctx context.Context, id providers.BackupID, c Copied) (here []Copy, drop func() error, err error) {
	t := Transfer{
		From: New(c.Access), To: b.To, Backup: id, Part: b.Part, Holder: holder, Maker: b.Maker, VolumeKey: b.VolumeKey, DatabaseKey: b.DatabaseKey,
	}
	n, err := b.note(c)
	if err != nil {
		return nil, n.remove, err
	}
	if err := b.unshare(ctx, n); err != nil {
		b.Warn(fmt.Sprintf("what an interrupted restore shares is shared still, which the next run tries to end again: %v", err))
	}
	drop = func() error {
		late := context.WithoutCancel(ctx)
		return errors.Join(t.Remove(late, kindsOf(c.Copies)...), n.unshare(late, b.Maker))
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
	if left = errors.Join(left, b.unshare(ctx, "")); left != nil && ctx.Err() == nil {
		b.Warn(fmt.Sprintf("what an interrupted restore copied back could not be removed, which the next run tries again: %v", left))
		return nil
	}
	return left
}

// unshare ends the sharing that the notes of killed restores speak of, but for one: a copy that
// is under way still needs that of its own.
func (b Back) unshare(ctx context.Context, but note) error {
	found, err := filepath.Glob(filepath.Join(b.WorkDir, notePattern))
	for _, path := range found {
		if n := note(path); n != but {
			err = errors.Join(err, n.unshare(ctx, b.Maker))
		}
	}
	return err
}

// note writes where the copies are, before anything is shared. Each set of copies has a note of
// its own, so that it stays until the sharing of that set has ended, whatever is restored next.
func (b Back) note(c Copied) (note, error) {
	text, err := json.Marshal(c)
	n := note(filepath.Join(b.WorkDir, strings.Replace(notePattern, "*", fmt.Sprintf("-%x", sha256.Sum256(text))[:13], 1)))
	if err == nil {
		err = os.MkdirAll(b.WorkDir, 0o700)
	}
	if err == nil {
		err = writeSynced(string(n), text)
	}
	if err != nil {
		return n, problem.Wrap(err, "state folder not writable", "set state_dir to a folder that this user may write to")
	}
	return n, nil
}

func writeSynced(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Sync(), f.Close())
}

// note is the path of a Copied whose copies a restore may share.
type note string

// notePattern has the names of notes.
const notePattern = "brought*.json"

// unshare ends the sharing of what the note names, and then removes it. Without a note nothing
// is shared.
func (n note) unshare(ctx context.Context, maker string) error {
	text, err := os.ReadFile(string(n))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var c Copied
	if err == nil {
		err = json.Unmarshal(text, &c)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", string(n), err)
	}
	from := New(c.Access)
	named := func(one Copy) bool {
		return slices.ContainsFunc(c.Copies, func(o Original) bool { return o.Kind == one.Kind && o.ID == one.ID })
	}
	for _, k := range kindsOf(c.Copies) {
		if err := from.EndSharing(ctx, k, maker, named); err != nil {
			return err
		}
	}
	return n.remove()
}

func (n note) remove() error {
	if err := os.Remove(string(n)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
