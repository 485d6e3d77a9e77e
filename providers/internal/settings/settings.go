// Package settings looks up what Bitbucket itself is configured with, for strategies that
// default to it or compare their block with it.
//
// A setting stands in the environment, as containers have it (JDBC_URL for jdbc.url), or in
// bitbucket.properties of the home. The environment is that of bkp: an
// administrator who starts Bitbucket with variables gives them to bkp, too. That of a running Bitbucket is not read.
// It belongs to another user or container, there may be several nodes, and none runs when a
// restore is planned.
//
// It leaves out what the values mean.
package settings

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"bkp/internal/host"
	"bkp/internal/javaprops"
)

// most bounds what is read of bitbucket.properties, in bytes.
const most = 1 << 20

// ErrBroken is about a file that Bitbucket cannot read either.
var ErrBroken = errors.New("not a Java properties file")

// Settings are those of one Bitbucket. The zero value has those of the environment.
type Settings struct {
	// file that the entries are from.
	file    string
	entries map[string]string
}

// Read reads the file of a home, the folder that holds shared or the shared home itself.
// home may be "", and the file need not be there. An error wraps ErrBroken or is that of
// reading the file; the settings that are returned beside it have the environment.
func Read(home string) (Settings, error) {
	if home == "" {
		return Settings{}, nil
	}
	for _, folder := range []string{"shared", "."} {
		file := filepath.Join(home, folder, "bitbucket.properties")
		text, err := host.ReadRegular(file, most)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return Settings{}, err
		}
		entries, err := javaprops.Parse(text)
		if err != nil {
			return Settings{}, fmt.Errorf("%s: %w: %w", file, ErrBroken, err)
		}
		return Settings{file, entries}, nil
	}
	return Settings{}, nil
}

// Get is the value of a setting, "" if it is nowhere.
func (s Settings) Get(name string) string {
	value, _ := s.Find(name)
	return value
}

// Find is Get, with the place of the value in words.
func (s Settings) Find(name string) (value, where string) {
	for _, variable := range javaprops.Variables(name) {
		if v := os.Getenv(variable); v != "" {
			return v, variable + " in the environment"
		}
	}
	return s.FindInFile(name)
}

// FindInFile is Find without the environment, which may be that of another Bitbucket.
func (s Settings) FindInFile(name string) (value, where string) {
	if v := s.entries[name]; v != "" {
		return v, name + " in " + s.file
	}
	return "", ""
}

// Entry is a setting, or a variable that may be one.
type Entry struct {
	Name, Value string
	// Where is the place of the value in words.
	Where string
	// IsVariable is set for one of the environment, which may be nothing of Bitbucket's.
	IsVariable bool
}

// All are the entries of the file that count, then all variables, each in the order of
// their names.
func (s Settings) All() []Entry {
	var out []Entry
	for _, name := range slices.Sorted(maps.Keys(s.entries)) {
		if value, where := s.Find(name); value == s.entries[name] {
			out = append(out, Entry{Name: name, Value: value, Where: where})
		}
	}
	for _, pair := range slices.Sorted(slices.Values(os.Environ())) {
		name, value, _ := strings.Cut(pair, "=")
		out = append(out, Entry{Name: name, Value: value, Where: name + " in the environment", IsVariable: true})
	}
	return out
}

// IsSealed reports whether a value is the description of a secret that lies elsewhere.
func IsSealed(value string) bool { return strings.HasPrefix(strings.TrimSpace(value), "{") }
