package tar

import (
	"errors"
	"fmt"
	"io"
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

// comparison holds a tree against its record. Its nil value has no record, and
// takes the tree as it is. It is safe for concurrent use.
type comparison struct {
	record providers.Record

	mu      sync.Mutex
	count   int
	found   []string
	folders map[string]struct{}
}

func newComparison(r providers.Record) *comparison {
	if r == nil {
		return nil
	}
	return &comparison{record: r, folders: map[string]struct{}{}}
}

// differs notes what is wrong with an entry of the tree, by its name.
func (c *comparison) differs(name, how string) { c.note(name, how, folderOf(name)) }

// note is differs for what another folder than the entry's is to be copied for.
func (c *comparison) note(name, how, folder string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count++
	if len(c.found) < foundNames {
		c.found = append(c.found, fmt.Sprintf("%q %s", name, how))
	}
	c.folders[folder] = struct{}{}
}

// fails notes an entry that a damaged disk keeps from being read; any other
// error is returned.
func (c *comparison) fails(name string, err error) error { return c.failsIn(folderOf(name), name, err) }

// failsIn is fails for an entry for which folder is to be copied again.
func (c *comparison) failsIn(folder, name string, err error) error {
	if c == nil || !isDamage(err) {
		return err
	}
	c.note(path.Join(name, "."), "cannot be read ("+reason(err)+")", folder)
	return nil
}

// damaged reports whether anything differs so far.
func (c *comparison) damaged() bool {
	if c == nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.count > 0
}

// result is the error for all that differs, nil if nothing does.
func (c *comparison) result(art *providers.Artifact) error {
	if !c.damaged() {
		return nil
	}
	return &providers.DamageError{
		Address: art.Address, Tree: art.Dir(), Count: c.count, Found: c.found, Folders: slices.Sorted(maps.Keys(c.folders)),
	}
}

// folder returns what the record says of a folder; nil if it does not know it.
func (c *comparison) folder(name string) *recordedFolder {
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
	return &recordedFolder{c: c, name: name, entries: entries}
}

// recordedFolder goes through the recorded entries of a folder, beside those
// that are there.
type recordedFolder struct {
	c       *comparison
	name    string
	entries []providers.Recorded
}

// next returns what is recorded of the next entry that is there; nil if nothing
// is. Names come in their order.
func (f *recordedFolder) next(name string, kind fs.FileMode) *providers.Recorded {
	if f == nil {
		return nil
	}
	for len(f.entries) > 0 && f.entries[0].Name < name {
		f.missing()
	}
	if len(f.entries) == 0 || f.entries[0].Name != name {
		f.c.differs(path.Join(f.name, name), "was added")
		return nil
	}
	want := &f.entries[0]
	f.entries = f.entries[1:]
	// Not every listing has those of a device.
	if want.Type&^fs.ModeCharDevice != kind&^fs.ModeCharDevice {
		f.c.differs(path.Join(f.name, name), "is something else now")
		return nil
	}
	return want
}

// end notes the entries that are left.
func (f *recordedFolder) end() {
	for f != nil && len(f.entries) > 0 {
		f.missing()
	}
}

func (f *recordedFolder) missing() {
	f.c.differs(path.Join(f.name, f.entries[0].Name), "is gone")
	f.entries = f.entries[1:]
}

// hold holds an item's digest against its record.
func (c *comparison) hold(it *item, sum uint64) {
	if c != nil && it.want != nil && it.want.Summed && it.want.Sum != sum {
		c.differs(it.name, "has other content")
	}
}

// copy writes the content of a regular file and returns its digest; 0 without a
// record.
func (c *comparison) copy(it *item, w io.Writer) (uint64, error) {
	if c == nil {
		return 0, it.copyTo(w)
	}
	s := providers.NewSummer()
	err := it.copyTo(io.MultiWriter(w, s))
	return s.Sum64(), err
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
