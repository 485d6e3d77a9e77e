package restore

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"bkp/internal/records/leftover"
	"bkp/providers"
)

// stageOf is where a part is unpacked.
func (p Plan) stageOf(part Part) string {
	if dir := part.Restorer.Stage(p.ID); dir != "" {
		return dir
	}
	return filepath.Join(part.WorkDir, providers.RestorePrefix+string(p.ID))
}

// stageMode is that of folders which have to be made above the stage. Beside a
// target others come through them: the user that Bitbucket runs as.
func (p Part) stageMode(b providers.BackupID) fs.FileMode {
	if p.Restorer.Stage(b) != "" {
		return 0o755
	}
	return 0o700
}

// stages are the folders that artifacts are unpacked to, by address, and the
// folders that were made above them.
type stages struct {
	dirs map[string]string
	made []string // the deepest of each last
}

// add makes an empty folder. An earlier restore that was killed may have left
// one of its name.
func (s *stages) add(address, dir string, above fs.FileMode) error {
	if err := s.makeAbove(filepath.Dir(dir), above); err != nil {
		return err
	}
	parent, err := os.OpenRoot(filepath.Dir(dir))
	if err != nil {
		return err
	}
	defer func() { _ = parent.Close() }()
	name := filepath.Base(dir)
	if err := parent.RemoveAll(name); err != nil {
		return err
	}
	if err := parent.Mkdir(name, 0o700); err != nil {
		return err
	}
	s.dirs[address] = dir
	return nil
}

func (s *stages) makeAbove(dir string, mode fs.FileMode) error {
	err := os.Mkdir(dir, mode)
	if errors.Is(err, fs.ErrNotExist) && dir != filepath.Dir(dir) {
		if err := s.makeAbove(filepath.Dir(dir), mode); err != nil {
			return err
		}
		err = os.Mkdir(dir, mode)
	}
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	s.made = append(s.made, dir)
	return os.Chmod(dir, mode) // whatever the umask is
}

// remove removes the folders, and those above them that are empty.
func (s *stages) remove() {
	for _, dir := range s.dirs {
		_ = leftover.Remove(dir) // what stays is in the record
	}
	for i := len(s.made) - 1; i >= 0; i-- {
		_ = os.Remove(s.made[i])
	}
}
