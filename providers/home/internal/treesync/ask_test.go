//go:build unix

package treesync

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestAMachineThatDoesNotAnswerIsAnError: rsync would then see what the kernel remembers.
func TestAMachineThatDoesNotAnswerIsAnError(t *testing.T) {
	l := looker{root: "/srv/home", fresh: true}
	l.failed("gone", fs.ErrNotExist)
	l.failed("private", unix.EACCES)
	if l.unasked != nil {
		t.Fatalf("what is gone, or not for this user: %v", l.unasked)
	}
	l.failed("a", unix.ETIMEDOUT)
	l.failed("b", unix.EIO)
	if !errors.Is(l.unasked, unix.ETIMEDOUT) || !strings.Contains(l.unasked.Error(), "/srv/home/a") {
		t.Errorf("got %v", l.unasked)
	}
}
