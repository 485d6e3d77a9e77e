package restore

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"bkp/internal/engine/stage"
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

// add makes an empty folder.
func (s *stages) add(address, dir string, above fs.FileMode) error {
	made, err := stage.Make(dir, above)
	s.made = append(s.made, made...)
	if err != nil {
		return err
	}
	s.dirs[address] = dir
	return nil
}

// remove removes the folders, and those above them that are empty.
func (s *stages) remove() {
	for _, dir := range s.dirs {
		_ = leftover.Remove(dir) // what stays is in the record
	}
	for _, dir := range slices.Backward(s.made) {
		_ = os.Remove(dir)
	}
}
