package folder

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"bkp/internal/host"
	"bkp/providers"
)

// claimPath is where it stands whose a backup is. It is a symbolic link that leads
// nowhere, for it is there at once with what it says.
func (f *Folder) claimPath(b providers.BackupID) string {
	return filepath.Join(f.dir, "."+string(b)+".reserved")
}

// Claim implements place.Place.
func (f *Folder) Claim(_ context.Context, b providers.BackupID, holder string) (string, error) {
	if _, err := providers.ParseBackupID(string(b)); err != nil {
		return "", err
	}
	if err := os.MkdirAll(f.dir, 0o700); err != nil {
		return "", cannotWrite(err)
	}
	path := f.claimPath(b)
	err := os.Symlink(holder, path)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		err = writeNew(path, holder) // a file system without links
	}
	switch {
	case err == nil:
		return holder, nil
	case errors.Is(err, fs.ErrExist):
		return readClaim(path), nil
	}
	return "", cannotWrite(err)
}

// Claimed implements place.Place.
func (f *Folder) Claimed(_ context.Context, b providers.BackupID) (string, error) {
	if _, err := providers.ParseBackupID(string(b)); err != nil {
		return "", err
	}
	path := f.claimPath(b)
	if _, err := os.Lstat(path); err != nil {
		return "", ignoreMissing(err)
	}
	return readClaim(path), nil
}

// Unclaim implements place.Place.
func (f *Folder) Unclaim(_ context.Context, b providers.BackupID) error {
	if _, err := providers.ParseBackupID(string(b)); err != nil {
		return err
	}
	return ignoreMissing(os.Remove(f.claimPath(b)))
}

// unknownHolder is the maker of a claim that cannot be read.
const unknownHolder = "somebody unknown"

func readClaim(path string) string {
	if by, err := os.Readlink(path); err == nil {
		return by
	}
	const most = 8 << 10
	if by, err := host.ReadRegular(path, most); err == nil && len(by) > 0 {
		return string(by)
	}
	return unknownHolder
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
