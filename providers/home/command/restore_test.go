//go:build unix

package command

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bkp/internal/host"
	"bkp/providers"
	"bkp/providers/command"
	"bkp/providers/home"
	"bkp/providers/providertest"
)

// native is an artifact that only the storage has.
var native = providers.Artifact{Address: "home.command.x", Life: providers.Native, Ref: map[string]string{"backup": string(providertest.ID), "snapshot": "7"}}

// restoring opens the way back to a folder, with a shell script as the command.
func restoring(t *testing.T, to, text string) providers.Restorer {
	t.Helper()
	c := Config{home.Defaults(), command.Defaults()}
	c.Path = "/nowhere"
	c.Restore = &command.Long{Call: command.Call{Command: []string{"sh", "-euc", text}, Timeout: time.Minute}}
	s, err := open(c, providers.Env{Address: native.Address, WorkDir: filepath.Join(t.TempDir(), "work"), Host: &host.Host{}, Parallelism: 1})
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Restorer(to)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

const half = `mkdir -p "$BKP_INTO/shared/config" && touch "$BKP_INTO/.lock" "$BKP_INTO/shared/bitbucket.properties"`

func TestCommandThatFailsHalfWayLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := restoring(t, filepath.Join(dir, "new", "home"), half+"; echo 'no more room' >&2; exit 1")
	err := r.Restore(t.Context(), native)
	if err == nil || !strings.Contains(err.Error(), "no more room") {
		t.Errorf("got %v", err)
	}
	if left := providertest.Tree(t, dir); len(left) > 1 { // the folder itself
		t.Errorf("left: %v", left)
	}
}

func TestCommandThatSucceedsIsPutIntoPlace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	to := filepath.Join(dir, "new", "home")
	r := restoring(t, to, half+`; test "$BKP_REF_snapshot" = 7`)
	if err := r.Restore(t.Context(), native); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(to, "shared", "bitbucket.properties")); err != nil {
		t.Error(err)
	}
	for _, gone := range []string{filepath.Join(to, ".lock"), r.Stage(providertest.ID)} {
		if _, err := os.Lstat(gone); err == nil {
			t.Errorf("%s is there", gone)
		}
	}
}

// TestWhatAKilledCommandLeavesIsNamed, so that the next process removes it.
func TestWhatAKilledCommandLeavesIsNamed(t *testing.T) {
	t.Parallel()
	r := restoring(t, filepath.Join(t.TempDir(), "home"), "true")
	if all := r.Leavings(native); !slices.Contains(all, r.Stage(providertest.ID)) {
		t.Errorf("named are %q", all)
	}
}
