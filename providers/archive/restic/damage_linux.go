package restic

import (
	"errors"
	"io/fs"
	"syscall"
)

// damages are errors of a disk or of its file system, rather than of this process or
// its rights.
var damages = []syscall.Errno{syscall.EIO, syscall.EUCLEAN, syscall.EBADMSG}

// isDamage reports whether an error of reading is one of the disk, or of an entry that
// was there a moment ago.
func isDamage(err error) bool {
	for _, d := range damages {
		if errors.Is(err, d) {
			return true
		}
	}
	return errors.Is(err, fs.ErrNotExist)
}
