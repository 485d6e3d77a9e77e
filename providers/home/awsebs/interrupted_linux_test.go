package awsebs

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	lab "bkp/internal/lab/aws"
	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/home/internal/snapshot"
	"bkp/providers/home/internal/snapshottest"
	"bkp/providers/internal/aws"
)

// keep makes a backup and keeps it.
func (r *rig) keep(t *testing.T, ctx context.Context, b providers.BackupID, change func(*Config)) error {
	t.Helper()
	s := r.opened(t, true, change)
	snapshottest.OK(t, s.Prepare(t.Context(), b))
	snapshottest.OK(t, s.Warm(t.Context()))
	a, err := s.Capture(t.Context(), b)
	snapshottest.OK(t, err)
	a, err = s.Finish(t.Context(), a)
	snapshottest.OK(t, err)
	_, err = s.Keep(ctx, providers.Manifest{Format: providers.ManifestFormat, ID: b, Instance: "test", Artifacts: []providers.Artifact{a}}, a)
	return err
}

// TestShownLate waits for what Amazon does not show at once: the set, whether or not the reply of
// its call arrived, and the volume that is made to read it.
func TestShownLate(t *testing.T) {
	for name, lost := range map[string]bool{"answered": false, "lost": true} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.bitbucket(t)
			s := prepared(t, r.opened(t, false, nil))
			r.Lag(3)
			if lost {
				r.Disturb(lab.Fault{Action: "CreateSnapshots", Lost: true})
			}
			a, err := s.Capture(t.Context(), id)
			snapshottest.OK(t, err)
			a, err = s.Finish(t.Context(), a)
			snapshottest.OK(t, err)
			if len(a.Trees) == 0 {
				t.Error("nothing can be read")
			}
			snapshottest.OK(t, s.Close())
			snapshottest.OK(t, r.opened(t, false, nil).Discard(t.Context(), id))
			r.nothingLeft(t)
		})
	}
}

// TestInUse: snapshots that are to be deleted, and that an image uses, stop no later run, and are
// a warning of the plan.
func TestInUse(t *testing.T) {
	const later = providers.BackupID("test-20261123T214431Z")
	r := newRig(t)
	r.bitbucket(t)
	snapshottest.OK(t, r.keep(t, t.Context(), id, nil))
	r.Use(true)
	if r.opened(t, true, nil).Delete(t.Context(), id) == nil {
		t.Fatal("they were deleted")
	}
	report, err := r.opened(t, true, nil).Check(t.Context())
	snapshottest.OK(t, err)
	if report.Failed() || len(report.Findings) != 1 || !strings.Contains(report.Findings[0].Summary, "to be deleted") {
		t.Errorf("findings: %v", report.Findings)
	}
	snapshottest.OK(t, r.keep(t, t.Context(), later, nil))
	if r.opened(t, true, nil).Discard(t.Context(), id) == nil {
		t.Error("it was discarded, and is there")
	}
	r.Use(false)
	snapshottest.OK(t, r.opened(t, true, nil).Prepare(t.Context(), "test-20261124T214431Z"))
	list, findings, err := r.opened(t, true, nil).List(t.Context())
	snapshottest.OK(t, err)
	if snapshots, _ := r.Left(); len(snapshots) != 2 || len(list) != 1 || list[0].ID != later || len(findings) > 0 {
		t.Errorf("left: %v, %v, %v", snapshots, list, findings)
	}
}

// TestKilledBeforeTheLock locks what a killed run kept, and had not locked yet.
func TestKilledBeforeTheLock(t *testing.T) {
	r := newRig(t)
	r.bitbucket(t)
	locked := func(c *Config) { c.Lock = &aws.Lock{Days: 14} }
	ctx, kill := context.WithCancelCause(t.Context())
	r.Disturb(lab.Fault{Action: "DescribeLockedSnapshots", Lost: true, Then: func() { kill(errors.New("killed")) }})
	if r.keep(t, ctx, id, locked) == nil {
		t.Fatal("it was not killed")
	}
	r.Calm()
	if open := r.Unlocked(lab.Account, lab.Region); len(open) != 2 {
		t.Fatalf("the killed one left %v without a lock", open)
	}
	snapshottest.OK(t, r.opened(t, true, locked).Sweep(t.Context())) // as bkp recover does
	if open := r.Unlocked(lab.Account, lab.Region); len(open) > 0 {
		t.Errorf("without a lock: %v", open)
	}
}

// TestPendingStays: the next run leaves what an earlier one captured, and resuming finishes it.
func TestPendingStays(t *testing.T) {
	r := newRig(t)
	r.bitbucket(t)
	s := prepared(t, r.opened(t, true, nil))
	a, err := s.Capture(t.Context(), id)
	snapshottest.OK(t, err)
	snapshottest.OK(t, r.keep(t, t.Context(), "test-20261123T214431Z", nil))
	_, err = r.opened(t, true, nil).Finish(t.Context(), a)
	snapshottest.OK(t, err)
}

// TestSeenTooLate: a set that nobody saw when it was discarded goes with the next run, which comes
// more than a day later.
func TestSeenTooLate(t *testing.T) {
	const never, later = 100, providers.BackupID("test-20261123T214431Z")
	lost := lab.Fault{Action: "CreateSnapshots", Lost: true}
	for name, fault := range map[string]*lab.Fault{"reply lost": &lost, "another part failed": nil} {
		t.Run(name, func(t *testing.T) {
			yesterday := providers.NewBackupID("test", time.Now().Add(-25*time.Hour))
			r := newRig(t)
			r.bitbucket(t)
			s := prepared(t, r.opened(t, true, nil))
			r.Lag(never)
			if fault != nil {
				r.Disturb(*fault)
			}
			if _, err := s.Capture(t.Context(), yesterday); (err != nil) != (fault != nil) {
				t.Fatal(err)
			}
			snapshottest.OK(t, r.opened(t, true, nil).Discard(t.Context(), yesterday))
			r.Lag(0)
			r.Show()
			if snapshots, _ := r.Left(); len(snapshots) != 2 {
				t.Fatalf("left: %v", snapshots)
			}
			snapshottest.OK(t, r.keep(t, t.Context(), later, nil))
			if snapshots, _ := r.Left(); len(snapshots) != 2 || !strings.Contains(strings.Join(snapshots, " "), string(later)) {
				t.Errorf("left: %v", snapshots)
			}
		})
	}
}

// TestCapturedAfterDiscard: what is captured for a backup that was discarded before stays.
func TestCapturedAfterDiscard(t *testing.T) {
	r := newRig(t)
	r.bitbucket(t)
	now := providers.NewBackupID("test", time.Now())
	snapshottest.OK(t, r.opened(t, true, nil).Discard(t.Context(), now))
	s := r.opened(t, true, nil)
	snapshottest.OK(t, s.Prepare(t.Context(), now))
	a, err := s.Capture(t.Context(), now)
	snapshottest.OK(t, err)
	snapshottest.OK(t, r.opened(t, true, nil).Prepare(t.Context(), "test-20261123T214431Z"))
	_, err = r.opened(t, true, nil).Finish(t.Context(), a)
	snapshottest.OK(t, err)
}

// TestShownInPart adopts all of a set whose snapshots Amazon shows one after the other.
func TestShownInPart(t *testing.T) {
	r := newRig(t)
	r.bitbucket(t)
	s := prepared(t, r.opened(t, true, nil))
	r.LagBehind(3)
	r.Disturb(lab.Fault{Action: "CreateSnapshots", Lost: true})
	_, err := s.Capture(t.Context(), id)
	snapshottest.OK(t, err)
}

// TestDoomedOfAnother: the plan warns of what this home's state folder began to delete, and
// of nobody else's; none of it hides from the list what is gone.
func TestDoomedOfAnother(t *testing.T) {
	r := newRig(t)
	r.bitbucket(t)
	snapshottest.OK(t, r.keep(t, t.Context(), id, nil))
	r.Use(true)
	if r.opened(t, true, nil).Delete(t.Context(), id) == nil {
		t.Fatal("they were deleted")
	}
	own := r.opened(t, true, nil)
	_, findings, err := own.List(t.Context())
	snapshottest.OK(t, err)
	if len(findings) > 0 {
		t.Errorf("the list has %v", findings)
	}
	for name, change := range map[string]func(*providers.Env){
		"address":  func(e *providers.Env) { e.Address = "home.aws_ebs.y" },
		"instance": func(e *providers.Env) { e.Instance.Name = "other" },
		"owner":    func(e *providers.Env) { e.WorkDir = t.TempDir() },
	} {
		env := own.Env
		change(&env)
		s := open(r.config(r.home, []string{r.store}), env)
		report, err := s.Check(t.Context())
		snapshottest.OK(t, err)
		for _, f := range report.Findings {
			if strings.Contains(f.Summary, "to be deleted") {
				t.Errorf("%s: %s", name, f.Detail)
			}
		}
		snapshottest.OK(t, s.Close())
	}
}

// TestThawedAtTheDeadline: the separate process thaws although bkp neither ends nor says anything.
func TestThawedAtTheDeadline(t *testing.T) {
	r := newRig(t)
	helper, in, err := startThawer([]string{r.home, r.store}, 1)
	snapshottest.OK(t, err)
	frozen, err := freezeAll([]string{r.home, r.store})
	snapshottest.OK(t, err)
	ended := make(chan struct{})
	go func() { _ = helper.Wait(); close(ended) }()
	const patience = deadline * time.Second
	select {
	case <-ended:
	case <-time.After(patience):
		t.Error("it waits for bkp")
	}
	if isFrozen(r.home) || isFrozen(r.store) {
		t.Error("a file system is frozen still")
	}
	_ = in.Close() // of a process that has ended
	if thawAll(frozen) == nil {
		t.Error("nobody noticed that the file systems were thawed too early")
	}
}

// TestNeededFrozen: what nobody could do without is not frozen, each by itself.
func TestNeededFrozen(t *testing.T) {
	s := newStorage(Config{Freeze: freezeFull}, providers.Env{WorkDir: "/state"})
	if got := strings.Join(s.needed("/bin/bkp"), " "); got != "/ /bin/bkp /state" {
		t.Errorf("needed: %s", got)
	}
	if err := s.checkFreeze([]snapshot.Volume{{Name: "vol-1", Root: "/"}}); err == nil || problem.Remedy(err) == "" {
		t.Errorf("the root file system would be frozen: %v", err)
	}
}

// TestOlderNotAdopted refuses a set with the tags of the run that was begun before the lock.
func TestOlderNotAdopted(t *testing.T) {
	r := newRig(t)
	r.bitbucket(t)
	s := prepared(t, r.opened(t, true, nil))
	r.Disturb(lab.Fault{Action: "CreateSnapshots", Lost: true})
	r.Disturb(lab.Fault{Action: "DescribeSnapshots", Then: func() { r.Backdate(time.Minute) }})
	if _, err := s.Capture(t.Context(), id); err == nil || !strings.Contains(err.Error(), "before the lock") {
		t.Errorf("it was adopted: %v", err)
	}
	snapshottest.OK(t, r.opened(t, true, nil).Discard(t.Context(), id))
	r.nothingLeft(t)
}
