//go:build unix

package sqlserver

import (
	"os"
	"path/filepath"
	"syscall"
)

// readable reports whether the server's account may read a file: root, which runs the tests,
// may read any.
func (s *Server) readable(path string) bool {
	if s.options.Account == 0 {
		return true
	}
	const read, pass = 4, 1
	if !s.allowed(s.Disk(path), read) {
		return false
	}
	for dir := filepath.Dir(s.Disk(path)); len(dir) > len(s.options.Dir); dir = filepath.Dir(dir) {
		if !s.allowed(dir, pass) {
			return false
		}
	}
	return true
}

func (s *Server) allowed(path string, want uint32) bool {
	info, err := os.Stat(path)
	if err != nil {
		return false
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return false
	}
	const user, group = 6, 3
	mode, account := uint32(info.Mode().Perm()), uint32(s.options.Account)
	switch {
	case owner.Uid == account:
		return mode>>user&want != 0
	case owner.Gid == account:
		return mode>>group&want != 0
	}
	return mode&want != 0
}
