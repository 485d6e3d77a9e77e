//go:build unix

package treesync_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"bkp/providers/home/internal/treesync"
)

// kinds make an entry of each kind that git or a user leaves in a home.
var kinds = map[string]func(path string) error{
	"file":       func(path string) error { return os.WriteFile(path, []byte("content"), 0o644) },
	"large file": func(path string) error { return os.WriteFile(path, make([]byte, 1<<20), 0o644) },
	"link":       func(path string) error { return os.Symlink("elsewhere", path) },
	"folder":     func(path string) error { return os.MkdirAll(filepath.Join(path, "deep"), 0o755) },
	"FIFO":       func(path string) error { return syscall.Mkfifo(path, 0o644) },
}

// TestAnyKindMayTakeThePlaceOfAnother between two looks of a live pass, which
// goes on; the next one brings what is there now.
func TestAnyKindMayTakeThePlaceOfAnother(t *testing.T) {
	for before, ops := range map[string][]string{
		"file": {"stat", "open", "write"}, "large file": {"stat", "open", "write"}, "link": {"stat", "symlink"},
		"folder": {"stat", "opendir", "readdir"}, "FIFO": {"stat", "special"},
	} {
		for after, become := range kinds {
			for _, op := range ops {
				for _, copied := range []bool{false, true} {
					t.Run(before+" to "+after+" at "+op+ifCopied(copied), func(t *testing.T) {
						r := newRig(t)
						path := r.write(t, "d/x", "")
						if copied {
							r.sync(t, r.options())
						}
						must(t, os.Remove(path))
						must(t, kinds[before](path))
						o := r.options()
						o.Workers = 1
						o.Fault = disturb(op, "d/x", func() error {
							if err := os.RemoveAll(path); err != nil {
								return err
							}
							return become(path)
						})
						if _, err := treesync.Sync(t.Context(), o); err != nil {
							t.Fatal(err)
						}
						r.sync(t, r.options())
						r.same(t)
					})
				}
			}
		}
	}
}

func ifCopied(copied bool) string {
	if copied {
		return ", copied before"
	}
	return ""
}
