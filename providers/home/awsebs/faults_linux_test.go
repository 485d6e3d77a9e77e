package awsebs

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bkp/internal/host"
	lab "bkp/internal/lab/aws"
	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/home/internal/snapshottest"
)

const id = providers.BackupID("test-20261122T214431Z")

// opened is the strategy of a rig as a new process has it; change, if not nil, alters its
// configuration. It is closed at the end of the test.
func (r *rig) opened(t *testing.T, stays bool, change func(*Config)) *strategy {
	t.Helper()
	c := r.config(r.home, []string{r.store})
	if change != nil {
		change(&c)
	}
	s := open(c, providers.Env{
		Address: "home.aws_ebs.x", WorkDir: filepath.Join(filepath.Dir(r.Sysfs), "work"), Host: &host.Host{}, Parallelism: 2,
		Instance: providers.Instance{Name: "test", Stays: stays},
	})
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func prepared(t *testing.T, s *strategy) *strategy {
	t.Helper()
	r, err := s.Check(t.Context())
	snapshottest.OK(t, err)
	if r.Failed() {
		t.Fatal(r.Findings)
	}
	s.Expect(r.Facts)
	snapshottest.OK(t, s.Prepare(t.Context(), id))
	snapshottest.OK(t, s.Warm(t.Context()))
	return s
}

// bitbucket makes folders that a home has.
func (r *rig) bitbucket(t *testing.T) {
	t.Helper()
	write(t, r.home, "shared/data/repositories/1/HEAD", "ref: refs/heads/main")
	write(t, r.store, "repositories/2/HEAD", "ref: refs/heads/main")
}

// TestReplyLost has the effect and no reply: the set is adopted, and there is one of it.
func TestReplyLost(t *testing.T) {
	r := newRig(t)
	r.bitbucket(t)
	s := prepared(t, r.opened(t, true, nil))
	r.Disturb(lab.Fault{Action: "CreateSnapshots", Lost: true})
	a, err := s.Capture(t.Context(), id)
	snapshottest.OK(t, err)
	if a.Life != providers.Pending {
		t.Errorf("the artifact is %s", a.Life)
	}
	if n := r.Count("CreateSnapshots"); n != 1 {
		t.Errorf("%d calls", n)
	}
	a, err = r.opened(t, true, nil).Finish(t.Context(), a) // another process
	snapshottest.OK(t, err)
	if snapshots, _ := r.Left(); a.Life != providers.Native || len(snapshots) != 2 {
		t.Errorf("%s, %v", a.Life, snapshots)
	}
	snapshottest.OK(t, s.Discard(t.Context(), id))
	r.nothingLeft(t)
}

// TestNotAdopted refuses a set that lacks a volume, though its reply was lost.
func TestNotAdopted(t *testing.T) {
	r := newRig(t)
	r.bitbucket(t)
	s := prepared(t, r.opened(t, true, nil))
	r.Disturb(lab.Fault{Action: "CreateSnapshots", Lost: true})
	r.Disturb(lab.Fault{Action: "DescribeSnapshots", Then: func() {
		snapshots, _ := r.Left()
		r.Vanish(strings.Fields(snapshots[0])[0])
	}})
	if _, err := s.Capture(t.Context(), id); err == nil || problem.Remedy(err) == "" {
		t.Fatalf("half a set was taken for one: %v", err)
	}
	snapshottest.OK(t, r.opened(t, true, nil).Discard(t.Context(), id))
	r.nothingLeft(t)
}

// TestThrottled sends again what Amazon answered with its limit, and only that.
func TestThrottled(t *testing.T) {
	r := newRig(t)
	r.bitbucket(t)
	for code, faults := range map[string]int{"RequestLimitExceeded": 2, "SnapshotCreationPerVolumeRateExceeded": 1, "InternalError": 1} {
		t.Run(code, func(t *testing.T) {
			s := prepared(t, r.opened(t, true, nil))
			before := r.Count("CreateSnapshots")
			r.Disturb(lab.Fault{Action: "CreateSnapshots", Code: code, Times: faults})
			_, err := s.Capture(t.Context(), id)
			calls := 1
			if code == "RequestLimitExceeded" {
				calls = faults + 1
			}
			if (calls > 1) != (err == nil) {
				t.Errorf("capture: %v", err)
			}
			if n := r.Count("CreateSnapshots") - before; n != calls {
				t.Errorf("%d calls, want %d", n, calls)
			}
			snapshottest.OK(t, s.Discard(t.Context(), id))
			r.nothingLeft(t)
		})
	}
}

// TestSnapshotFails reports a snapshot that ends as an error, and keeps the rest until it is
// discarded.
func TestSnapshotFails(t *testing.T) {
	r := newRig(t)
	r.bitbucket(t)
	r.FailSnapshots(r.storeName)
	s := prepared(t, r.opened(t, true, nil))
	a, err := s.Capture(t.Context(), id)
	snapshottest.OK(t, err)
	_, err = s.Finish(t.Context(), a)
	var p *problem.Problem
	if !errors.As(err, &p) || p.Summary != failed || !strings.Contains(p.Detail, r.storeName) {
		t.Fatalf("finish: %v", err)
	}
	snapshottest.OK(t, s.Discard(t.Context(), id))
	r.nothingLeft(t)
}

// TestDenied names the missing right before anything is done.
func TestDenied(t *testing.T) {
	r := newRig(t)
	r.bitbucket(t)
	for _, right := range []string{"ec2:CreateSnapshots", "ec2:DescribeInstances", "ec2:DescribeVolumes", "ec2:DescribeSnapshots"} {
		r.Deny(right)
		report, err := r.opened(t, true, nil).Check(t.Context())
		snapshottest.OK(t, err)
		if !report.Failed() || !strings.Contains(report.Findings[0].Error(), right) || report.Findings[0].Remedy == "" {
			t.Errorf("%s: %v", right, report.Findings)
		}
		r.Allow(right)
	}
	if n := r.Count("CreateSnapshots"); n > 0 {
		t.Errorf("%d snapshots were asked for", n)
	}
}

// TestTooManyPending refuses a volume with as many unfinished snapshots as Amazon
// allows.
func TestTooManyPending(t *testing.T) {
	r := newRig(t)
	r.bitbucket(t)
	r.Pend(r.homeVolume, 5)
	report, err := r.opened(t, true, nil).Check(t.Context())
	snapshottest.OK(t, err)
	if !report.Failed() || !strings.Contains(report.Findings[0].Error(), r.homeVolume) {
		t.Errorf("findings: %v", report.Findings)
	}
}

// TestExpired reports keys that expire between the plan and the lock.
func TestExpired(t *testing.T) {
	r := newRig(t)
	r.bitbucket(t)
	s := r.opened(t, true, nil)
	report, err := s.Check(t.Context())
	snapshottest.OK(t, err)
	s.Expect(report.Facts)
	snapshottest.OK(t, s.Prepare(t.Context(), id))
	r.Expire()
	if err := s.Warm(t.Context()); err == nil || !strings.Contains(err.Error(), "expired") {
		t.Errorf("warm: %v", err)
	}
}

// TestOtherVolumes leaves out what is attached besides, such as a volume that is made to
// be read.
func TestOtherVolumes(t *testing.T) {
	r := newRig(t)
	r.bitbucket(t)
	_, other := r.volume(t, "ext4", ext4Size)
	s := prepared(t, r.opened(t, true, nil))
	if !slices.Contains(s.storage.request.Exclude, other) {
		t.Errorf("excluded: %v", s.storage.request.Exclude)
	}
	_, err := s.Capture(t.Context(), id)
	snapshottest.OK(t, err)
	snapshots, _ := r.Left()
	if len(snapshots) != 2 || strings.Contains(strings.Join(snapshots, " "), other) {
		t.Errorf("snapshots: %v", snapshots)
	}
}

// TestVolumeAttachedMeanwhile refuses a set with a volume that nobody knows.
func TestVolumeAttachedMeanwhile(t *testing.T) {
	r := newRig(t)
	r.bitbucket(t)
	s := prepared(t, r.opened(t, true, nil))
	r.volume(t, "ext4", ext4Size)
	if _, err := s.Capture(t.Context(), id); err == nil || problem.Remedy(err) == "" {
		t.Errorf("capture: %v", err)
	}
	snapshottest.OK(t, s.Discard(t.Context(), id))
	r.nothingLeft(t)
}

// TestLeftVolumes removes the volume that a killed process made to read a snapshot, at
// whatever step it died.
func TestLeftVolumes(t *testing.T) {
	// Of the looks at volumes, the first looks for one that is there.
	skips := map[string]int{"CreateVolume": 0, "AttachVolume": 0, "DescribeVolumes": 1}
	for step := range skips {
		t.Run(step, func(t *testing.T) {
			r := newRig(t)
			r.bitbucket(t)
			s := prepared(t, r.opened(t, false, nil))
			_, err := s.Capture(t.Context(), id)
			snapshottest.OK(t, err)
			ctx, kill := context.WithCancelCause(t.Context())
			sets, _, err := s.storage.Sets(t.Context())
			snapshottest.OK(t, err)
			machine, err := s.storage.instance(t.Context())
			snapshottest.OK(t, err)
			snapshottest.OK(t, s.storage.Complete(t.Context(), sets[0]))
			snapshottest.OK(t, os.MkdirAll(s.Env.WorkDir, 0o700))
			r.Disturb(lab.Fault{Action: step, Skip: skips[step], Lost: true, Times: 100, Then: func() { kill(errors.New("killed")) }})
			if _, err := s.storage.view(ctx, sets[0].Snapshots[0], machine); err == nil {
				t.Fatal("it went on")
			}
			r.Calm()
			snapshottest.OK(t, r.opened(t, false, nil).Discard(t.Context(), id))
			r.nothingLeft(t)
		})
	}
}

// TestFrozenRefused freezes nothing that bkp needs, such as its state folder.
func TestFrozenRefused(t *testing.T) {
	r := newRig(t)
	r.bitbucket(t)
	inside := filepath.Join(r.store, "stores", "1")
	snapshottest.OK(t, os.MkdirAll(filepath.Join(inside, "repositories"), 0o755))
	for stores, refused := range map[string]bool{"": false, inside: true} {
		c := r.config(r.home, strings.Fields(stores))
		c.Freeze = freezeFull
		report, err := open(c, providers.Env{
			Address: "home.aws_ebs.x", WorkDir: filepath.Join(r.store, "work"), Host: &host.Host{}, Parallelism: 2, Instance: providers.Instance{Name: "test", Stays: true},
		}).Check(t.Context())
		snapshottest.OK(t, err)
		if report.Failed() != refused || refused && !strings.Contains(report.Findings[0].Error(), "thaw") {
			t.Errorf("data stores %q: %v", stores, report.Findings)
		}
	}
}

// TestThawed freezes for the moment of the call, and thaws whatever comes of it.
func TestThawed(t *testing.T) {
	for name, f := range map[string]lab.Fault{"well": {}, "refused": {Code: "UnauthorizedOperation"}, "lost": {Lost: true}} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.bitbucket(t)
			s := prepared(t, r.opened(t, true, func(c *Config) { c.Freeze = freezeFull }))
			held := false
			f.Action, f.Then = "CreateSnapshots", func() { held = isFrozen(r.home) && isFrozen(r.store) }
			r.Disturb(f)
			_, err := s.Capture(t.Context(), id)
			if (err != nil) != (f.Code != "") {
				t.Errorf("capture: %v", err)
			}
			if !held {
				t.Error("the file systems were not frozen during the call")
			}
			if isFrozen(r.home) || isFrozen(r.store) {
				t.Error("a file system is frozen still")
			}
			if undo := s.Undo(id); len(undo) != 2 || !slices.Contains(undo[0].Args, r.home) {
				t.Errorf("undo: %v", undo)
			}
		})
	}
}

// TestThawerThaws thaws when bkp is killed while file systems are frozen: its end of the
// pipe closes.
func TestThawerThaws(t *testing.T) {
	r := newRig(t)
	helper, in, err := startThawer([]string{r.home, r.store}, deadline)
	snapshottest.OK(t, err)
	frozen, err := freezeAll([]string{r.home, r.store})
	snapshottest.OK(t, err)
	if !isFrozen(r.home) || !isFrozen(r.store) {
		t.Fatal("they are not frozen")
	}
	snapshottest.OK(t, in.Close())
	snapshottest.OK(t, helper.Wait())
	if isFrozen(r.home) || isFrozen(r.store) {
		t.Error("the helper did not thaw")
	}
	if err := thawAll(frozen); err == nil {
		t.Error("nobody noticed that the file systems were thawed too early")
	}
}

// isFrozen reports whether a file system is frozen: freezing it again is refused.
func isFrozen(root string) bool {
	f, err := os.Open(root)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	if request(f, freezeRequest) != nil {
		return true
	}
	_ = request(f, thawRequest)
	return false
}
