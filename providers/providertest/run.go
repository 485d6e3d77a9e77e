package providertest

import (
	"context"
	"errors"
	"maps"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bkp/internal/problem"
	"bkp/providers"
)

// ID is the backup that Run makes.
const ID = providers.BackupID("test-20261122T214431Z")

// Soon is how long a verb may take to return once its context has ended.
const Soon = 10 * time.Second

// Harness joins a strategy to live state of its own, small enough to be
// captured a dozen times.
type Harness struct {
	// New opens the strategy as a new process would: same configuration, same
	// work folder, no memory.
	New func(t *testing.T) providers.Strategy
	// Mutate changes the live state, as users do.
	Mutate func(t *testing.T)
	// State describes the live state, by keys that a failed test can print.
	State func(t *testing.T) map[string]string
	// Kept describes all that the strategy keeps on this machine: its work
	// folder. Nil for nothing.
	Kept func(t *testing.T) map[string]string
	// Target makes a new, empty target for a restore.
	Target func(t *testing.T) Target
	// Stage does what an archive does between Finish and Restore. Nil hands on
	// the artifact as it is, as archive "none" does.
	Stage func(t *testing.T, r providers.Restorer, a providers.Artifact) providers.Artifact
	// Prepares is set for a strategy that does something in Prepare.
	Prepares bool
	// Leaves is set for one whose restore makes more than its target.
	Leaves bool
	// Nothing is set for a strategy that captures nothing.
	Nothing bool
}

// Target is where a restore goes.
type Target struct {
	// Restorer restores there.
	Restorer providers.Restorer
	// State describes what is there, in the keys of Harness.State.
	State func(t *testing.T) map[string]string
	// Occupy makes the target one that a restore must refuse.
	Occupy func(t *testing.T)
}

// Run holds a strategy to its contract. make returns a harness with state of
// its own for every test.
func Run(t *testing.T, make func(t *testing.T) Harness) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, Harness){
		"check changes nothing":               checkChangesNothing,
		"restores the point in time":          restoresThePointInTime,
		"one backup after another":            oneAfterAnother,
		"records what it captured":            recordsWhatItCaptured,
		"discard whatever was started":        discardWhatever,
		"a run after an aborted one":          runAfterAborted,
		"an ended context ends every verb":    endedContext,
		"restore refuses an occupied target":  refusesOccupied,
		"a cancelled restore leaves no trace": cancelledRestore,
		"a killed restore can be cleaned up":  namesLeavings,
	} {
		t.Run(name, func(t *testing.T) { test(t, make(t)) })
	}
}

func checkChangesNothing(t *testing.T, h Harness) {
	before, kept := h.State(t), h.kept(t)
	s := h.New(t)
	for range 2 {
		if _, err := s.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	release(t, s)
	if !maps.Equal(before, h.State(t)) {
		t.Error("the check changed the live state")
	}
	if !maps.Equal(kept, h.kept(t)) {
		t.Error("the check wrote to the work folder")
	}
}

func restoresThePointInTime(t *testing.T, h Harness) {
	s := h.New(t)
	prepare(t, s)
	h.Mutate(t)
	prepare(t, s) // it may be called twice for one backup
	h.Mutate(t)
	h.captureAndRestore(t, s)
}

func oneAfterAnother(t *testing.T, h Harness) {
	for range 3 {
		s := h.New(t)
		prepare(t, s)
		h.Mutate(t)
		h.captureAndRestore(t, s)
	}
}

// captureAndRestore expects the restored state to be that of the capture,
// although the live state has moved on.
func (h Harness) captureAndRestore(t *testing.T, s providers.Strategy) {
	t.Helper()
	want := h.State(t)
	before := time.Now()
	a, err := s.Capture(t.Context(), ID)
	if err != nil {
		t.Fatal(err)
	}
	if a.PointInTime.Before(before.Add(-time.Second)) || a.PointInTime.After(time.Now().Add(time.Second)) {
		t.Errorf("point in time %v is not within the capture, which began at %v", a.PointInTime, before)
	}
	if a.Address == "" || a.Strategy == "" {
		t.Errorf("the artifact does not say where it is from: %+v", a)
	}
	h.Mutate(t)
	a = finish(t, s, a)
	wellFormed(t, a)
	release(t, s)
	target := h.Target(t)
	report(t, target.Restorer, a, false)
	if err := target.Restorer.Restore(t.Context(), h.stage(t, target.Restorer, a)); err != nil {
		t.Fatal(err)
	}
	if !h.Nothing {
		SameTrees(t, want, target.State(t), nil)
	}
}

// wellFormed checks what is true of every finished artifact.
func wellFormed(t *testing.T, a providers.Artifact) {
	t.Helper()
	switch a.Life {
	case providers.Staged:
		if len(a.Trees) == 0 {
			t.Error("a staged artifact has no tree")
		}
	case providers.Native:
		if len(a.Ref) == 0 {
			t.Error("a native artifact does not say where it is")
		}
	case providers.Contained:
		if a.In == "" {
			t.Error("a contained artifact does not say what holds it")
		}
	case providers.External:
	case providers.Transient, providers.Pending:
		t.Errorf("a finished artifact is %s", a.Life)
	default:
		t.Errorf("the artifact has the life %q", a.Life)
	}
}

// report checks a restore, and expects an error or none.
func report(t *testing.T, to providers.Restorer, a providers.Artifact, refused bool) {
	t.Helper()
	r, err := to.Check(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	if r.Failed() != refused {
		t.Errorf("check of the restore: %v", r.Findings)
	}
	for _, f := range r.Findings {
		if f.Severity == problem.Error && f.Remedy == "" {
			t.Errorf("no remedy: %v", f)
		}
	}
}

func discardWhatever(t *testing.T, h Harness) {
	discard := func(when string, s providers.Strategy) {
		for range 2 {
			if err := s.Discard(t.Context(), ID); err != nil {
				t.Fatalf("%s: %v", when, err)
			}
		}
	}
	discard("before anything", h.New(t))
	s := h.New(t)
	prepare(t, s)
	discard("after prepare, in a new process", h.New(t))
	a, err := s.Capture(t.Context(), ID)
	if err != nil {
		t.Fatal(err)
	}
	finish(t, s, a)
	discard("after everything", s)
	discard("after everything, in a new process", h.New(t))
	release(t, s)
}

func runAfterAborted(t *testing.T, h Harness) {
	s := h.New(t)
	prepare(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _ = s.Capture(ctx, ID)
	release(t, s)
	if err := h.New(t).Discard(t.Context(), ID); err != nil {
		t.Fatal(err)
	}
	h.Mutate(t)
	s = h.New(t)
	prepare(t, s)
	h.captureAndRestore(t, s)
}

func endedContext(t *testing.T, h Harness) {
	if h.Nothing {
		t.Skip("captures nothing, so there is nothing to end")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := h.New(t)
	verbs := map[string]func() error{
		"capture": func() error { _, err := s.Capture(ctx, ID); return err },
	}
	if h.Prepares {
		verbs["prepare"] = func() error { return s.Prepare(ctx, ID) }
	}
	for name, verb := range verbs {
		if err := soon(t, name, verb); !errors.Is(err, context.Canceled) {
			t.Errorf("%s with an ended context: %v", name, err)
		}
	}
	release(t, s)
	if err := h.New(t).Discard(t.Context(), ID); err != nil {
		t.Error(err)
	}
}

func soon(t *testing.T, name string, verb func() error) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- verb() }()
	select {
	case err := <-done:
		return err
	case <-time.After(Soon):
		t.Fatalf("%s did not return within %v after its context had ended", name, Soon)
		return nil
	}
}

func refusesOccupied(t *testing.T, h Harness) {
	if h.Nothing {
		t.Skip("restores nothing, so there is nothing to refuse")
	}
	a := h.complete(t)
	target := h.Target(t)
	target.Occupy(t)
	before := target.State(t)
	report(t, target.Restorer, a, true)
	err := target.Restorer.Restore(t.Context(), h.stage(t, target.Restorer, a))
	if err == nil {
		t.Fatal("restored over a target that is not empty")
	}
	if problem.Remedy(err) == "" {
		t.Errorf("no remedy: %v", err)
	}
	SameTrees(t, before, target.State(t), nil)
}

func cancelledRestore(t *testing.T, h Harness) {
	if h.Nothing {
		t.Skip("restores nothing, so there is nothing to cancel")
	}
	a := h.complete(t)
	target := h.Target(t)
	before := target.State(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	staged := h.stage(t, target.Restorer, a)
	if err := soon(t, "restore", func() error { return target.Restorer.Restore(ctx, staged) }); !errors.Is(err, context.Canceled) {
		t.Errorf("restore with an ended context: %v", err)
	}
	SameTrees(t, before, target.State(t), nil)
	if err := target.Restorer.Restore(t.Context(), h.stage(t, target.Restorer, a)); err != nil {
		t.Errorf("and once more: %v", err)
	}
}

// namesLeavings: what a restore that is killed may leave is removed by these names.
func namesLeavings(t *testing.T, h Harness) {
	if h.Nothing {
		t.Skip("restores nothing, so there is nothing to leave")
	}
	paths := h.Target(t).Restorer.Leavings(h.complete(t))
	if h.Leaves == (len(paths) == 0) {
		t.Errorf("leavings are %q", paths)
	}
	for _, path := range paths {
		if !filepath.IsAbs(path) || !strings.HasPrefix(filepath.Base(path), providers.RestorePrefix) {
			t.Errorf("%q would not be removed", path)
		}
	}
}

// complete makes one backup.
func (h Harness) complete(t *testing.T) providers.Artifact {
	t.Helper()
	s := h.New(t)
	prepare(t, s)
	a, err := s.Capture(t.Context(), ID)
	if err != nil {
		t.Fatal(err)
	}
	a = finish(t, s, a)
	release(t, s)
	return a
}

func (h Harness) kept(t *testing.T) map[string]string {
	if h.Kept == nil {
		return nil
	}
	return h.Kept(t)
}

func (h Harness) stage(t *testing.T, r providers.Restorer, a providers.Artifact) providers.Artifact {
	if h.Stage == nil {
		return a
	}
	return h.Stage(t, r, a)
}

func prepare(t *testing.T, s providers.Strategy) {
	t.Helper()
	if err := s.Prepare(t.Context(), ID); err != nil {
		t.Fatal(err)
	}
}

func finish(t *testing.T, s providers.Strategy, a providers.Artifact) providers.Artifact {
	t.Helper()
	a, err := s.Finish(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func release(t *testing.T, s providers.Strategy) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
