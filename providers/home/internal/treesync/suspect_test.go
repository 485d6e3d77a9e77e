//go:build unix

package treesync_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"bkp/providers/home/internal/treesync"
)

// What something else did to the copy between two runs is found before it is
// believed, and replaced.
func TestChangedCopyIsNotBelieved(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, dst string){
		"file removed":   func(t *testing.T, dst string) { must(t, os.Remove(filepath.Join(dst, "repo/1/HEAD"))) },
		"folder removed": func(t *testing.T, dst string) { must(t, os.RemoveAll(filepath.Join(dst, "repo/2"))) },
		"byte flipped": func(t *testing.T, dst string) {
			at := filepath.Join(dst, "repo/1/HEAD")
			before, err := os.Stat(at)
			must(t, err)
			must(t, os.WriteFile(at, []byte("other!!"), 0o600))
			must(t, os.Chtimes(at, before.ModTime(), before.ModTime()))
		},
		"file added":          func(t *testing.T, dst string) { must(t, os.WriteFile(filepath.Join(dst, "repo/1/new"), nil, 0o600)) },
		"mode changed":        func(t *testing.T, dst string) { must(t, os.Chmod(filepath.Join(dst, "repo/1/HEAD"), 0o640)) },
		"folder mode changed": func(t *testing.T, dst string) { must(t, os.Chmod(filepath.Join(dst, "repo/1"), 0o711)) },
		"link replaced": func(t *testing.T, dst string) {
			must(t, os.Remove(filepath.Join(dst, "repo/link")))
			must(t, os.Symlink("3", filepath.Join(dst, "repo/link")))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			for _, rel := range []string{"repo/1/HEAD", "repo/2/HEAD", "repo/2/objects/a"} {
				r.write(t, rel, "content")
			}
			must(t, os.Symlink("1", filepath.Join(r.src, "repo/link")))
			o := r.options()
			// So far ahead that no entry is racy, and all of the index believed.
			o.Now = func() time.Time { return time.Now().Add(time.Hour) }
			if _, err := treesync.Sync(t.Context(), o); err != nil {
				t.Fatal(err)
			}
			r.tick(t) // else the change has the time of the index
			damage(t, r.dst)
			s := treesync.Begin(o)
			defer s.Close()
			if _, err := s.Full(t.Context(), false); err != nil {
				t.Fatal(err)
			}
			if s.Suspects().Count == 0 || len(s.Suspects().Names) == 0 {
				t.Error("nothing is suspected")
			}
			must(t, s.Commit())
			r.same(t)
			// What was replaced is believed again.
			again := treesync.Begin(o)
			defer again.Close()
			if _, err := again.Full(t.Context(), false); err != nil || again.Suspects().Count != 0 {
				t.Errorf("afterwards: %v, %v", again.Suspects(), err)
			}
		})
	}
}
