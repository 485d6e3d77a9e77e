package providertest

import (
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bkp/internal/filemeta"
	"bkp/providers"
)

// Tree describes everything below root, by path: type, mode, owner, mtime to
// the nanosecond, content, attributes, link targets, and which names are one
// file. Two trees with equal descriptions are equal in all that a backup keeps.
// The root itself is "."; sockets are left out.
func Tree(t testing.TB, root string) map[string]string {
	t.Helper()
	return treeOf(t, root, nil)
}

// treeOf is the Tree of a copy that has of root only what is selected, and the folders
// above that.
func treeOf(t testing.TB, root string, only providers.Selection) map[string]string {
	t.Helper()
	out := map[string]string{}
	first := map[filemeta.ID]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.Type()&fs.ModeSocket != 0 {
			return nil
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if rel != "." && !only.Holds(rel) && !only.Leads(rel) {
			return nil
		}
		out[rel], err = describe(path, rel, first)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func describe(path, rel string, first map[filemeta.ID]string) (string, error) {
	m, err := filemeta.Read(path)
	if err != nil {
		return "", err
	}
	out := fmt.Sprintf("%v owner %d:%d mtime %d.%09d", m.Mode, m.UID, m.GID, m.ModTime.Unix(), m.ModTime.Nanosecond())
	for _, name := range slices.Sorted(maps.Keys(m.Xattrs)) {
		out += fmt.Sprintf(" %s=%x", name, m.Xattrs[name])
	}
	if m.Links > 1 && !m.Mode.IsDir() {
		if other, ok := first[m.ID]; ok {
			out += fmt.Sprintf(" is %q", other)
		} else {
			first[m.ID] = rel
		}
	}
	switch {
	case m.Mode.IsRegular():
		sum, err := digest(path)
		return fmt.Sprintf("%s size %d sha256 %x", out, m.Size, sum), err
	case m.Mode&fs.ModeSymlink != 0:
		target, err := os.Readlink(path)
		return fmt.Sprintf("%s to %q", out, target), err
	case m.Mode&fs.ModeDevice != 0:
		return fmt.Sprintf("%s numbers %d:%d", out, m.Major, m.Minor), nil
	}
	return out, nil
}

func digest(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	h := sha256.New()
	_, err = io.Copy(h, f)
	return h.Sum(nil), err
}

// SameTrees fails the test, naming the first differences, unless got is want.
// Paths for which ignore returns true do not count; it may be nil.
func SameTrees(t testing.TB, want, got map[string]string, ignore func(rel string) bool) {
	t.Helper()
	var diff []string
	for rel, w := range want {
		if ignore != nil && ignore(rel) {
			continue
		}
		if g, ok := got[rel]; !ok {
			diff = append(diff, fmt.Sprintf("%q is missing", rel))
		} else if g != w {
			diff = append(diff, fmt.Sprintf("%q\n  is        %s\n  should be %s", rel, g, w))
		}
	}
	for rel := range got {
		if _, ok := want[rel]; !ok && (ignore == nil || !ignore(rel)) {
			diff = append(diff, fmt.Sprintf("%q should not be there", rel))
		}
	}
	if len(diff) == 0 {
		return
	}
	slices.Sort(diff)
	t.Errorf("%d differences\n%s", len(diff), strings.Join(diff[:min(len(diff), 10)], "\n"))
}
