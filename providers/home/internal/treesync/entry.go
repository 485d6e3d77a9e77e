package treesync

import (
	"io/fs"
	"syscall"
	"time"

	"bkp/internal/filemeta"
)

// racyWindow is how long after a change another one may go unnoticed: the
// coarsest clock of a file system (2 s on FAT) and the skew of a file server.
const racyWindow = 2 * time.Second

// entry is what the index remembers of one entry of a folder.
type entry struct {
	name                 string
	mode, uid, gid       uint32
	size                 int64
	mtime, ctime         int64
	mtimeNano, ctimeNano int64
	ino, links           uint64
	// racy entries are looked at again, whatever their stat says.
	racy bool
	// sum is the digest of what the copy got: of a file's content, or of a
	// symbolic link's target. It is known if summed.
	sum    uint64
	summed bool

	dev uint64 // not kept: it may change with every mount
}

func (e *entry) kind() uint32    { return e.mode & syscall.S_IFMT }
func (e *entry) isDir() bool     { return e.kind() == syscall.S_IFDIR }
func (e *entry) isRegular() bool { return e.kind() == syscall.S_IFREG }
func (e *entry) isSocket() bool  { return e.kind() == syscall.S_IFSOCK }

// isKindOf reports whether the mode is of the same kind of file.
func (e *entry) isKindOf(m fs.FileMode) bool {
	switch e.kind() {
	case syscall.S_IFREG:
		return m.IsRegular()
	case syscall.S_IFLNK:
		return m.Type() == fs.ModeSymlink
	case syscall.S_IFIFO:
		return m.Type() == fs.ModeNamedPipe
	case syscall.S_IFBLK:
		return m.Type() == fs.ModeDevice
	case syscall.S_IFCHR:
		return m.Type() == fs.ModeDevice|fs.ModeCharDevice
	}
	return false
}

// isLinked reports whether other names may lead to the same file. Of anything
// but folders, whose count means something else.
func (e *entry) isLinked() bool { return e.links > 1 && !e.isDir() }

// same reports whether nothing happened to the entry between two stats. A folder
// that gained or lost entries is not the same.
func (e *entry) same(o *entry) bool {
	return e.size == o.size && e.mode == o.mode && e.uid == o.uid && e.gid == o.gid &&
		e.ino == o.ino && e.sameTimes(o)
}

func (e *entry) sameTimes(o *entry) bool {
	return e.mtime == o.mtime && e.mtimeNano == o.mtimeNano &&
		e.ctime == o.ctime && e.ctimeNano == o.ctimeNano
}

// is reports whether m was read from the file that e was, with no change between.
func (e *entry) is(m *filemeta.Meta) bool {
	return m.ID.Ino == e.ino && m.Size == e.size &&
		m.ModTime.Equal(time.Unix(e.mtime, e.mtimeNano)) &&
		m.ChangeTime.Equal(time.Unix(e.ctime, e.ctimeNano))
}

// changedSince reports whether the entry's ctime is too young at now to betray
// the next change.
func (e *entry) changedSince(now time.Time) bool {
	return time.Unix(e.ctime, e.ctimeNano).After(now.Add(-racyWindow))
}

// weight is the entry's share of the tree's bytes: all names of a hard-linked
// file together weigh as much as one.
func (e *entry) weight() int64 {
	if !e.isRegular() {
		return 0
	}
	return e.size / int64(max(e.links, 1))
}
