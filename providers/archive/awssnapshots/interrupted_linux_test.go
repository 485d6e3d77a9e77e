package awssnapshots

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"bkp/internal/host"
	lab "bkp/internal/lab/aws"
	"bkp/providers"
	"bkp/providers/home"
	"bkp/providers/home/awsebs"
	"bkp/providers/internal/aws"
	"bkp/providers/providertest"
)

// minute is longer than anything takes in the world.
const minute = time.Minute

// killed is a Disturb that ends a context, as if the process had died: from then on it unshares
// and deletes nothing. alive gives that back.
func (r *rig) killed(t *testing.T, action string) (ctx context.Context, alive func()) {
	t.Helper()
	ctx, kill := context.WithCancelCause(t.Context())
	rights := []string{"rds:ModifyDBSnapshotAttribute", "rds:RemoveTagsFromResource", "rds:DeleteDBSnapshot", "ec2:ModifySnapshotAttribute", "ec2:DeleteTags", "ec2:DeleteSnapshot"}
	r.Disturb(lab.Fault{Action: action, Lost: true, Then: func() {
		kill(errors.New("killed"))
		for _, right := range rights {
			r.Deny(right)
		}
	}})
	return ctx, func() {
		r.Calm()
		for _, right := range rights {
			r.Allow(right)
		}
	}
}

// TestShownLate waits for a copy that Amazon does not show at once, whether or not the reply of
// its call arrived.
func TestShownLate(t *testing.T) {
	for name, fault := range map[string]*lab.Fault{"answered": nil, "lost": {Action: "CopyDBSnapshot", Lost: true}} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			m := r.capture(t, providertest.ID)
			r.Lag(4)
			if fault != nil {
				r.Disturb(*fault)
			}
			_, err := r.opened(t, "one", nil).Store(t.Context(), m, nil)
			ok(t, err)
			if got := r.copies(lab.Account, far); len(got) != 1 {
				t.Errorf("copies: %v", got)
			}
		})
	}
}

// TestTwoShare: what another archive shares and ends does not hide what a killed one shared.
func TestTwoShare(t *testing.T) {
	r := newRig(t)
	m := r.capture(t, providertest.ID)
	ctx, alive := r.killed(t, "CopyDBSnapshot")
	if _, err := r.opened(t, "one", inOtherAccount).Store(ctx, m, nil); err == nil {
		t.Fatal("it was not killed")
	}
	alive()
	if len(r.Shared()) != 1 {
		t.Fatalf("the killed one shares %v", r.Shared())
	}
	third := func(c *Config) {
		c.Region, c.AssumeRole = lab.Region, &aws.Role{ARN: "arn:aws:iam::777788889999:role/dr"}
	}
	_, err := r.opened(t, "two", third).Store(t.Context(), m, nil)
	ok(t, err)
	ok(t, r.opened(t, "two", third).Discard(t.Context(), m.ID))
	ok(t, r.opened(t, "one", inOtherAccount).Discard(t.Context(), m.ID))
	if left := r.Shared(); len(left) > 0 {
		t.Errorf("shared: %v", left)
	}
}

// TestSharedForBoth: of two archives in one account, the one that is done first leaves the
// original shared for the other.
func TestSharedForBoth(t *testing.T) {
	r := newRig(t)
	m := r.capture(t, providertest.ID)
	elsewhere := func(c *Config) { inOtherAccount(c); c.Region = far }
	first := true
	r.Disturb(lab.Fault{Action: "CopyDBSnapshot", Then: func() {
		if first {
			first = false
			_, err := r.opened(t, "two", elsewhere).Store(t.Context(), m, nil)
			ok(t, err)
		}
	}})
	_, err := r.opened(t, "one", inOtherAccount).Store(t.Context(), m, nil)
	ok(t, err)
	if left := r.Shared(); len(left) > 0 {
		t.Errorf("shared: %v", left)
	}
}

// restoreKilled kills a restore of the copies in another account at a call.
func (r *rig) restoreKilled(t *testing.T, at string, m providers.Manifest) {
	t.Helper()
	ctx, alive := r.killed(t, at)
	if r.restore(t, ctx, m, "new") == nil {
		t.Fatal("it was not killed")
	}
	alive()
}

func (r *rig) restore(t *testing.T, ctx context.Context, m providers.Manifest, name string) error {
	t.Helper()
	to, err := r.database(t).Restorer(name)
	ok(t, err)
	return to.Restore(ctx, m.Artifacts[0])
}

// copied is a backup whose copies alone are there, in another account.
func (r *rig) copied(t *testing.T, b providers.BackupID) providers.Manifest {
	t.Helper()
	m := r.capture(t, b)
	_, err := r.opened(t, "one", inOtherAccount).Store(t.Context(), m, nil)
	ok(t, err)
	r.Vanish(r.copies(lab.Account, lab.Region)[0])
	list, _, err := r.opened(t, "one", inOtherAccount).List(t.Context())
	ok(t, err)
	i := slices.IndexFunc(list, func(m providers.Manifest) bool { return m.ID == b })
	return list[i]
}

// TestRestoreKilled: what a killed restore shared and copied back goes with the next Sweep, and with
// a second restore, of the same backup or of another one.
func TestRestoreKilled(t *testing.T) {
	ends := map[string]func(t *testing.T, r *rig, m, other providers.Manifest){
		"swept": func(t *testing.T, r *rig, _, _ providers.Manifest) {
			ok(t, r.database(t).Sweep(t.Context())) // of one that is still being made it only warns
			r.Advance(minute)
			ok(t, r.database(t).Sweep(t.Context()))
		},
		"restored again": func(t *testing.T, r *rig, m, _ providers.Manifest) {
			r.Advance(minute) // the copy is complete
			ok(t, r.restore(t, t.Context(), m, "again"))
		},
		"another restored": func(t *testing.T, r *rig, _, other providers.Manifest) {
			r.Advance(minute)
			ok(t, r.restore(t, t.Context(), other, "again"))
			if left := r.Shared(); len(left) > 0 {
				t.Errorf("shared: %v", left)
			}
			ok(t, r.database(t).Sweep(t.Context()))
		},
	}
	for _, at := range []string{"CopyDBSnapshot", "RestoreDBInstanceFromDBSnapshot"} {
		for name, end := range ends {
			t.Run(at+" "+name, func(t *testing.T) {
				r := newRig(t)
				m, other := r.copied(t, providertest.ID), r.copied(t, providertest.Later)
				r.restoreKilled(t, at, m)
				if left := r.copies(lab.Account, lab.Region); len(left) != 1 || at == "CopyDBSnapshot" && len(r.Shared()) != 1 {
					t.Fatalf("the killed one left %v, and shares %v", left, r.Shared())
				}
				end(t, r, m, other)
				if left := append(r.copies(lab.Account, lab.Region), r.Shared()...); len(left) > 0 {
					t.Errorf("left: %v", left)
				}
			})
		}
	}
}

// TestSharingNotEnded: a restore that cannot end its sharing leaves that to the next Sweep.
func TestSharingNotEnded(t *testing.T) {
	r := newRig(t)
	m := r.copied(t, providertest.ID)
	const right = "rds:ModifyDBSnapshotAttribute"
	r.Disturb(lab.Fault{Action: "CopyDBSnapshot", Then: func() { r.Deny(right) }})
	if r.restore(t, t.Context(), m, "new") == nil {
		t.Fatal("nobody noticed")
	}
	r.Allow(right)
	ok(t, r.database(t).Sweep(t.Context()))
	if left := r.Shared(); len(left) > 0 {
		t.Errorf("shared: %v", left)
	}
}

// TestDiscardWhileCopying leaves what RDS does not delete yet to the next run.
func TestDiscardWhileCopying(t *testing.T) {
	r := newRig(t)
	m := r.capture(t, providertest.ID)
	ctx, alive := r.killed(t, "CopyDBSnapshot")
	r.Slow(time.Hour)
	if _, err := r.opened(t, "one", nil).Store(ctx, m, nil); err == nil {
		t.Fatal("it was not killed")
	}
	alive()
	ok(t, r.opened(t, "one", nil).Discard(t.Context(), m.ID))
	if left := r.copies(lab.Account, far); len(left) != 1 {
		t.Fatalf("RDS deleted what it was still making: %v", left)
	}
	r.Advance(time.Hour)
	ok(t, r.opened(t, "one", nil).Discard(t.Context(), providertest.Later))
	if left := r.copies(lab.Account, far); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// TestBlockGone deletes the copies of a database whose block is not declared any more.
func TestBlockGone(t *testing.T) {
	r := newRig(t)
	m := r.capture(t, providertest.ID)
	_, err := r.opened(t, "one", nil).Store(t.Context(), m, nil)
	ok(t, err)
	c := Definition().NewConfig().(*Config)
	c.Region, c.Endpoint = far, r.Endpoint
	a, err := providers.Archives.Open(Definition(), c, providers.Env{Address: providertest.Address, WorkDir: filepath.Join(r.dir, "one"), Instance: providers.Instance{Name: "test"}})
	ok(t, err)
	list, _, err := a.List(t.Context())
	ok(t, err)
	if len(list) != 1 {
		t.Error("the backup is not on the list")
	}
	ok(t, a.Delete(t.Context(), m.ID))
	if left := r.copies(lab.Account, far); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	r.Deny("rds:DescribeDBSnapshots") // of what no block takes, no right is needed
	_, _, err = a.List(t.Context())
	ok(t, err)
}

// volumes is a rig whose archive copies snapshots of a volume.
type volumes struct {
	*rig
	home string
}

func newVolumes(t *testing.T) volumes {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("a volume can be mounted by root only; run the tests as root")
	}
	v := volumes{newRig(t), t.TempDir()}
	const size = 64 << 20
	_, err := v.NewVolume(v.home, "ext4", size)
	ok(t, err)
	ok(t, os.MkdirAll(filepath.Join(v.home, "shared", "data", "repositories"), 0o700))
	return v
}

const homeAddress = "home.aws_ebs.x"

func (v volumes) strategy(t *testing.T) providers.Strategy {
	t.Helper()
	d := awsebs.Definition()
	c := d.NewConfig().(*awsebs.Config)
	c.Config, c.Endpoint, c.Sysfs = home.Config{Path: v.home}, v.Endpoint, v.Sysfs
	s, err := providers.Homes.Open(d, c, providers.Env{
		Address: homeAddress, WorkDir: filepath.Join(v.dir, "home"), Host: &host.Host{}, Parallelism: 1, Instance: providers.Instance{Name: "test", Stays: true},
	})
	ok(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func (v volumes) capture(t *testing.T, b providers.BackupID) providers.Manifest {
	t.Helper()
	s := v.strategy(t)
	report, err := s.Check(t.Context())
	ok(t, err)
	if report.Failed() {
		t.Fatal(report.Findings)
	}
	ok(t, s.Prepare(t.Context(), b))
	ok(t, s.Warm(t.Context()))
	a, err := s.Capture(t.Context(), b)
	ok(t, err)
	a, err = s.Finish(t.Context(), a)
	ok(t, err)
	return providers.Manifest{Format: providers.ManifestFormat, ID: b, Instance: "test", Artifacts: []providers.Artifact{a}}
}

func (v volumes) opened(t *testing.T, state string, change func(*Config)) (a providers.Archiver, warned *[]string) {
	t.Helper()
	d := Definition()
	c := d.NewConfig().(*Config)
	c.Region, c.Endpoint = far, v.Endpoint
	if change != nil {
		change(c)
	}
	k, _ := providers.As[providers.Keeper](v.strategy(t))
	warned = new([]string)
	a, err := providers.Archives.Open(d, c, providers.Env{
		Address: providertest.Address, WorkDir: filepath.Join(v.dir, state), Instance: providers.Instance{Name: "test"},
		Keepers: map[string]providers.Keeper{homeAddress: k}, Warn: func(text string) { *warned = append(*warned, text) },
	})
	ok(t, err)
	return a, warned
}

// TestKilledWhileMarking: a backup is none once one of its copies is marked for deletion, and all of
// it goes.
func TestKilledWhileMarking(t *testing.T) {
	v := newVolumes(t)
	m := v.capture(t, providertest.ID)
	m.Artifacts = append(m.Artifacts, v.rig.capture(t, providertest.ID).Artifacts...)
	of := func() providers.Archiver {
		home, _ := providers.As[providers.Keeper](v.strategy(t))
		database, _ := providers.As[providers.Keeper](v.database(t))
		c := Definition().NewConfig().(*Config)
		c.Region, c.Endpoint = far, v.Endpoint
		a, err := providers.Archives.Open(Definition(), c, providers.Env{
			Address: providertest.Address, WorkDir: filepath.Join(v.dir, "one"), Instance: providers.Instance{Name: "test"}, Keepers: map[string]providers.Keeper{homeAddress: home, address: database},
		})
		ok(t, err)
		return a
	}
	left := func() []string {
		volumes, _ := v.LeftIn(lab.Account, far)
		return append(volumes, v.copies(lab.Account, far)...)
	}
	stays := v.rig.capture(t, providertest.Later)
	_, err := of().Store(t.Context(), stays, nil)
	ok(t, err)
	for _, at := range []string{"AddTagsToResource", "CreateTags"} {
		_, err := of().Store(t.Context(), m, nil)
		ok(t, err)
		ctx, alive := v.killed(t, at)
		if of().Delete(ctx, m.ID) == nil {
			t.Fatal("it was not killed")
		}
		alive()
		list, findings, err := of().List(t.Context())
		ok(t, err)
		if len(list) != 1 || list[0].ID != stays.ID || len(findings) > 0 {
			t.Errorf("%s: half of it is a backup: %v, %v", at, list, findings)
		}
		if got := left(); len(got) != 3 {
			t.Fatalf("%s: the killed one left %v", at, got)
		}
		ok(t, of().Discard(t.Context(), providertest.Later))
		if got := left(); len(got) != 1 {
			t.Errorf("%s: left: %v", at, got)
		}
	}
}

// TestStoredAgainWhileCopying: a copy that Discard could not delete yet, and that a resumed Store
// uses, stays.
func TestStoredAgainWhileCopying(t *testing.T) {
	r := newRig(t)
	m := r.capture(t, providertest.ID)
	ctx, alive := r.killed(t, "CopyDBSnapshot")
	r.Slow(5 * time.Minute)
	if _, err := r.opened(t, "one", nil).Store(ctx, m, nil); err == nil {
		t.Fatal("it was not killed")
	}
	alive()
	ok(t, r.opened(t, "one", nil).Discard(t.Context(), m.ID))
	_, err := r.opened(t, "one", nil).Store(t.Context(), m, nil)
	ok(t, err)
	ok(t, r.opened(t, "one", nil).Discard(t.Context(), m.ID))
	list, _, err := r.opened(t, "one", nil).List(t.Context())
	ok(t, err)
	if got := r.copies(lab.Account, far); len(got) != 1 || len(list) != 1 {
		t.Errorf("copies %v of %d backups", got, len(list))
	}
}

func locked(c *Config) { c.Lock = &aws.Lock{Days: 14} }

// TestKilledBeforeTheLock locks what a killed run kept, and had not locked yet.
func TestKilledBeforeTheLock(t *testing.T) {
	v := newVolumes(t)
	m := v.capture(t, providertest.ID)
	ctx, alive := v.killed(t, "DescribeLockedSnapshots")
	a, _ := v.opened(t, "one", locked)
	if _, err := a.Store(ctx, m, nil); err == nil {
		t.Fatal("it was not killed")
	}
	alive()
	a, _ = v.opened(t, "one", locked)
	list, _, err := a.List(t.Context())
	ok(t, err)
	if open := v.Unlocked(lab.Account, far); len(list) != 1 || len(open) != 1 {
		t.Fatalf("the killed one left %d backups and %v without a lock", len(list), open)
	}
	ok(t, a.Discard(t.Context(), m.ID)) // as bkp recover does
	if open := v.Unlocked(lab.Account, far); len(open) > 0 {
		t.Errorf("without a lock: %v", open)
	}
}

// TestCopyInUse: one that is to be deleted and that an image uses stops no later run.
func TestCopyInUse(t *testing.T) {
	v := newVolumes(t)
	first := v.capture(t, providertest.ID)
	a, warned := v.opened(t, "one", nil)
	_, err := a.Store(t.Context(), first, nil)
	ok(t, err)
	v.Use(true)
	if a.Delete(t.Context(), first.ID) == nil {
		t.Fatal("it was deleted")
	}
	if list, _, err := a.List(t.Context()); err != nil || len(list) > 0 {
		t.Errorf("what is to be deleted is a backup: %v, %v", list, err)
	}
	second := v.capture(t, providertest.Later)
	_, err = a.Store(t.Context(), second, nil)
	ok(t, err)
	if !slices.ContainsFunc(*warned, func(text string) bool { return len(text) > 0 }) {
		t.Error("nobody was warned")
	}
	v.Use(false)
	ok(t, a.Discard(t.Context(), providertest.Later))
	if left, _ := v.LeftIn(lab.Account, far); len(left) != 1 {
		t.Errorf("left: %v", left)
	}
}
