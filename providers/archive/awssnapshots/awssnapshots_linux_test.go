package awssnapshots

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	lab "bkp/internal/lab/aws"
	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/database/awsrds"
	"bkp/providers/internal/aws"
	"bkp/providers/providertest"
)

const (
	address  = "database.aws_rds.x"
	far      = "eu-west-1"
	stranger = "444455556666"
	role     = "arn:aws:iam::" + stranger + ":role/dr"
)

// rig is a world with a database, and the folder of all state folders.
type rig struct {
	*lab.World
	dir string
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{lab.Start(t), t.TempDir()}
	r.Setenv(t)
	r.NewDatabase("bitbucket", 7)
	r.Write("bitbucket", "begin")
	return r
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err, problem.Remedy(err))
	}
}

// database is the strategy whose snapshots are copied.
func (r *rig) database(t *testing.T) providers.Strategy {
	t.Helper()
	d := awsrds.Definition()
	c := d.NewConfig().(*awsrds.Config)
	c.Instance, c.Method, c.Endpoint = "bitbucket", "snapshot", r.Endpoint
	s, err := providers.Databases.Open(d, c, providers.Env{Address: address, WorkDir: filepath.Join(r.dir, "database"), Instance: providers.Instance{Name: "test"}})
	ok(t, err)
	return s
}

// opened is the archive as a new process of a state folder has it.
func (r *rig) opened(t *testing.T, state string, change func(*Config)) providers.Archiver {
	t.Helper()
	d := Definition()
	c := d.NewConfig().(*Config)
	c.Region, c.Endpoint = far, r.Endpoint
	if change != nil {
		change(c)
	}
	k, _ := providers.As[providers.Keeper](r.database(t))
	a, err := providers.Archives.Open(d, c, providers.Env{
		Address: providertest.Address, WorkDir: filepath.Join(r.dir, state), Instance: providers.Instance{Name: "test"}, Keepers: map[string]providers.Keeper{address: k},
	})
	ok(t, err)
	return a
}

// inOtherAccount copies to another account, and not to another region.
func inOtherAccount(c *Config) {
	c.Region, c.AssumeRole = lab.Region, &aws.Role{ARN: role, ExternalID: "bkp"}
}

func (r *rig) capture(t *testing.T, b providers.BackupID) providers.Manifest {
	t.Helper()
	s := r.database(t)
	ok(t, s.Warm(t.Context()))
	a, err := s.Capture(t.Context(), b)
	ok(t, err)
	a, err = s.Finish(t.Context(), a)
	ok(t, err)
	return providers.Manifest{Format: providers.ManifestFormat, ID: b, Instance: "test", Artifacts: []providers.Artifact{a}}
}

func (r *rig) copies(account, region string) []string {
	_, snapshots := r.DatabasesIn(account, region)
	return snapshots
}

func TestArchiver(t *testing.T) {
	providertest.RunArchiver(t, func(t *testing.T) providertest.Shelf {
		r := newRig(t)
		return providertest.Shelf{
			New:     func(t *testing.T, state string) providers.Archiver { return r.opened(t, state, inOtherAccount) },
			Capture: r.capture,
		}
	})
}

// TestRestoreFromTheCopy restores although the original is gone, and leaves nothing
// besides.
func TestRestoreFromTheCopy(t *testing.T) {
	for name, change := range map[string]func(*Config){"region": nil, "account": inOtherAccount} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			m := r.capture(t, providertest.ID)
			r.Write("bitbucket", "later")
			_, err := r.opened(t, "one", change).Store(t.Context(), m, nil)
			ok(t, err)
			r.Vanish(r.copies(lab.Account, lab.Region)[0])
			list, findings, err := r.opened(t, "lost", change).List(t.Context())
			ok(t, err)
			if len(list) != 1 || len(findings) > 0 {
				t.Fatal(list, findings)
			}
			to, err := r.database(t).Restorer("new")
			ok(t, err)
			report, err := to.Check(t.Context(), list[0].Artifacts[0])
			ok(t, err)
			if report.Failed() {
				t.Fatal(report.Findings)
			}
			ok(t, to.Restore(t.Context(), list[0].Artifacts[0]))
			if text := r.Read("new"); text != "begin" {
				t.Errorf("restored: %q", text)
			}
			if left := append(r.copies(lab.Account, lab.Region), r.Shared()...); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
}

// TestSharedForTheCopyAlone: another account may use the original while it copies, and not
// before or after.
func TestSharedForTheCopyAlone(t *testing.T) {
	r := newRig(t)
	r.Role(role, "bkp")
	m := r.capture(t, providertest.ID)
	var during []string
	r.Disturb(lab.Fault{Action: "CopyDBSnapshot", Then: func() { during = r.Shared() }})
	_, err := r.opened(t, "one", inOtherAccount).Store(t.Context(), m, nil)
	ok(t, err)
	if len(during) != 1 || len(r.Shared()) > 0 {
		t.Errorf("shared during the copy %v, and then %v", during, r.Shared())
	}
	if own, theirs := r.copies(lab.Account, lab.Region), r.copies(stranger, lab.Region); len(own) != 1 || len(theirs) != 1 {
		t.Errorf("%v, and there %v", own, theirs)
	}
	r.Role(role, "another")
	report, err := r.opened(t, "one", inOtherAccount).Check(t.Context(), providers.Estimate{})
	ok(t, err)
	if !report.Failed() {
		t.Error("a role that is not ours was taken on")
	}
}

// TestReplyOfACopyLost makes one copy.
func TestReplyOfACopyLost(t *testing.T) {
	r := newRig(t)
	m := r.capture(t, providertest.ID)
	r.Disturb(lab.Fault{Action: "CopyDBSnapshot", Lost: true})
	_, err := r.opened(t, "one", nil).Store(t.Context(), m, nil)
	ok(t, err)
	if got := r.copies(lab.Account, far); len(got) != 1 || r.Count("CopyDBSnapshot") != 1 {
		t.Errorf("copies: %v by %d calls", got, r.Count("CopyDBSnapshot"))
	}
}

// TestEveryCall disturbs a sample of the calls of a copy.
func TestEveryCall(t *testing.T) {
	const sample = 19
	disturbEveryCall(t, sample)
}

// TestLongBedEveryCall disturbs each of them; it is part of make torture.
func TestLongBedEveryCall(t *testing.T) {
	if os.Getenv("BKP_BEDS") != "1" {
		t.Skip("it takes minutes: make torture")
	}
	disturbEveryCall(t, 1)
}

// disturbEveryCall disturbs every so many calls in each way, and expects Discard in a new
// process to leave no copy without an owner and nothing shared, and a new Store to make
// one copy.
func disturbEveryCall(t *testing.T, every int) {
	r := newRig(t)
	m := r.capture(t, providertest.ID)
	before := len(r.Calls())
	_, err := r.opened(t, "one", inOtherAccount).Store(t.Context(), m, nil)
	ok(t, err)
	calls := r.Calls()[before:]
	ok(t, r.opened(t, "one", inOtherAccount).Delete(t.Context(), m.ID))
	n := 0
	for _, name := range []string{"lost", "killed", "RequestLimitExceeded", "Throttling", "AccessDenied", "ExpiredToken"} {
		for i, call := range calls {
			if n++; n%every != 0 {
				continue
			}
			t.Run(fmt.Sprint(name, " ", i, " ", call), func(t *testing.T) { r.disturbed(t, m, name, i) })
		}
	}
}

// disturbed copies m while a call is disturbed.
func (r *rig) disturbed(t *testing.T, m providers.Manifest, how string, call int) {
	ctx, kill := context.WithCancel(t.Context())
	defer kill()
	f := lab.Fault{Action: "*", Skip: call, Code: how}
	atTheEnd := []string{"rds:ModifyDBSnapshotAttribute", "rds:RemoveTagsFromResource"}
	switch how {
	case "lost":
		f.Code, f.Lost = "", true
	case "killed":
		f.Code, f.Lost = "", true
		f.Then = func() {
			kill()
			for _, right := range atTheEnd { // what a killed process would do it does not do
				r.Deny(right)
			}
		}
	}
	r.Disturb(f)
	_, err := r.opened(t, "one", inOtherAccount).Store(ctx, m, nil)
	r.Calm()
	for _, right := range atTheEnd {
		r.Allow(right)
	}
	ok(t, r.opened(t, "one", inOtherAccount).Discard(t.Context(), m.ID))
	whole, _, failed := r.opened(t, "one", inOtherAccount).List(t.Context())
	ok(t, failed)
	if left := r.copies(stranger, lab.Region); len(left) != len(whole) || len(r.Shared()) > 0 || err == nil && len(whole) != 1 {
		t.Errorf("after %v: %v of %d backups, shared %v", err, left, len(whole), r.Shared())
	}
	_, err = r.opened(t, "one", inOtherAccount).Store(t.Context(), m, nil)
	ok(t, err)
	if got := r.copies(stranger, lab.Region); len(got) != 1 {
		t.Errorf("copies: %v", got)
	}
	ok(t, r.opened(t, "one", inOtherAccount).Delete(t.Context(), m.ID))
}

// TestCopyFails names the key as the likely cause, and makes another copy next time.
func TestCopyFails(t *testing.T) {
	r := newRig(t)
	m := r.capture(t, providertest.ID)
	_, err := r.opened(t, "one", func(c *Config) { c.Keys.Databases = lab.BadKey }).Store(t.Context(), m, nil)
	if err == nil || !strings.Contains(problem.Remedy(err), "key") {
		t.Fatalf("%v: %s", err, problem.Remedy(err))
	}
	_, err = r.opened(t, "one", nil).Store(t.Context(), m, nil)
	ok(t, err)
	if got := r.copies(lab.Account, far); len(got) != 1 {
		t.Errorf("copies: %v", got)
	}
}

// TestDeleteInterrupted leaves no backup, and what is left goes with the next Store.
func TestDeleteInterrupted(t *testing.T) {
	r := newRig(t)
	first, second := r.capture(t, providertest.ID), r.capture(t, providertest.Later)
	a := r.opened(t, "one", nil)
	_, err := a.Store(t.Context(), first, nil)
	ok(t, err)
	r.Disturb(lab.Fault{Action: "DeleteDBSnapshot", Code: "InternalFailure", Times: 100})
	if a.Delete(t.Context(), first.ID) == nil {
		t.Error("nobody noticed")
	}
	r.Calm()
	if list, _, err := a.List(t.Context()); err != nil || len(list) > 0 {
		t.Errorf("it is a backup still: %v, %v", list, err)
	}
	_, err = r.opened(t, "another", nil).Store(t.Context(), second, nil)
	ok(t, err)
	if got := r.copies(lab.Account, far); len(got) != 1 {
		t.Errorf("copies: %v", got)
	}
}

// TestMissingCopy is a finding, and no backup on the list.
func TestMissingCopy(t *testing.T) {
	r := newRig(t)
	m := r.capture(t, providertest.ID)
	a := r.opened(t, "one", nil)
	stored, err := a.Store(t.Context(), m, nil)
	ok(t, err)
	r.Deny("rds:DescribeDBSnapshots")
	if _, err := a.Verify(t.Context(), m.ID); err == nil || errors.Is(err, providers.ErrNotFound) {
		t.Errorf("what cannot be seen is not missing: %v", err)
	}
	r.Allow("rds:DescribeDBSnapshots")
	r.Vanish(stored.Parts[address].Objects[0].Name)
	if _, err := a.Verify(t.Context(), m.ID); !errors.Is(err, providers.ErrNotFound) {
		t.Errorf("%v", err)
	}
}

// TestRefused names what is wrong before a run.
func TestRefused(t *testing.T) {
	r := newRig(t)
	for name, c := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"same place": {func(c *Config) { c.Region = lab.Region }, "copies would be where the originals are"},
	} {
		report, err := r.opened(t, "one", c.change).Check(t.Context(), providers.Estimate{})
		ok(t, err)
		if !slices.ContainsFunc(report.Findings, func(f providers.Finding) bool { return f.Summary == c.want && f.Remedy != "" }) {
			t.Errorf("%s: %v", name, report.Findings)
		}
	}
}

// TestOriginalsGo: without an archive that keeps them in their place they are not held.
func TestOriginalsGo(t *testing.T) {
	r := newRig(t)
	m := r.capture(t, providertest.ID)
	stored, err := r.opened(t, "one", nil).Store(t.Context(), m, nil)
	ok(t, err)
	if m = m.With(stored); m.Held(address) {
		t.Error("the original is held")
	}
	stays := stored
	stays.Archive, stays.Elsewhere = "archive.snapshots.x", false
	if m = m.With(stays); !m.Held(address) {
		t.Error("the original is not held, and an archive keeps it")
	}
}
