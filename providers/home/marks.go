package home

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"bkp/internal/problem"
)

// marks are what a home that Bitbucket has started with always holds at least
// one of: it makes config, data and plugins itself, and the administrator the
// properties, unless they come from the environment. They lie in shared; a home
// without such a folder is a shared home itself.
var marks = []string{"bitbucket.properties", "config", "data", "plugins"}

// looksLikeHome reports whether dir has a mark. A folder shared without one is
// the mount point of a shared home that is not mounted.
func looksLikeHome(dir string) bool {
	if fi, err := os.Stat(filepath.Join(dir, "shared")); err == nil && fi.IsDir() {
		dir = filepath.Join(dir, "shared")
	}
	for _, name := range marks {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			return true
		}
	}
	return false
}

func noHome(dir string) *problem.Problem {
	return problem.New("not a Bitbucket home", fmt.Sprintf("neither %s nor its folder shared holds any of %s", dir, strings.Join(marks, ", ")),
		"mount its file system, or correct the path: it is the folder that BITBUCKET_HOME names")
}
