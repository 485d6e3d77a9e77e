package filemeta

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
)

// FromInfo returns what an Lstat saw, which is not what distinguishes the file.
func FromInfo(fi fs.FileInfo) Meta {
	return Meta{Mode: fi.Mode(), Size: fi.Size(), Allocated: fi.Size(), ModTime: fi.ModTime()}
}

// Stat reads path without following it.
func Stat(path string) (Meta, error) {
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return Meta{}, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	h, err := windows.CreateFile(name, windows.FILE_READ_ATTRIBUTES, windows.FILE_SHARE_READ|windows.FILE_SHARE_WRITE|windows.FILE_SHARE_DELETE, nil,
		windows.OPEN_EXISTING, windows.FILE_FLAG_BACKUP_SEMANTICS|windows.FILE_FLAG_OPEN_REPARSE_POINT, 0)
	if err != nil {
		return Meta{}, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	f := os.NewFile(uintptr(h), path)
	defer func() { _ = f.Close() }()
	return ReadFile(f)
}

// StatAt reads the entry name of dir.
func StatAt(dir *os.File, name string) (Meta, error) {
	if err := checkName(name); err != nil {
		return Meta{}, err
	}
	return Stat(filepath.Join(dir.Name(), name))
}

// ReadAt is StatAt: there are no extended attributes.
func ReadAt(dir *os.File, name string) (Meta, error) { return StatAt(dir, name) }

// ReadFile reads an open file.
func ReadFile(f *os.File) (Meta, error) {
	fi, err := f.Stat()
	if err != nil {
		return Meta{}, err
	}
	m := FromInfo(fi)
	var all windows.ByHandleFileInformation
	if err := windows.GetFileInformationByHandle(windows.Handle(f.Fd()), &all); err != nil {
		return Meta{}, &fs.PathError{Op: "stat", Path: f.Name(), Err: err}
	}
	m.ID = ID{Dev: uint64(all.VolumeSerialNumber), Ino: uint64(all.FileIndexHigh)<<32 | uint64(all.FileIndexLow)}
	m.Links = uint64(all.NumberOfLinks)
	var times struct {
		Created, Accessed, Written, Changed int64
		Attributes, _                       uint32
	}
	err = windows.GetFileInformationByHandleEx(windows.Handle(f.Fd()), windows.FileBasicInfo, (*byte)(unsafe.Pointer(&times)), uint32(unsafe.Sizeof(times)))
	if err != nil {
		return Meta{}, &fs.PathError{Op: "stat", Path: f.Name(), Err: err}
	}
	changed := windows.Filetime{LowDateTime: uint32(times.Changed), HighDateTime: uint32(times.Changed >> 32)}
	m.ChangeTime = time.Unix(0, changed.Nanoseconds())
	return m, nil
}

// StatFile is ReadFile.
func StatFile(f *os.File) (Meta, error) { return ReadFile(f) }

// Apply gives an open file the mode and the times of m.
func Apply(f *os.File, m Meta) (Loss, error) {
	if err := os.Chmod(f.Name(), m.Mode.Perm()); err != nil {
		return 0, err
	}
	return lost(m), os.Chtimes(f.Name(), time.Time{}, m.ModTime)
}

// ApplyAt gives the entry name of dir the mode and the times of m. A symbolic
// link stays as it is.
func ApplyAt(dir *os.File, name string, m Meta) (Loss, error) {
	if err := checkName(name); err != nil {
		return 0, err
	}
	if m.Mode&fs.ModeSymlink != 0 {
		return lost(m), nil
	}
	if err := os.Chmod(filepath.Join(dir.Name(), name), m.Mode.Perm()); err != nil {
		return 0, err
	}
	return lost(m), SetTimesAt(dir, name, m)
}

// SetTimesAt sets the modification time of the entry name of dir.
func SetTimesAt(dir *os.File, name string, m Meta) error {
	if m.Mode&fs.ModeSymlink != 0 {
		return nil
	}
	return os.Chtimes(filepath.Join(dir.Name(), name), time.Time{}, m.ModTime)
}

// MakeSpecialAt always fails: there are no special files here.
func MakeSpecialAt(dir *os.File, name string, _ Meta) error {
	return at("mknod", dir, name, errors.ErrUnsupported)
}

func lost(m Meta) Loss {
	var l Loss
	if m.HasOwner {
		l |= LostOwner
	}
	if len(m.Xattrs) > 0 {
		l |= LostXattrs
	}
	return l
}
