package scratch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
)

// Host is the address that scratch servers listen on.
const Host = "127.0.0.1"

// Account is a user of this machine. Nil is the user of this process.
type Account struct{ uid, gid int }

// RunsAs is whom a server runs as: as root the first of the names that this
// machine knows, else the user of this process.
func RunsAs(names ...string) *Account {
	if os.Geteuid() != 0 {
		return nil
	}
	for _, name := range names {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, errUID := strconv.Atoi(u.Uid)
		gid, errGID := strconv.Atoi(u.Gid)
		if errUID == nil && errGID == nil {
			return &Account{uid, gid}
		}
	}
	return nil
}

// Own gives path to the account.
func (a *Account) Own(path string) error {
	if a == nil {
		return nil
	}
	err := os.Chown(path, a.uid, a.gid)
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w: as root, the server must run as another user", err)
	}
	return err
}

// Dir is the folder of a server.
type Dir struct {
	Path string
	// instead is set when the files lie elsewhere than where they were wanted.
	instead bool
}

// ErrUnreachable is about a folder that the server's user cannot reach.
var ErrUnreachable = errors.New("the user that the server runs as has no access to a folder above it")

// MakeDir makes the folder and gives it to the account. Where the account cannot
// reach it, that fails with ErrUnreachable if the caller insists; otherwise a folder
// of that prefix below the system's temporary one is made instead.
func MakeDir(dir, prefix string, insist bool, a *Account) (Dir, error) {
	if insist && !a.Reachable(dir) {
		return Dir{}, fmt.Errorf("%s: %w", dir, ErrUnreachable)
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return Dir{}, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return Dir{}, err
	}
	d := Dir{Path: dir}
	if !a.Reachable(dir) {
		if d.Path, err = os.MkdirTemp("", prefix); err != nil {
			return Dir{}, err
		}
		d.instead = true
	}
	return d, a.Own(d.Path)
}

// Reachable reports whether a server that runs as the account can have its files
// in dir, whose parents must exist.
func (a *Account) Reachable(dir string) bool { return a == nil || reachable(dir) }

// Remove removes the folder, unless it is the one that was wanted.
func (d Dir) Remove() error {
	if !d.instead {
		return nil
	}
	return os.RemoveAll(d.Path)
}

// reachable reports whether every user may pass through all parents of dir.
func reachable(dir string) bool {
	for parent := filepath.Dir(dir); ; parent = filepath.Dir(parent) {
		info, err := os.Stat(parent)
		if err != nil || info.Mode().Perm()&0o001 == 0 {
			return false
		}
		if parent == filepath.Dir(parent) {
			return true
		}
	}
}

// freePort finds one; another process may take it before the server does.
func freePort(ctx context.Context) (int, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", net.JoinHostPort(Host, "0"))
	if err != nil {
		return 0, err
	}
	port := l.Addr().(*net.TCPAddr).Port
	return port, l.Close()
}

// environment is what a server's tools get: the variables of this process are
// meant for another server.
func environment() []string {
	return []string{"LC_ALL=C", "TZ=UTC", "PATH=" + os.Getenv("PATH"), "SYSTEMROOT=" + os.Getenv("SYSTEMROOT")}
}
