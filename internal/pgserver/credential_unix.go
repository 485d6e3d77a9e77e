//go:build unix

package pgserver

import "syscall"

func credential() *syscall.Credential {
	other := runsAs()
	if other == nil {
		return nil
	}
	return &syscall.Credential{Uid: uint32(other.uid), Gid: uint32(other.gid)}
}
