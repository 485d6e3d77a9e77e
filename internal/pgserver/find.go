package pgserver

import (
	"errors"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
)

// ErrNotInstalled is returned when no PostgreSQL server is installed.
var ErrNotInstalled = errors.New("no PostgreSQL server is installed: neither initdb and postgres on PATH nor /usr/lib/postgresql/*/bin")

// BinDir is the folder of the newest installed server's programs: that of
// PATH, or else where Debian keeps them.
func BinDir() (string, error) {
	if initdb, err := exec.LookPath("initdb"); err == nil {
		// PATH may hold links to a folder that has the other programs too.
		if real, err := filepath.EvalSymlinks(initdb); err == nil {
			initdb = real
		}
		if dir := filepath.Dir(initdb); complete(dir) {
			return dir, nil
		}
	}
	dirs, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil {
		return "", err
	}
	slices.SortFunc(dirs, func(a, b string) int { return version(b) - version(a) })
	for _, dir := range dirs {
		if complete(dir) {
			return dir, nil
		}
	}
	return "", ErrNotInstalled
}

// complete tells whether dir has what starting a server takes.
func complete(dir string) bool {
	for _, tool := range []string{"initdb", "postgres"} {
		if _, err := exec.LookPath(filepath.Join(dir, tool)); err != nil {
			return false
		}
	}
	return true
}

// version is the major version in /usr/lib/postgresql/15/bin, or 0.
func version(bin string) int {
	major, err := strconv.ParseFloat(filepath.Base(filepath.Dir(bin)), 64)
	if err != nil {
		return 0
	}
	return int(major * 10) // 9.6 is older than 10
}
