// Package compare compares a tree with its record while an archive reads it: which
// entries there are, and what is in them.
//
// It leaves out how the tree is read, and what becomes of it.
package compare

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"

	"bkp/providers"
)

// foundNames is how many differing entries a message names.
const foundNames = 5

// ErrVanished is wrapped by errors about an entry that was there a moment
// ago.
var ErrVanished = errors.New("it is gone")

// Comparison compares a tree with its record. Its nil value has no record, and
// takes the tree as it is. It is safe for concurrent use.
type Comparison struct {
	record providers.Record

	mu      sync.Mutex
	count   int
	found   []string
	folders map[string]struct{}
}

// New returns the comparison with a record, nil without one.
func New(r providers.Record) *Comparison {
	if r == nil {
		return nil
	}
	return &Comparison{record: r, folders: map[string]struct{}{}}
}

// Differs notes what is wrong with an entry of the tree, by its name.
func (c *Comparison) Differs(name, how string) { c.note(name, how, folderOf(name)) }

// note is Differs for what another folder than the entry's is to be copied for.
func (c *Comparison) note(name, how, folder string) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count++
	if len(c.found) < foundNames {
		c.found = append(c.found, fmt.Sprintf("%q %s", name, how))
	}
	c.folders[folder] = struct{}{}
}

// Fails notes an entry that a damaged disk keeps from being read; any other
// error is returned.
func (c *Comparison) Fails(name string, err error) error { return c.FailsIn(folderOf(name), name, err) }

// FailsIn is Fails for an entry for which folder is to be copied again.
func (c *Comparison) FailsIn(folder, name string, err error) error {
	if c == nil || !isDamage(err) {
		return err
	}
	c.note(path.Join(name, "."), "cannot be read ("+reason(err)+")", folder)
	return nil
}

// Damaged reports whether anything differs so far.
func (c *Comparison) Damaged() bool {
	if c == nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.count > 0
}

// Result is the error for all that differs, nil if nothing does.
func (c *Comparison) Result(art *providers.Artifact) error {
	if !c.Damaged() {
		return nil
	}
	return &providers.DamageError{
		Address: art.Address, Tree: art.Dir(), Count: c.count, Found: c.found, Folders: slices.Sorted(maps.Keys(c.folders)),
	}
}

// Folder returns what the record says of a folder; nil if it does not know it.
func (c *Comparison) Folder(name string) *Folder {
	if c == nil {
		return nil
	}
	entries, known, err := c.record.Folder(name)
	if err != nil {
		c.note(path.Join(name, "."), "cannot be compared ("+err.Error()+")", name)
	}
	if err != nil || !known {
		return nil
	}
	return &Folder{c: c, name: name, entries: entries}
}

// Folder goes through the recorded entries of a folder, beside those
// that are there.
type Folder struct {
	c       *Comparison
	name    string
	entries []providers.Recorded
}

// Next returns what is recorded of the next entry that is there; nil if nothing
// is. Names come in their order.
func (f *Folder) Next(name string, kind fs.FileMode) *providers.Recorded {
	if f == nil {
		return nil
	}
	for len(f.entries) > 0 && f.entries[0].Name < name {
		f.missing()
	}
	if len(f.entries) == 0 || f.entries[0].Name != name {
		f.c.Differs(path.Join(f.name, name), "was added")
		return nil
	}
	want := &f.entries[0]
	f.entries = f.entries[1:]
	// Not every listing has those of a device.
	if want.Type&^fs.ModeCharDevice != kind&^fs.ModeCharDevice {
		f.c.Differs(path.Join(f.name, name), "is something else now")
		return nil
	}
	return want
}

// End notes the entries that are left.
func (f *Folder) End() {
	for f != nil && len(f.entries) > 0 {
		f.missing()
	}
}

func (f *Folder) missing() {
	f.c.Differs(path.Join(f.name, f.entries[0].Name), "is gone")
	f.entries = f.entries[1:]
}

// Hold compares the digest of an entry with what is recorded of it; nil is nothing.
func (c *Comparison) Hold(name string, want *providers.Recorded, sum uint64) {
	if c != nil && want != nil && want.Summed && want.Sum != sum {
		c.Differs(name, "has other content")
	}
}

// Intact asks a record whether the tree was there all the time. If it was not, that
// is the reason of whatever else failed.
func Intact(ctx context.Context, r providers.Record, failed error) error {
	if r == nil || ctx.Err() != nil {
		return failed
	}
	if err := r.Intact(ctx); err != nil {
		return err
	}
	return failed
}

// isDamage reports whether an error of reading comes from the disk or its file
// system, or is of an entry that was there a moment ago.
func isDamage(err error) bool {
	return errors.Is(err, ErrVanished) || slices.ContainsFunc(damages, func(e syscall.Errno) bool { return errors.Is(err, e) })
}

// DamageIn reports whether the words of a tool are those of a damaged disk.
func DamageIn(words string) bool {
	return slices.ContainsFunc(damages, func(e syscall.Errno) bool { return strings.Contains(words, e.Error()) })
}

func folderOf(name string) string {
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		return name[:i]
	}
	return ""
}

// reason is the innermost error, without paths.
func reason(err error) string {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno.Error()
	}
	return err.Error()
}
