package home

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"bkp/internal/problem"
)

// marks are what a home that Bitbucket has started with always holds at least
// one of: it makes config, data and plugins itself, and the administrator the
// properties, unless they come from the environment. They lie in shared; a home
// without such a folder is a shared home itself.
var marks = []string{"bitbucket.properties", "config", "data", "plugins"}

// meshMarks are those of a Mesh node's home: the administrator makes the
// properties, unless they come from the environment, and the node its store.
var meshMarks = []string{"mesh.properties", "store"}

// looksLikeHome reports whether dir has a mark. A folder shared without one is
// the mount point of a shared home that is not mounted.
func (b *Base) looksLikeHome(dir string) bool {
	if b.Config.mesh {
		return holdsOne(dir, meshMarks)
	}
	if fi, err := os.Stat(filepath.Join(dir, "shared")); err == nil && fi.IsDir() {
		dir = filepath.Join(dir, "shared")
	}
	return holdsOne(dir, marks)
}

func holdsOne(dir string, names []string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		_, err := os.Stat(filepath.Join(dir, name))
		return err == nil
	})
}

func (b *Base) noHome(dir string) *problem.Problem {
	if b.Config.mesh {
		return problem.New("not the home of a Mesh node", fmt.Sprintf("%s holds none of %s", dir, strings.Join(meshMarks, ", ")),
			"mount its file system, or correct the path: it is the folder that MESH_HOME names")
	}
	return problem.New("not a Bitbucket home", fmt.Sprintf("neither %s nor its folder shared holds any of %s", dir, strings.Join(marks, ", ")),
		"mount its file system, or correct the path: it is the folder that BITBUCKET_HOME names")
}
