package trace

import "golang.org/x/sys/unix"

// call says how the arguments of a system call name what it changes. Numbers
// are those of arguments; -1 is none.
type call struct {
	name string
	// fd is a descriptor, or with path the folder that a relative path begins at.
	fd int
	// path is a name; unix.AT_FDCWD where there is no fd.
	path int
	// flags are those of an open, which without the right ones changes nothing.
	flags int
	// data and size are what is written.
	data, size int
	// address is that of a peer.
	address int
}

func onFile(name string, fd int) call {
	return call{name: name, fd: fd, path: -1, flags: -1, data: -1, size: -1, address: -1}
}

func onPath(name string, dir, path int) call {
	c := onFile(name, dir)
	c.path = path
	return c
}

func opening(name string, dir, path, flags int) call {
	c := onPath(name, dir, path)
	c.flags = flags
	return c
}

func writing(name string, fd, data, size int) call {
	c := onFile(name, fd)
	c.data, c.size = data, size
	return c
}

func connecting() call {
	c := onFile("connect", 0)
	c.address = 1
	return c
}

// Newer than the package's list of numbers.
const (
	sysFchmodat2  = 452
	sysSetxattrat = 463
)

// calls are those that change something outside of their process.
var calls = map[int]call{
	unix.SYS_WRITE:     writing("write", 0, 1, 2),
	unix.SYS_PWRITE64:  writing("write", 0, 1, 2),
	unix.SYS_WRITEV:    onFile("write", 0),
	unix.SYS_PWRITEV:   onFile("write", 0),
	unix.SYS_PWRITEV2:  onFile("write", 0),
	unix.SYS_SENDTO:    writing("send", 0, 1, 2),
	unix.SYS_SENDMSG:   onFile("send", 0),
	unix.SYS_SENDFILE:  onFile("write", 0),
	unix.SYS_SPLICE:    onFile("write", 2),
	unix.SYS_CONNECT:   connecting(),
	unix.SYS_FTRUNCATE: onFile("truncate", 0),
	unix.SYS_FALLOCATE: onFile("allocate", 0),
	unix.SYS_FSYNC:     onFile("sync", 0),
	unix.SYS_FDATASYNC: onFile("sync", 0),
	unix.SYS_SYNCFS:    onFile("sync", 0),
	unix.SYS_FLOCK:     onFile("flock", 0),
	unix.SYS_FCHMOD:    onFile("chmod", 0),
	unix.SYS_FCHOWN:    onFile("chown", 0),
	unix.SYS_FSETXATTR: onFile("setxattr", 0),

	unix.SYS_COPY_FILE_RANGE: onFile("write", 2),
	unix.SYS_FREMOVEXATTR:    onFile("removexattr", 0),
	unix.SYS_FANOTIFY_INIT:   onFile("fanotify_init", -1),
	unix.SYS_FANOTIFY_MARK:   onPath("fanotify_mark", 3, 4),

	unix.SYS_OPEN:     opening("open", -1, 0, 1),
	unix.SYS_OPENAT:   opening("open", 0, 1, 2),
	unix.SYS_CREAT:    onPath("open", -1, 0),
	unix.SYS_TRUNCATE: onPath("truncate", -1, 0),

	// Of a renaming, what counts is the name that appears.
	unix.SYS_RENAME:    onPath("rename", -1, 1),
	unix.SYS_RENAMEAT:  onPath("rename", 2, 3),
	unix.SYS_RENAMEAT2: onPath("rename", 2, 3),
	unix.SYS_LINK:      onPath("link", -1, 1),
	unix.SYS_LINKAT:    onPath("link", 2, 3),
	unix.SYS_SYMLINK:   onPath("symlink", -1, 1),
	unix.SYS_SYMLINKAT: onPath("symlink", 1, 2),
	unix.SYS_UNLINK:    onPath("unlink", -1, 0),
	unix.SYS_UNLINKAT:  onPath("unlink", 0, 1),
	unix.SYS_RMDIR:     onPath("unlink", -1, 0),
	unix.SYS_MKDIR:     onPath("mkdir", -1, 0),
	unix.SYS_MKDIRAT:   onPath("mkdir", 0, 1),
	unix.SYS_MKNOD:     onPath("mknod", -1, 0),
	unix.SYS_MKNODAT:   onPath("mknod", 0, 1),
	unix.SYS_CHMOD:     onPath("chmod", -1, 0),
	unix.SYS_FCHMODAT:  onPath("chmod", 0, 1),
	sysFchmodat2:       onPath("chmod", 0, 1),
	unix.SYS_CHOWN:     onPath("chown", -1, 0),
	unix.SYS_LCHOWN:    onPath("chown", -1, 0),
	unix.SYS_FCHOWNAT:  onPath("chown", 0, 1),
	unix.SYS_UTIME:     onPath("utimes", -1, 0),
	unix.SYS_UTIMES:    onPath("utimes", -1, 0),
	unix.SYS_UTIMENSAT: onPath("utimes", 0, 1),
	unix.SYS_SETXATTR:  onPath("setxattr", -1, 0),
	unix.SYS_LSETXATTR: onPath("setxattr", -1, 0),
	sysSetxattrat:      onPath("setxattr", 0, 1),
	unix.SYS_MOUNT:     onPath("mount", -1, 1),
	unix.SYS_UMOUNT2:   onPath("umount", -1, 0),
	unix.SYS_EXECVE:    onPath("exec", -1, 0),
	unix.SYS_EXECVEAT:  onPath("exec", 0, 1),

	unix.SYS_REMOVEXATTR:  onPath("removexattr", -1, 0),
	unix.SYS_LREMOVEXATTR: onPath("removexattr", -1, 0),
}
