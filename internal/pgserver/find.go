package pgserver

import (
	"errors"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// ErrNotInstalled is returned when no PostgreSQL server is installed.
var ErrNotInstalled = errors.New("no PostgreSQL server is installed: neither initdb and postgres on PATH nor in " + strings.Join(places, ", "))

// places are where distributions keep servers: Debian, Red Hat, SUSE.
var places = []string{"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/lib/postgresql*/bin"}

// BinDir is the folder of the programs of the first of Installed.
func BinDir() (string, error) {
	all := Installed()
	if len(all) == 0 {
		return "", ErrNotInstalled
	}
	return all[0], nil
}

// Installed returns the folders of the programs of all servers that are there:
// first that of PATH, then where distributions keep them, the newest first.
func Installed() []string {
	var out []string
	if initdb, err := exec.LookPath("initdb"); err == nil {
		// PATH may hold links to a folder that has the other programs too.
		if real, err := filepath.EvalSymlinks(initdb); err == nil {
			initdb = real
		}
		if dir := filepath.Dir(initdb); complete(dir) {
			out = append(out, dir)
		}
	}
	var dirs []string
	for _, place := range places {
		found, _ := filepath.Glob(place) // the patterns are valid
		dirs = append(dirs, found...)
	}
	slices.SortFunc(dirs, func(a, b string) int { return version(b) - version(a) })
	for _, dir := range dirs {
		if complete(dir) && !slices.Contains(out, dir) {
			out = append(out, dir)
		}
	}
	return out
}

// complete reports whether dir has what starting a server takes.
func complete(dir string) bool {
	for _, tool := range []string{"initdb", "postgres"} {
		if _, err := exec.LookPath(filepath.Join(dir, tool)); err != nil {
			return false
		}
	}
	return true
}

// version is the major version in the name of the folder above bin, such as
// 15 or pgsql-15, or 0.
func version(bin string) int {
	name := filepath.Base(filepath.Dir(bin))
	major, err := strconv.ParseFloat(name[strings.LastIndexAny(name, "-lq")+1:], 64)
	if err != nil {
		return 0
	}
	return int(major * 10) // 9.6 is older than 10
}
