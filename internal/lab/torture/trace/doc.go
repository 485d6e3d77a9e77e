// Package trace runs a command and stops it, and every process that comes of
// it, before each system call that changes something outside of the process:
// files, sockets, pipes, other programs. The caller sees each such effect and
// decides what becomes of it: it happens, it fails with an error, it is held, its
// process or the whole command is killed there.
//
// A seccomp filter picks the calls out, so that everything else runs at full
// speed; ptrace stops them. The filter is set by this program, which starts
// itself once more for that (Exec) and then becomes the command. It works on
// Linux, on amd64; elsewhere the package is empty.
//
// It leaves out what the effects mean and which to disturb (internal/lab/torture).
package trace
