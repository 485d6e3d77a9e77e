//go:build !unix

package scratch

import "syscall"

// Attributes are none on this system.
func (a *Account) Attributes(syscall.Signal) *syscall.SysProcAttr { return nil }
