// Package settings looks up what Bitbucket itself is configured with, for strategies that
// default to it.
//
// It leaves out what the values mean.
package settings

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"bkp/internal/javaprops"
)

// Of returns a function that looks where Bitbucket does: in the environment, as containers have
// it (JDBC_URL for jdbc.url), then in the file of the home, if it is on this machine. home may
// be "". What is nowhere is "".
func Of(home string) (func(name string) string, error) {
	entries, err := properties(home)
	if err != nil {
		return nil, err
	}
	return func(name string) string {
		if v := os.Getenv(strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(name))); v != "" {
			return v
		}
		return entries[name]
	}, nil
}

func properties(home string) (map[string]string, error) {
	if home == "" {
		return nil, nil
	}
	text, err := os.ReadFile(filepath.Join(home, "shared", "bitbucket.properties"))
	if errors.Is(err, fs.ErrNotExist) {
		text, err = os.ReadFile(filepath.Join(home, "bitbucket.properties")) // the folder is the shared home itself
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return javaprops.Parse(text)
}

// IsSealed reports whether a value is the description of a secret that lies elsewhere.
func IsSealed(value string) bool { return strings.HasPrefix(strings.TrimSpace(value), "{") }
