//go:build unix

package cli

import "syscall"

// noCore keeps the memory of this process, passwords in it, off the disk when it
// crashes. Linux takes a limit of 1 byte, and not of 0, as no core for a collector
// either; see core(5). What fails here is no reason not to go on.
func noCore() {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_CORE, &limit) != nil {
		return
	}
	limit.Cur, limit.Max = 1, max(limit.Max, 1)
	_ = syscall.Setrlimit(syscall.RLIMIT_CORE, &limit)
}
