package trace

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Command is the hidden command of a program that Exec serves.
const Command = "__traced"

// Offsets in struct seccomp_data.
const (
	offsetNumber = 0
	offsetArch   = 4
	offsetArgs   = 16
)

// changes are the flags of an open that may change something.
const changes = unix.O_WRONLY | unix.O_RDWR | unix.O_CREAT | unix.O_TRUNC

// Exec becomes the command, with a filter that hands the calls of the table to
// the tracer. It returns only if it fails.
func Exec(argv []string) error {
	if len(argv) == 0 {
		return fmt.Errorf("%s: no command", Command)
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	filter := program()
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	// All threads of this process get the filter, whichever one becomes the command.
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC,
		uintptr(unsafe.Pointer(&prog))) //nolint:gosec // the call takes an address
	runtime.KeepAlive(filter)
	if errno != 0 {
		return fmt.Errorf("seccomp: %w", errno)
	}
	return syscall.Exec(argv[0], argv, os.Environ())
}

// program is the filter: those calls of the table that may change something go
// to the tracer, all others are allowed.
func program() []unix.SockFilter {
	load := func(offset uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
	}
	jump := func(how uint16, k uint32, yes, no uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | how | unix.BPF_K, Jt: yes, Jf: no, K: k}
	}
	result := func(k uint32) unix.SockFilter { return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: k} }

	p := []unix.SockFilter{
		load(offsetArch),
		jump(unix.BPF_JEQ, unix.AUDIT_ARCH_X86_64, 1, 0),
		result(unix.SECCOMP_RET_ALLOW),
		load(offsetNumber),
	}
	for number, c := range calls {
		if c.flags < 0 {
			p = append(p, jump(unix.BPF_JEQ, uint32(number), 0, 1), result(unix.SECCOMP_RET_TRACE))
			continue
		}
		p = append(p,
			jump(unix.BPF_JEQ, uint32(number), 0, 4),
			load(offsetArgs+8*uint32(c.flags)),
			jump(unix.BPF_JSET, changes, 0, 1),
			result(unix.SECCOMP_RET_TRACE),
			result(unix.SECCOMP_RET_ALLOW),
		)
	}
	return append(p, result(unix.SECCOMP_RET_ALLOW))
}
