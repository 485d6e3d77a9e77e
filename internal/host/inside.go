package host

import (
	"os"
	"path/filepath"
	"strings"
)

// Resolve makes a path absolute and follows its symbolic links as far as it
// exists.
func Resolve(path string) string {
	abs, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	rest := ""
	for dir := abs; ; dir = filepath.Dir(dir) {
		real, err := filepath.EvalSymlinks(dir)
		if err == nil {
			return filepath.Join(real, rest)
		}
		if dir == filepath.Dir(dir) {
			return abs
		}
		rest = filepath.Join(filepath.Base(dir), rest)
	}
}

// Inside reports whether path is folder or lies below it, whatever symbolic
// links and bind mounts lead there. Neither need exist.
func Inside(path, folder string) bool {
	path, folder = Resolve(path), Resolve(folder)
	rel, err := filepath.Rel(folder, path)
	if err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
		return true
	}
	at, err := os.Stat(folder)
	if err != nil {
		return false
	}
	for dir := path; ; dir = filepath.Dir(dir) {
		if fi, err := os.Stat(dir); err == nil && os.SameFile(fi, at) {
			return true
		}
		if dir == filepath.Dir(dir) {
			return false
		}
	}
}

// Relation is how a folder lies to another one.
type Relation string

// The relations; Apart is to have nothing in common.
const (
	Apart  Relation = ""
	Same   Relation = "is"
	Within Relation = "is inside"
	Around Relation = "contains"
)

// Relate returns how a folder lies to another one, whatever symbolic links and bind
// mounts lead there. Neither need exist.
func Relate(folder, other string) Relation {
	within, around := Inside(folder, other), Inside(other, folder)
	switch {
	case within && around:
		return Same
	case within:
		return Within
	case around:
		return Around
	}
	return Apart
}

// RelateAll is Relate of each folder to each of others, in their order.
func RelateAll(folders, others []string) [][]Relation {
	out := make([][]Relation, len(folders))
	for i, folder := range folders {
		for _, other := range others {
			out[i] = append(out[i], Relate(folder, other))
		}
	}
	return out
}
