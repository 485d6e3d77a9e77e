package cli

import (
	"os"
	"path/filepath"

	"bkp/internal/problem"
	"bkp/providers"
)

// makePrivate makes a folder that only this user may enter. One that is there
// is left as it is.
func makePrivate(dir string) error { return os.MkdirAll(dir, 0o700) }

// logFile takes the tools' own output of a run; only this user may read it.
func (s *session) logFile(id providers.BackupID) (*os.File, error) {
	dir := filepath.Join(s.config.StateDir, "logs")
	if err := makePrivate(dir); err != nil {
		return nil, problem.Wrap(err, "state folder not writable", "run as a user who may write there, or set state_dir")
	}
	return os.OpenFile(s.logPath(id), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
}

func (s *session) logPath(id providers.BackupID) string {
	return filepath.Join(s.config.StateDir, "logs", string(id)+".log")
}
