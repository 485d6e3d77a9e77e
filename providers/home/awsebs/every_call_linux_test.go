package awsebs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	lab "bkp/internal/lab/aws"
	"bkp/providers"
	"bkp/providers/home/internal/snapshottest"
)

// TestEveryCall disturbs a sample of the calls of a backup and its restore.
func TestEveryCall(t *testing.T) {
	const sample = 29
	disturbEveryCall(t, sample)
}

// TestLongBedEveryCall disturbs each of them; it is part of make torture.
func TestLongBedEveryCall(t *testing.T) {
	if os.Getenv("BKP_BEDS") != "1" {
		t.Skip("it takes minutes: make torture")
	}
	disturbEveryCall(t, 1)
}

// disturbances are what may become of a call. A nil Then of one that kills is filled in.
func disturbances() map[string]lab.Fault {
	return map[string]lab.Fault{
		"lost":      {Lost: true},
		"killed":    {Lost: true},
		"throttled": {Code: "RequestLimitExceeded"},
		"denied":    {Code: "UnauthorizedOperation"},
		"expired":   {Code: "ExpiredToken"},
	}
}

// disturbEveryCall disturbs every so many calls in each way, and then looks at what a
// new process leaves: no snapshot without an owner, none too many, no volume, and no
// file system frozen.
func disturbEveryCall(t *testing.T, every int) {
	r := newRig(t)
	r.bitbucket(t)
	before := len(r.Calls())
	snapshottest.OK(t, r.wholeWay(t, t.Context()))
	calls := r.Calls()[before:]
	r.recovered(t, nil)
	n := 0
	for name, fault := range disturbances() {
		for i, call := range calls {
			if n++; n%every != 0 {
				continue
			}
			t.Run(fmt.Sprint(name, " ", i, " ", call), func(t *testing.T) {
				ctx, kill := context.WithCancel(t.Context())
				defer kill()
				f := fault
				f.Action, f.Skip = "*", i
				if name == "killed" {
					f.Then = kill
				}
				r.Disturb(f)
				err := r.wholeWay(t, ctx)
				r.Calm()
				r.recovered(t, err)
			})
		}
	}
}

// wholeWay makes a backup, keeps it and restores it, each step in a process of its own.
func (r *rig) wholeWay(t *testing.T, ctx context.Context) error {
	frozen := func(c *Config) { c.Freeze = freezeFull }
	s := r.opened(t, true, frozen)
	report, err := s.Check(ctx)
	if err != nil {
		return err
	}
	if report.Failed() {
		return errors.New(report.Findings[0].Error())
	}
	s.Expect(report.Facts)
	if err := errors.Join(s.Prepare(ctx, id), ctx.Err()); err != nil {
		return err
	}
	if err := s.Warm(ctx); err != nil {
		return err
	}
	a, err := s.Capture(ctx, id)
	if err != nil {
		return err
	}
	if a, err = r.opened(t, true, frozen).Finish(ctx, a); err != nil {
		return err
	}
	m := providers.Manifest{Format: providers.ManifestFormat, ID: id, Instance: "test", Artifacts: []providers.Artifact{a}}
	if a, err = r.opened(t, true, frozen).Keep(ctx, m, a); err != nil {
		return err
	}
	from := r.opened(t, true, frozen)
	to, err := from.Restorer(filepath.Join(t.TempDir(), "restored"))
	if err != nil {
		return err
	}
	return errors.Join(to.Restore(ctx, a), from.Close())
}

// recovered is what a new process does after a run that ended with an error, or nil, and
// expects nothing to be left.
func (r *rig) recovered(t *testing.T, err error) {
	t.Helper()
	for _, root := range []string{r.home, r.store} {
		if isFrozen(root) {
			t.Errorf("%s is frozen", root)
		}
	}
	s := r.opened(t, true, nil)
	snapshottest.OK(t, s.Discard(t.Context(), id))
	list, findings, failed := s.List(t.Context())
	snapshottest.OK(t, failed)
	snapshots, volumes := r.Left()
	const each = 2 // one of each volume
	if len(snapshots) != each*len(list) || len(volumes) > 0 || len(findings) > 0 {
		t.Errorf("after %v: %d backups, %v, %v, %v", err, len(list), findings, snapshots, volumes)
	}
	if err == nil && len(list) != 1 {
		t.Error("the backup succeeded, and is not there")
	}
	snapshottest.OK(t, s.Delete(t.Context(), id))
	r.nothingLeft(t)
}
