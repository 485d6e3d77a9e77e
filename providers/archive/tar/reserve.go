package tar

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"bkp/internal/problem"
	"bkp/providers"
)

// idTaken is the summary when a backup of this id is somebody else's.
const idTaken = "id is taken"

var _ providers.Reserver = (*archive)(nil)

// reservationPath is where it stands who is making the backup b. It is a
// symbolic link that leads nowhere, for it is there at once with what it says.
func (a *archive) reservationPath(b providers.BackupID) string {
	return filepath.Join(a.cfg.Destination, "."+string(b)+".reserved")
}

// maker names this archive of this state folder of this machine.
func (a *archive) maker() string {
	name, _ := os.Hostname()
	return "bkp:" + name + ":" + a.env.WorkDir
}

// Reserve implements providers.Reserver.
func (a *archive) Reserve(_ context.Context, b providers.BackupID) error {
	if err := a.hold(b); err != nil {
		return err
	}
	// Nobody else can add to these from now on.
	paths := []string{a.manifestPath(b)}
	for _, f := range allFormats {
		paths = append(paths, a.archivePath(b, f), partialPath(a.archivePath(b, f)))
	}
	for _, path := range paths {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			return errors.Join(a.taken(b, path), err, a.letGo(b))
		}
	}
	return nil
}

func (a *archive) taken(b providers.BackupID, by string) error {
	return problem.Wrapf(providers.ErrTaken, idTaken, "run again; let instances that share a destination have different names", "%s in %s, by %s", b, a.cfg.Destination, by)
}

// hold makes the id ours, among all who store in the destination. It may be
// called again.
func (a *archive) hold(b providers.BackupID) error {
	if _, err := providers.ParseBackupID(string(b)); err != nil {
		return err
	}
	if err := os.MkdirAll(a.cfg.Destination, 0o700); err != nil {
		return a.notWritable(err)
	}
	path := a.reservationPath(b)
	err := os.Symlink(a.maker(), path)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		err = writeNew(path, a.maker()) // a file system without links
	}
	switch {
	case err == nil:
		return nil
	case !errors.Is(err, fs.ErrExist):
		return a.notWritable(err)
	}
	if by := readReservation(path); by != a.maker() {
		return a.taken(b, by)
	}
	return nil
}

// others reports whether the id is reserved by somebody else.
func (a *archive) others(b providers.BackupID) bool {
	path := a.reservationPath(b)
	_, err := os.Lstat(path)
	return err == nil && readReservation(path) != a.maker()
}

func (a *archive) letGo(b providers.BackupID) error {
	_, err := remove(a.reservationPath(b))
	return err
}

// mine refuses to replace a backup of the same id that is another one.
func (a *archive) mine(m providers.Manifest) error {
	there, err := a.load(m.ID)
	if errors.Is(err, providers.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	same := there.Instance == m.Instance && there.URL == m.URL && len(there.Artifacts) == len(m.Artifacts)
	for i := range m.Artifacts {
		same = same && there.Artifacts[i].Address == m.Artifacts[i].Address && there.Artifacts[i].PointInTime.Equal(m.Artifacts[i].PointInTime)
	}
	if same {
		return nil
	}
	return a.taken(m.ID, fmt.Sprintf("a backup of %s that was made by somebody else", there.Instance))
}

// readReservation returns who made it; "" if that cannot be told.
func readReservation(path string) string {
	if by, err := os.Readlink(path); err == nil {
		return by
	}
	by, _ := os.ReadFile(path)
	return string(by)
}

func writeNew(path, text string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}
