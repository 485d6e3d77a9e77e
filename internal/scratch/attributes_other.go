//go:build !unix

package scratch

import "syscall"

// attributes are none on this system.
func (a *Account) attributes(syscall.Signal) *syscall.SysProcAttr { return nil }
