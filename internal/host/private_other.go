//go:build !linux

package host

import (
	"errors"
	"os"
)

// PrivateFile makes a file with content that a tool reads by Path, when it is the
// Private of its Command. Only this user can read it. The caller closes it, which
// removes it; it stays when this process is killed.
func PrivateFile(content string) (*Private, error) {
	f, err := os.CreateTemp("", "bkp-private-") // mode 0600
	if err != nil {
		return nil, err
	}
	_, err = f.WriteString(content)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, errors.Join(err, os.Remove(f.Name()))
	}
	return &Private{file: f, Path: f.Name()}, nil
}

func (*Private) inherited() []*os.File { return nil }

// Close removes the file. It may be called twice.
func (p *Private) Close() { _ = os.Remove(p.Path) }
