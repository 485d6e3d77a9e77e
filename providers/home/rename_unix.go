//go:build unix

package home

import (
	"errors"
	"os"
	"path"

	"golang.org/x/sys/unix"
)

// rename moves a part to another place. os.Root can only rename within one.
func (p part) rename(to part) error {
	from, err := p.in.Open(path.Dir(p.name))
	if err != nil {
		return err
	}
	defer func() { _ = from.Close() }()
	into, err := to.in.Open(".")
	if err != nil {
		return err
	}
	defer func() { _ = into.Close() }()
	for {
		err = unix.Renameat(int(from.Fd()), path.Base(p.name), int(into.Fd()), to.name)
		if err == nil || !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		return &os.LinkError{Op: "rename", Old: path.Join(p.in.Name(), p.name), New: path.Join(to.in.Name(), to.name), Err: err}
	}
	return nil
}
