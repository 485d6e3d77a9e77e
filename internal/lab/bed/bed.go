// Package bed finds the heavy parts that tests need, which `make beds` (the command
// in prepare/) made once in a cache outside the tree.
//
// Each part is a stage: a folder of the cache that is there when it is whole. Tests
// that need one are named TestBed…, or TestGuest… for the guests of internal/lab/vm,
// and run with BKP_BEDS=1 (`make test-beds`); without it they are skipped.
package bed

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// Cache is the folder of the stages: $BKP_BEDS_CACHE, or bkp-beds in the user's cache.
func Cache() (string, error) {
	if dir := os.Getenv("BKP_BEDS_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no place for the beds, set BKP_BEDS_CACHE: %w", err)
	}
	return filepath.Join(dir, "bkp-beds"), nil
}

// Needed skips a test unless beds are to be used.
func Needed(t testing.TB) {
	t.Helper()
	if os.Getenv("BKP_BEDS") != "1" {
		t.Skip("needs what make beds prepares: make beds test-beds")
	}
}

// Program is a Go program that is built in a pinned version, as a stage of its name.
type Program struct{ Name, Package, Version string }

// Programs are all that tests start.
//
// `@latest` of restic is v0.10.0.
var Programs = []Program{
	{"restic", "github.com/restic/restic/cmd/restic", "v0.18.1"},
	{"versitygw", "github.com/versity/versitygw/cmd/versitygw", "v1.8.0"},
}

// Promtool is the stage of the package that has promtool, at usr/bin.
const Promtool = "promtool"

// Tool is the path of a program. The test is skipped if beds are not to be used, and
// fails if it was not made.
func Tool(t testing.TB, name string) string {
	t.Helper()
	Needed(t)
	if !slices.ContainsFunc(Programs, func(p Program) bool { return p.Name == name }) {
		t.Fatalf("no bed makes %s", name)
	}
	path := filepath.Join(Stage(t, name), name)
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v; make it: make beds", err)
	}
	return path
}

// Stage is the folder of a stage. The test is skipped if beds are not to be used, and
// fails if it was not made.
func Stage(t testing.TB, name string) string {
	t.Helper()
	Needed(t)
	cache, err := Cache()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(cache, name)
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("%s is not there; make it: make beds", dir)
	} else if err != nil {
		t.Fatal(err)
	}
	return dir
}
