//go:build !unix

package pgserver

import "syscall"

func attributes() *syscall.SysProcAttr { return nil }
