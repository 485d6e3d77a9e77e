package snapshottest

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/moby/sys/mountinfo"

	"bkp/internal/lab/vm"
	"bkp/providers"
	"bkp/providers/home/internal/snapshot"
	"bkp/providers/providertest"
)

// child is a run in a process of its own.
type child struct {
	Home, WorkDir string
	Stores        []string
	ID            providers.BackupID
	Keep          bool
}

// childVariable makes the program of a test the run that it describes.
const childVariable = "BKP_TEST_CHILD"

// Main is what TestMain of a storage's tests calls: it runs the tests, or is a run
// that one of them started.
func (s Suite) Main(m *testing.M) {
	text := os.Getenv(childVariable)
	if text == "" {
		os.Exit(m.Run())
	}
	if err := s.beChild(text); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func (s Suite) beChild(text string) error {
	var c child
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		return err
	}
	h, err := s.home(c)
	if err != nil {
		return err
	}
	return providertest.Steps(context.Background(), h, c.ID, c.Keep)
}

// Killed is a home on the storage whose runs are killed.
type Killed struct {
	suite Suite
	child child
}

// NewKilled makes a home in a folder on the storage. Its work folder is workDir, "" for
// one of the test's own.
func (s Suite) NewKilled(t *testing.T, dir, workDir string) Killed {
	t.Helper()
	OK(t, os.MkdirAll(filepath.Join(dir, "shared", "data", "repositories", "1"), 0o750))
	OK(t, os.WriteFile(filepath.Join(dir, "shared", "data", "repositories", "1", "HEAD"), []byte("ref"), 0o600))
	if workDir == "" {
		workDir = filepath.Join(t.TempDir(), "work")
	}
	return s.Again(dir, workDir)
}

// Again is the home that NewKilled made before the machine booted again.
func (s Suite) Again(dir, workDir string) Killed {
	return Killed{s, child{Home: dir, WorkDir: workDir, ID: ID}}
}

// Open is the home as another process has it.
func (k Killed) Open(t *testing.T) *snapshot.Home {
	t.Helper()
	h, err := k.suite.home(k.child)
	OK(t, err)
	return h
}

func (c child) command(t *testing.T) *exec.Cmd {
	t.Helper()
	text, err := json.Marshal(c)
	OK(t, err)
	cmd := exec.Command(os.Args[0]) //nolint:noctx // it is killed, or ends
	cmd.Env = append(os.Environ(), childVariable+"="+string(text))
	return cmd
}

// NothingLeft expects no snapshot and no mount of anybody.
func (k Killed) NothingLeft(t *testing.T, when string) {
	t.Helper()
	if sets, _, err := k.suite.Storage().Sets(t.Context()); err != nil || len(sets) > 0 {
		t.Fatalf("%s: left %+v, %v", when, sets, err)
	}
	mounts, err := mountinfo.GetMounts(mountinfo.PrefixFilter(k.child.WorkDir))
	if err != nil || len(mounts) > 0 {
		t.Fatalf("%s: %d mounts are left, %v", when, len(mounts), err)
	}
}

// AtEachStep kills a run before and after each call that changes something. A discard
// in another process leaves nothing of it, but what was kept; and so does the next
// run without one.
func (k Killed) AtEachStep(t *testing.T, by vm.Killer) {
	steps := 0
	for _, k.child.Keep = range []bool{false, true} {
		for step := 0; ; step++ {
			killed := by.Run(t, step, k.child.command(t))
			when := fmt.Sprintf("keep %v, step %d, %s", k.child.Keep, step, by.Last(t))
			k.cleanUp(t, by, step)
			list, _, err := k.Open(t).List(t.Context())
			OK(t, err)
			if len(list) == 1 {
				if _, err := k.Open(t).Verify(t.Context(), ID); err != nil || !k.child.Keep {
					t.Fatalf("%s: kept %v, %v", when, list, err)
				}
				OK(t, k.Open(t).Delete(t.Context(), ID))
			}
			if !killed && k.child.Keep && len(list) == 0 {
				t.Fatalf("%s: what was kept is gone", when)
			}
			k.NothingLeft(t, when)
			if !killed {
				break
			}
			steps++
		}
	}
	if t.Logf("killed at %d steps", steps); steps == 0 {
		t.Error("no run was killed")
	}
}

// cleanUp discards what a killed run left, or has the next run do it.
func (k Killed) cleanUp(t *testing.T, by vm.Killer, step int) {
	t.Helper()
	if step%4 < 2 {
		OK(t, k.Open(t).Discard(t.Context(), ID))
		return
	}
	next := k.child
	next.ID, next.Keep = "test-20261123T214431Z", false
	if by.Run(t, -1, next.command(t)) {
		t.Fatal("nobody was to kill the next run")
	}
}

// PowerCut cuts the power of the guest while a backup is kept and another is mounted.
func (k Killed) PowerCut(t *testing.T) {
	t.Helper()
	OK(t, providertest.Steps(t.Context(), k.Open(t), "test-20261121T214431Z", true))
	h := k.Open(t)
	OK(t, h.Prepare(t.Context(), ID))
	a, err := h.Capture(t.Context(), ID)
	OK(t, err)
	_, err = h.Finish(t.Context(), a)
	OK(t, err)
	vm.PowerCut(t)
}

// AfterPowerCut expects the run to be discarded, and what was kept to be restored.
func (k Killed) AfterPowerCut(t *testing.T) {
	t.Helper()
	OK(t, k.Open(t).Discard(t.Context(), ID))
	list, findings, err := k.Open(t).List(t.Context())
	if err != nil || len(list) != 1 || len(findings) > 0 {
		t.Fatalf("kept: %v, %v, %v", list, findings, err)
	}
	to := filepath.Join(t.TempDir(), "new")
	r, err := k.Open(t).Restorer(to)
	OK(t, err)
	OK(t, r.Restore(t.Context(), list[0].Artifacts[0]))
	if text, err := os.ReadFile(filepath.Join(to, "shared/data/repositories/1/HEAD")); err != nil || string(text) != "ref" {
		t.Errorf("restored %q, %v", text, err)
	}
	OK(t, k.Open(t).Delete(t.Context(), list[0].ID))
	k.NothingLeft(t, "after the power cut")
}
