package home

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"bkp/internal/filemeta"
	"bkp/internal/host"
	"bkp/internal/problem"
)

// part is a tree by its name in a folder that is held open. What is done to it
// stays in that folder, whatever becomes of the folders above.
type part struct {
	in   *os.Root
	name string
}

// spot is the place of a part, and what was there before.
type spot struct {
	part
	parent *os.Root
	made   []string // folders above it that were not there, the deepest first
	exists bool
	before filemeta.Meta
}

// openTree opens a tree that is to be restored, and no symbolic link to one.
func openTree(path string) (*os.Root, error) {
	if path == "" {
		return nil, problem.New("backup holds no home", "nothing was unpacked", "verify the backup")
	}
	info, err := os.Lstat(path)
	if err != nil {
		return nil, problem.Wrap(err, "backup cannot be read", "verify the backup")
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, problem.Wrap(err, "backup cannot be read", "verify the backup")
	}
	if opened, err := root.Stat("."); err != nil || !os.SameFile(info, opened) {
		_ = root.Close()
		return nil, problem.New("backup cannot be read", path+" is not a folder itself, or was replaced", "check who can write to the folders above it")
	}
	return root, nil
}

// isFolder refuses a symbolic link: a restore would work on what it leads to.
func isFolder(in *os.Root, name string) error {
	info, err := in.Lstat(filepath.FromSlash(name))
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s is not a folder", filepath.Join(in.Name(), name))
	}
	return err
}

// openSpot opens the folder above a target, which it makes.
func openSpot(target string) (*spot, error) {
	made, err := makeParents(target)
	if err != nil {
		return nil, err
	}
	s := &spot{made: made}
	if s.parent, err = os.OpenRoot(filepath.Dir(target)); err != nil {
		removeEmpty(made)
		return nil, problem.Wrap(err, "target cannot be reached", "choose another folder, or run as a user who may write there")
	}
	s.part = part{s.parent, filepath.Base(target)}
	if err := s.look(); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// look notes what an empty target carries, which a restore replaces.
func (s *spot) look() error {
	entries, err := readDir(s.parent, s.name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	dir, errDir := s.parent.Open(".")
	if err = errors.Join(err, errDir); err != nil {
		return problem.Wrap(err, "target cannot be read", "choose another folder, or run as a user who may read it")
	}
	defer func() { _ = dir.Close() }()
	at := filepath.Join(s.parent.Name(), s.name)
	if held := content(at, entries); len(held) > 0 {
		return notEmpty(at, held[0].Name())
	}
	if s.before, err = filemeta.ReadAt(dir, s.name); err != nil {
		return problem.Wrap(err, "target cannot be read", "choose another folder, or run as a user who may read it")
	}
	if !s.before.Mode.IsDir() {
		return problem.New("target is not a folder", filepath.Join(s.parent.Name(), s.name), "choose another one")
	}
	s.exists = true
	return nil
}

// close removes the folders that were made above a target, if nothing is there.
func (s *spot) close() {
	_ = s.parent.Close()
	removeEmpty(s.made)
}

// undo makes the target what it was.
func (s *spot) undo() {
	if !s.exists {
		_ = s.parent.RemoveAll(s.name)
		return
	}
	// A mount point stays, whatever else; a folder may be gone or replaced.
	_ = s.parent.Mkdir(s.name, 0o700)
	entries, _ := readDir(s.parent, s.name)
	for _, e := range content(filepath.Join(s.parent.Name(), s.name), entries) {
		_ = s.parent.RemoveAll(filepath.Join(s.name, e.Name()))
	}
	if dir, err := s.parent.Open("."); err == nil {
		_, _ = filemeta.ApplyAt(dir, s.name, s.before)
		_ = dir.Close()
	}
}

// reachDisk returns when the part in its place, and its name, outlive a power
// cut.
func (s *spot) reachDisk() error {
	root, err := s.parent.OpenRoot(s.name)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	return errors.Join(reachDisk(root), reachDisk(s.parent))
}

// reachDisk makes the file system of a folder safe on disk.
func reachDisk(root *os.Root) error {
	dir, err := root.Open(".")
	if err != nil {
		return err
	}
	defer func() { _ = dir.Close() }()
	if err := host.SyncFilesystem(dir); err != nil {
		return problem.Wrapf(err, "what was restored may not be safe on disk", "check the system's log for disk errors", "%s", root.Name())
	}
	return nil
}

// makeParents creates the folders above target and returns those that it made,
// the deepest first.
func makeParents(target string) ([]string, error) {
	var missing []string
	for dir := filepath.Dir(target); ; dir = filepath.Dir(dir) {
		if _, err := os.Lstat(dir); err == nil || dir == filepath.Dir(dir) {
			break
		}
		missing = append(missing, dir)
	}
	err := os.MkdirAll(filepath.Dir(target), 0o755)
	for _, dir := range missing {
		// The user that Bitbucket runs as comes through here.
		err = errors.Join(err, os.Chmod(dir, 0o755)) //nolint:gosec // see above
	}
	if err != nil {
		removeEmpty(missing)
		return nil, problem.Wrap(err, "folder above the target cannot be created", "create it, or choose another target")
	}
	return missing, nil
}

func removeEmpty(dirs []string) {
	for _, d := range dirs {
		_ = os.Remove(d)
	}
}
