//go:build unix

package sqlserver

import (
	"os"
	"syscall"
)

// give makes a file that of the owner of a folder, who is taken for the account of SQL Server.
// Who is not root can give it to the folder's group at most, and a share may take neither: then
// the server says that it cannot read it.
func give(path, folder string) error {
	info, err := os.Stat(folder)
	if err != nil {
		return err
	}
	const shared = 0o640
	if err := os.Chmod(path, shared); err != nil && !os.IsPermission(err) {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	if os.Chown(path, int(owner.Uid), int(owner.Gid)) != nil {
		_ = os.Chown(path, -1, int(owner.Gid))
	}
	return nil
}
