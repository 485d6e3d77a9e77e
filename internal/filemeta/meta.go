package filemeta

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// ID distinguishes one file of a machine from every other while both exist: equal for
// the names of one hard-linked file.
type ID struct{ Dev, Ino uint64 }

// Meta is what a file carries besides its content.
type Meta struct {
	// Mode holds the type and the permission bits, with setuid, setgid and
	// sticky as fs.FileMode has them.
	Mode fs.FileMode
	// UID and GID are the owner; they count only if HasOwner.
	UID, GID uint32
	HasOwner bool
	// Size in bytes, and how many of them take space on disk.
	Size, Allocated int64
	// ModTime is kept to the nanosecond. ChangeTime cannot be set by anyone,
	// so it betrays a change whose ModTime was set back; zero where the system
	// has none.
	ModTime, ChangeTime time.Time
	// ID and Links find hard links; zero where the system does not report them.
	ID    ID
	Links uint64
	// Major and Minor are the numbers of a device.
	Major, Minor uint32
	// Xattrs holds the extended attributes that a backup keeps: user.*, the
	// POSIX ACLs and security.capability. Only Read and ReadAt fill it in.
	Xattrs map[string][]byte
}

// Sparse reports whether the file may have holes.
func (m Meta) Sparse() bool { return m.Mode.IsRegular() && m.Allocated < m.Size }

// Loss says which parts of a Meta this user or this file system could not
// take. It is no failure; say it once to the operator.
type Loss uint8

const (
	// LostOwner means that owner or group stayed as they were. Setuid and setgid are
	// then left out too, for they would lend the rights of the wrong user.
	LostOwner Loss = 1 << iota
	// LostXattrs means that an extended attribute was refused.
	LostXattrs
	// LostDevices is set when a device was left out; making one needs root. It is for
	// callers of MakeSpecialAt to set.
	LostDevices
)

// String names what was lost, for a sentence.
func (l Loss) String() string {
	var out []string
	if l&LostOwner != 0 {
		out = append(out, "owners")
	}
	if l&LostXattrs != 0 {
		out = append(out, "extended attributes")
	}
	if l&LostDevices != 0 {
		out = append(out, "devices")
	}
	return strings.Join(out, " and ")
}

// Read reads path without following it, extended attributes included.
func Read(path string) (Meta, error) {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return Meta{}, err
	}
	defer func() { _ = dir.Close() }()
	return ReadAt(dir, filepath.Base(path))
}

// Range is a part of a file that holds data.
type Range struct{ Offset, Length int64 }

// at names dir/name in an error.
func at(op string, dir *os.File, name string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: filepath.Join(dir.Name(), name), Err: err}
}

// checkName refuses names that would leave the folder.
func checkName(name string) error {
	if name == "" || name == ".." || strings.ContainsRune(name, '/') || strings.ContainsRune(name, filepath.Separator) {
		return fmt.Errorf("%q is not the name of an entry of a folder", name)
	}
	return nil
}

// Kept reports whether an extended attribute belongs to a backup: what users and
// administrators set. Labels of the machine's own policy do not.
func Kept(name string) bool {
	switch name {
	case "system.posix_acl_access", "system.posix_acl_default", "security.capability":
		return true
	}
	return strings.HasPrefix(name, "user.")
}
