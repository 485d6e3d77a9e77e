package trace

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Effect is a change that is about to happen.
type Effect struct {
	// Tool is the name of the program that makes it. Main says that it is the
	// process of the command itself.
	Tool string
	Args []string
	Main bool
	// Call is what it does, such as write or rename.
	Call string
	// Target is a path, or what else the descriptor is: a pipe, or the peer of a
	// socket, such as tcp:5432 or unix.
	Target string
	// Data begins what is written.
	Data []byte

	tid, tgid, fd int
}

// IsSocket reports whether it goes to a peer, whose answer could be lost.
func (e Effect) IsSocket() bool {
	return e.Call != "connect" && strings.HasPrefix(e.Target, "tcp:")
}

const (
	// dataShown is how much of what is written the caller sees.
	dataShown = 128
	maxPath   = 4096
)

// describe reads what a thread is about to do. It is false for what changes
// nothing that could be seen from outside.
func (t *tracer) describe(tid int, regs *unix.PtraceRegs) (Effect, bool) {
	c, ok := calls[int(regs.Orig_rax)]
	if !ok {
		return Effect{}, false
	}
	p := t.processOf(tid)
	args := [6]uint64{regs.Rdi, regs.Rsi, regs.Rdx, regs.R10, regs.R8, regs.R9}
	e := Effect{Tool: p.tool, Args: p.args, Main: p.tgid == t.main, Call: c.name, tid: tid, tgid: p.tgid, fd: -1}
	switch {
	case c.path >= 0:
		e.Target = pathOf(tid, c, args)
	case c.fd >= 0:
		e.fd = int(int32(args[c.fd]))
		e.Target = targetOf(p.tgid, tid, e.fd)
	}
	if c.address >= 0 {
		e.Target = addressOf(read(tid, args[c.address], 28))
	}
	if c.data >= 0 {
		e.Data = read(tid, args[c.data], int(min(args[c.size], dataShown)))
	}
	inert := e.Target == "anon_inode:[eventfd]" || e.Target == os.DevNull || strings.HasPrefix(e.Target, "/proc/") && c.name != "exec"
	return e, !inert
}

func pathOf(tid int, c call, args [6]uint64) string {
	dir := fmt.Sprintf("/proc/%d/cwd", tid)
	if c.fd >= 0 {
		if fd := int32(args[c.fd]); fd != unix.AT_FDCWD {
			dir = fmt.Sprintf("/proc/%d/fd/%d", tid, fd)
		}
	}
	name := readString(tid, args[c.path])
	if fd, ok := strings.CutPrefix(name, "/proc/self/fd/"); ok {
		dir, name = fmt.Sprintf("/proc/%d/fd/%s", tid, fd), ""
	}
	if filepath.IsAbs(name) {
		return filepath.Clean(name)
	}
	to, err := os.Readlink(dir)
	if err != nil {
		return name
	}
	return filepath.Join(to, name)
}

// targetOf is what a descriptor is.
func targetOf(tgid, tid, fd int) string {
	to, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", tid, fd))
	if err != nil {
		return "closed"
	}
	if strings.HasPrefix(to, "socket:") {
		return peerOf(tgid, fd)
	}
	if kind, _, ok := strings.Cut(to, ":["); ok && kind == "pipe" {
		return kind
	}
	return strings.TrimSuffix(to, " (deleted)")
}

// peerOf names the other end of a socket.
func peerOf(tgid, fd int) string {
	mine, err := take(tgid, fd)
	if err != nil {
		return "socket"
	}
	defer func() { _ = unix.Close(mine) }()
	peer, err := unix.Getpeername(mine)
	switch a := peer.(type) {
	case *unix.SockaddrInet4:
		return fmt.Sprintf("tcp:%d", a.Port)
	case *unix.SockaddrInet6:
		return fmt.Sprintf("tcp:%d", a.Port)
	case *unix.SockaddrUnix:
		return "unix"
	}
	if err != nil {
		return "socket"
	}
	return "other"
}

// take makes a copy of another process's descriptor.
func take(tgid, fd int) (int, error) {
	p, err := unix.PidfdOpen(tgid, 0)
	if err != nil {
		return -1, err
	}
	defer func() { _ = unix.Close(p) }()
	return unix.PidfdGetfd(p, fd, 0)
}

func addressOf(raw []byte) string {
	if len(raw) < 4 {
		return "unknown"
	}
	switch binary.NativeEndian.Uint16(raw) {
	case unix.AF_INET, unix.AF_INET6:
		return fmt.Sprintf("tcp:%d", binary.BigEndian.Uint16(raw[2:]))
	case unix.AF_UNIX:
		return "unix"
	}
	return "other"
}

// read reads the memory of a thread, as far as it can.
func read(tid int, from uint64, size int) []byte {
	if size <= 0 || from == 0 {
		return nil
	}
	buf := make([]byte, size)
	local := []unix.Iovec{{Base: &buf[0], Len: uint64(size)}}
	n, err := unix.ProcessVMReadv(tid, local, []unix.RemoteIovec{{Base: uintptr(from), Len: size}}, 0)
	if err != nil || n < 0 {
		return nil
	}
	return buf[:n]
}

// readString reads a path in pieces that do not cross a page, behind which
// there may be nothing.
func readString(tid int, from uint64) string {
	const page = 4096
	var all []byte
	for len(all) < maxPath && from != 0 {
		part := read(tid, from, page-int(from%page))
		if end := bytes.IndexByte(part, 0); end >= 0 {
			return string(append(all, part[:end]...))
		}
		if len(part) == 0 {
			break
		}
		all = append(all, part...)
		from += uint64(len(part))
	}
	return string(all)
}
