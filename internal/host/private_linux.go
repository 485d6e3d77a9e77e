package host

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// PrivateFile makes a file with content that a tool reads by Path, when it is the
// Private of its Command. It lies in memory: it has no name that others could
// open, and nothing of it stays when this process is killed. The caller closes it.
func PrivateFile(content string) (*Private, error) {
	fd, err := unix.MemfdCreate("bkp", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "bkp")
	_, err = f.WriteString(content)
	if err := errors.Join(err, f.Chmod(0o600)); err != nil { // tools refuse a password that others may read
		return nil, errors.Join(err, f.Close())
	}
	return &Private{file: f, Path: "/dev/fd/3"}, nil
}

// inherited are the files that the tool gets, from its descriptor 3 on.
func (p *Private) inherited() []*os.File { return []*os.File{p.file} }

// Close removes the file. It may be called twice.
func (p *Private) Close() { _ = p.file.Close() }
