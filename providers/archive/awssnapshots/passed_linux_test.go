package awssnapshots

import (
	"path/filepath"
	"slices"
	"testing"
	"time"

	lab "bkp/internal/lab/aws"
	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/providertest"
)

// always is more often than anything is asked for.
const always = 1000

// TestNeedlessKind: an archive of volumes works where RDS does not answer, and says so.
func TestNeedlessKind(t *testing.T) {
	v := newVolumes(t)
	m := v.capture(t, providertest.ID)
	v.Disturb(lab.Fault{Action: "DescribeDBSnapshots", Code: "InternalFailure", Times: always})
	a, _ := v.opened(t, "one", nil)
	checked, err := a.Check(t.Context(), providers.Estimate{})
	ok(t, err)
	if checked.Failed() || len(checked.Findings) != 1 {
		t.Errorf("findings of the plan: %v", checked.Findings)
	}
	_, err = a.Store(t.Context(), m, nil)
	ok(t, err)
	list, findings, err := a.List(t.Context())
	ok(t, err)
	if len(list) != 1 || len(findings) != 1 {
		t.Errorf("%d backups, findings: %v", len(list), findings)
	}
	ok(t, a.Discard(t.Context(), providertest.Later))
	ok(t, a.Delete(t.Context(), m.ID))
	if left, _ := v.LeftIn(lab.Account, far); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// TestNoRoute: a service that does not answer at all is waited for a moment, and once.
func TestNoRoute(t *testing.T) {
	v := newVolumes(t)
	hang := make(chan struct{})
	t.Cleanup(func() { close(hang) })
	v.Disturb(lab.Fault{Action: "DescribeDBSnapshots", Then: func() { <-hang }, Times: always})
	v.Disturb(lab.Fault{Action: "DescribeDBClusterSnapshots", Then: func() { <-hang }, Times: always})
	k, _ := providers.As[providers.Keeper](v.strategy(t))
	c := Definition().NewConfig().(*Config)
	c.Region, c.Endpoint = far, v.Endpoint
	a := open(*c, providers.Env{Address: providertest.Address, WorkDir: filepath.Join(v.dir, "one"), Keepers: map[string]providers.Keeper{homeAddress: k}})
	a.patience = 100 * time.Millisecond
	for range 2 {
		_, findings, err := a.List(t.Context())
		ok(t, err)
		if len(findings) != 1 {
			t.Errorf("findings: %v", findings)
		}
	}
	if n := v.Count("DescribeDBSnapshots"); n != 1 {
		t.Errorf("it was asked %d times", n)
	}
}

// TestNeededKind: what a block takes, or an archive of no block may have, is looked for.
func TestNeededKind(t *testing.T) {
	r := newRig(t)
	r.Disturb(lab.Fault{Action: "DescribeDBSnapshots", Code: "InternalFailure", Times: always})
	if _, _, err := r.opened(t, "one", nil).List(t.Context()); err == nil {
		t.Error("copies of a database were passed over")
	}
	c := Definition().NewConfig().(*Config)
	c.Region, c.Endpoint = far, r.Endpoint
	if _, _, err := open(*c, providers.Env{Address: providertest.Address}).List(t.Context()); err == nil {
		t.Error("an archive whose blocks are gone is empty")
	}
}

// TestNotLookedFor: copies of a block that is gone, and that cannot be looked for, are no damage.
func TestNotLookedFor(t *testing.T) {
	v := newVolumes(t)
	m := v.capture(t, providertest.ID)
	m.Artifacts = append(m.Artifacts, v.rig.capture(t, providertest.ID).Artifacts...)
	home, _ := providers.As[providers.Keeper](v.strategy(t))
	database, _ := providers.As[providers.Keeper](v.database(t))
	c := Definition().NewConfig().(*Config)
	c.Region, c.Endpoint = far, v.Endpoint
	both := open(*c, providers.Env{Address: providertest.Address, WorkDir: filepath.Join(v.dir, "one"), Keepers: map[string]providers.Keeper{homeAddress: home, address: database}})
	_, err := both.Store(t.Context(), m, nil)
	ok(t, err)
	v.Deny("rds:DescribeDBSnapshots")
	a, _ := v.opened(t, "one", nil)
	findings, err := a.Verify(t.Context(), m.ID)
	ok(t, err)
	if len(findings) == 0 || slices.ContainsFunc(findings, func(f providers.Finding) bool { return f.Severity == problem.Error }) {
		t.Errorf("findings: %v", findings)
	}
}
