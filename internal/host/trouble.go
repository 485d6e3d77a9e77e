package host

import (
	"errors"
	"slices"
	"strings"
	"syscall"
)

// IsFull reports whether err is about a file system, or a user's share of it,
// that has no room left.
func IsFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || says(err, []string{"no space left on device", "disk quota exceeded"})
}

// IsTrouble reports whether err is about this machine, a disk, a limit, a
// permission, a server that went away, and so is not about the data that were
// worked on. Of a tool it is what it was killed by, or what it said last, in the
// words of the C locale; a tool that crashed may have done so over its data.
func IsTrouble(err error) bool {
	if err == nil {
		return false
	}
	var exit *ExitError
	if errors.As(err, &exit) && exit.Signal != 0 {
		return slices.Contains([]syscall.Signal{syscall.SIGKILL, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT}, exit.Signal)
	}
	var number syscall.Errno
	if exit == nil && errors.As(err, &number) && slices.Contains(troubles, number) {
		return true
	}
	return IsFull(err) || says(err, troubleWords)
}

var troubles = []syscall.Errno{
	syscall.EIO, syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.EACCES, syscall.EPERM, syscall.EBUSY, syscall.EFBIG,
	syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.EAGAIN, syscall.ESTALE, syscall.ENOLCK,
	syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.ECONNABORTED, syscall.ETIMEDOUT, syscall.EHOSTUNREACH, syscall.ENETUNREACH,
}

// troubleWords are what the C library, PostgreSQL, MySQL and their clients call
// it, where no number reaches us.
var troubleWords = []string{
	"cannot allocate memory", "out of memory", "resource temporarily unavailable", "too many open files", "read-only file system",
	"connection refused", "connection reset", "server closed the connection", "terminating connection", "the database system is ",
	"too many clients", "too many connections", "lost connection", "server has gone away", "can't connect to", "conn closed", "invalid connection",
}

func says(err error, words []string) bool {
	if err == nil {
		return false
	}
	text := strings.ToLower(err.Error())
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(text, w) })
}
