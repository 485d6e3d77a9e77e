package treesync

import (
	"errors"
	"io/fs"
	"os"
	"strconv"
	"syscall"

	"bkp/internal/filemeta"
	"bkp/providers"
)

func tempName(n uint64) string { return tempPrefix + strconv.FormatUint(n, 36) }

// errMoved is about a source that changed while it was read.
var errMoved = errors.New("changed while it was read")

// errDevice is about a device that this user may not make.
var errDevice = errors.New("device cannot be made")

// update copies an entry that is no folder and has one name. It returns
// false if the copy has no such entry, because it vanished meanwhile or cannot
// be made; it then must not be remembered.
func (p *pass) update(w *worker, f *folder, e, old *entry) (bool, error) {
	var err error
	switch e.kind() {
	case syscall.S_IFREG:
		err = p.file(w, f, e, old)
	case syscall.S_IFLNK:
		err = p.symlink(f, e)
	default:
		err = p.special(f, e)
	}
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, errMoved) && p.strict(f.path(e.name)):
		return false, changedUnderLock(p.full(f.path(e.name)), "it changed")
	case errors.Is(err, errMoved):
		e.racy = true
		return true, nil
	case errors.Is(err, errDevice):
		p.lose(filemeta.LostDevices)
		if old != nil {
			return false, p.remove(f, e.name)
		}
		return false, nil
	case errors.Is(err, errSource):
		err = p.vanished(f.path(e.name), errors.Unwrap(err))
		if err == nil && old != nil {
			return false, p.remove(f, e.name)
		}
		return false, err
	default:
		return false, p.vanishedCopy(f.path(e.name), err)
	}
}

// errSource marks an error of the source, which may have vanished.
var errSource = errors.New("source")

type sourceError struct{ err error }

func (e sourceError) Error() string        { return e.err.Error() }
func (e sourceError) Unwrap() error        { return e.err }
func (e sourceError) Is(target error) bool { return target == errSource }

func (p *pass) symlink(f *folder, e *entry) error {
	if err := p.fault("symlink", f.path(e.name)); err != nil {
		return err
	}
	target, err := readlinkAt(f.srcN, e.name)
	if errors.Is(err, syscall.EINVAL) {
		err = fs.ErrNotExist // something else took its place
	}
	if err != nil {
		return sourceError{err}
	}
	e.setSum(providers.Sum([]byte(target)))
	return p.replace(f, e, func(dir *os.File, temp string) error {
		return symlinkAt(target, int(dir.Fd()), temp)
	})
}

func (p *pass) special(f *folder, e *entry) error {
	return p.replace(f, e, func(dir *os.File, temp string) error {
		m, err := filemeta.StatAt(f.src, e.name)
		if err != nil {
			return sourceError{err}
		}
		if m.Mode&(fs.ModeNamedPipe|fs.ModeSocket|fs.ModeDevice) == 0 {
			return errMoved // something else has taken its name
		}
		err = p.fault("special", f.path(e.name))
		if err == nil {
			err = filemeta.MakeSpecialAt(dir, temp, m)
		}
		if m.Mode&fs.ModeDevice != 0 && errors.Is(err, syscall.EPERM) {
			return errDevice
		}
		return err
	})
}

// replace makes an entry without content beside its place and renames it.
func (p *pass) replace(f *folder, e *entry, make func(dir *os.File, temp string) error) error {
	dir, temp, err := p.tempIn(f)
	if err != nil {
		return err
	}
	for {
		err = make(dir, temp)
		if !errors.Is(err, fs.ErrExist) {
			break
		}
		temp = tempName(p.temp.Add(1))
	}
	if err != nil {
		return err
	}
	m, err := filemeta.StatAt(f.src, e.name)
	if err != nil {
		err = sourceError{err}
	}
	if err == nil && !e.isKindOf(m.Mode) {
		err = sourceError{fs.ErrNotExist} // something else took its place
	}
	var lost filemeta.Loss
	if err == nil {
		lost, err = filemeta.ApplyAt(dir, temp, m)
		p.lose(lost)
	}
	moved := err == nil && !e.is(&m)
	if err == nil {
		err = p.rename(dir, f, temp, e.name)
	}
	if err != nil {
		_ = unlinkAt(int(dir.Fd()), temp)
		return err
	}
	p.copiedFiles.Add(1)
	if moved {
		return errMoved
	}
	return nil
}
