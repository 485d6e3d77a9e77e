package overview_test

import (
	"strings"
	"testing"
	"time"

	"bkp/internal/engine/overview"
	"bkp/internal/records/catalog"
	"bkp/internal/records/retention"
	"bkp/providers"
)

var now = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

func entry(daysAgo int, status catalog.Status, archives ...string) catalog.Entry {
	at := now.Add(-time.Duration(daysAgo)*24*time.Hour - 6*time.Hour)
	m := providers.Manifest{
		ID: providers.NewBackupID("prod", at), Created: at, LockWindow: time.Second,
		Window:    map[string]time.Duration{"unlock": 1, "lock": 2, "capture home.a": 3, "capture database.b": 4, "drained_to_complete": 5, "drain": 6, "complete": 7},
		Artifacts: []providers.Artifact{{Address: "home.a", Change: &providers.Change{Files: 3}}},
	}
	for _, a := range archives {
		m.Stored = append(m.Stored, providers.Stored{Archive: a, Parts: map[string]providers.Part{
			"home.a": {Files: 10, Bytes: int64(1000 - daysAgo), Objects: []providers.Object{{Bytes: 100}}},
		}})
	}
	return catalog.Entry{Status: status, Manifest: m}
}

// sound is an instance that asks for no attention.
func sound() overview.Known {
	k := overview.Known{
		Name: "prod", Now: now, HomeOn: "8:1", MaxProofAge: 30 * 24 * time.Hour,
		Proven: &catalog.Drill{At: now.Add(-24 * time.Hour), Duration: time.Hour},
		Last:   map[string]catalog.Run{"backup": {Succeeded: true}},
		Shelves: []overview.Shelf{
			{Address: "archive.a", Destination: "/backup", Place: overview.Here, On: "8:2", Retention: "retention.x", Policy: retention.Policy{Last: 2}},
			{Address: "archive.b", Destination: "s3://b", Place: overview.Service, On: "s3://b", Protected: true},
		},
	}
	for d := range 3 {
		k.Backups = append(k.Backups, entry(d, catalog.Complete, "archive.a", "archive.b"))
		k.Shelves[0].Items = append(k.Shelves[0].Items, retention.Item{ID: string(k.Backups[d].Manifest.ID), Time: k.Backups[d].Manifest.Created})
	}
	return k
}

// TestAttention changes one thing of a sound instance at a time.
func TestAttention(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*overview.Known)
		want   string
	}{
		"sound":           {func(*overview.Known) {}, ""},
		"locked":          {func(k *overview.Known) { k.MayBeLocked = true }, "now: A run may have left the instance locked: users may be unable to work. Unlock it: bkp unlock"},
		"failed":          {func(k *overview.Known) { k.Last["backup"] = catalog.Run{Error: "no space"} }, "now: The last backup failed: no space"},
		"warned":          {func(k *overview.Known) { k.Last["backup"] = catalog.Run{Succeeded: true, Warnings: 2} }, "soon: The last backup warned: 2 warnings. Its log has them."},
		"late":            {func(k *overview.Known) { k.Now = now.Add(3 * 24 * time.Hour) }, "now: The newest backup is 3 days old, and those before were made every 24 hours. See whether the schedule runs."},
		"newest damaged":  {func(k *overview.Known) { k.Backups[0].Damaged = []catalog.Damage{{Archive: "archive.other"}} }, "now: The newest backup is damaged: bkp show prod-20261122T030000Z"},
		"older damaged":   {func(k *overview.Known) { k.Backups[1].Damaged = []catalog.Damage{{Archive: "archive.a"}} }, "soon: prod-20261121T030000Z is damaged: bkp show prod-20261121T030000Z"},
		"unread":          {func(k *overview.Known) { k.Unread = []string{"A pin cannot be read."} }, "now: A pin cannot be read."},
		"never proven":    {func(k *overview.Known) { k.Proven = nil }, "soon: No restore was proven yet: bkp verify --drill latest:prod"},
		"proof not asked": {func(k *overview.Known) { k.Proven, k.MaxProofAge = nil, 0 }, ""},
		"proof too old":   {func(k *overview.Known) { k.Proven.At = now.Add(-40 * 24 * time.Hour) }, "soon: The last proven restore is 40 days old; it may be 30 days old: bkp verify --drill latest:prod"},
		"no retention":    {func(k *overview.Known) { k.Shelves[0].Retention = "" }, "soon: No retention is declared: backups are kept until the disk is full."},
		"not stored": {func(k *overview.Known) {
			k.Backups = append([]catalog.Entry{entry(-1, catalog.Captured)}, k.Backups...)
		},
			"soon: prod-20261123T030000Z was captured, and is not stored yet: bkp apply --resume prod-20261123T030000Z"},
		"same place twice": {func(k *overview.Known) { k.Shelves[0].Destination = "s3://b" }, strings.Join([]string{
			"soon: Copies of the newest backup: the rule is three copies, the live data counted as one; found: 2.",
			"soon: Copies of the newest backup: the rule is one away from this machine; found: no archive.",
			"soon: Copies of the newest backup: the rule is one that nobody can delete from this machine; found: no archive.",
		}, "\n")},
		"in place": {func(k *overview.Known) { k.Shelves[0].Place = overview.InPlace }, "soon: Copies of the newest backup: the rule is three copies, the live data counted as one; found: 2."},
		"one is damaged": {func(k *overview.Known) { k.Backups[0].Damaged = []catalog.Damage{{Archive: "archive.a"}} },
			"now: The newest backup is damaged: bkp show prod-20261122T030000Z\nsoon: Copies of the newest backup: the rule is three copies, the live data counted as one; found: 2."},
		"one storage": {func(k *overview.Known) { k.Shelves[0].On, k.Shelves[1].On = "8:1", "8:1" }, "soon: Copies of the newest backup: the rule is on two storages; found: 1 known here."},
		"none away":   {func(k *overview.Known) { k.Shelves[1].Place = overview.Here }, "soon: Copies of the newest backup: the rule is one away from this machine; found: no archive."},
		"all mutable": {func(k *overview.Known) { k.Shelves[1].Protected = false }, "soon: Copies of the newest backup: the rule is one that nobody can delete from this machine; found: no archive."},
		"no backup":   {func(k *overview.Known) { k.Backups = nil }, "now: No backup is complete."},
	} {
		t.Run(name, func(t *testing.T) {
			k := sound()
			c.change(&k)
			of, err := overview.Of(k)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, r := range of.Attention {
				got = append(got, string(r.Urgency)+": "+r.Text)
			}
			if strings.Join(got, "\n") != c.want {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), c.want)
			}
		})
	}
}

// TestWhatThereIs: the parts of the window are in the order of time, changes are against
// the complete backup before, and retention looks ahead.
func TestWhatThereIs(t *testing.T) {
	k := sound()
	k.Backups = append([]catalog.Entry{k.Backups[0], entry(0, catalog.Captured)}, k.Backups[1:]...)
	of, err := overview.Of(k)
	if err != nil {
		t.Fatal(err)
	}
	var parts []string
	for _, p := range of.Window {
		parts = append(parts, p.Name)
	}
	if got := strings.Join(parts, ", "); got != "lock, drain, capture database.b, capture home.a, drained_to_complete, complete, unlock" {
		t.Error(got)
	}
	if c := of.Components[0]; c.Bytes != 1000 || c.Before == nil || *c.Before != 999 || c.Changed.Files != 3 {
		t.Errorf("%+v", c)
	}
	if a := of.Archives[0]; a.Backups != 3 || a.Bytes != 300 || !a.HasNewest || !a.Newest.Equal(k.Backups[0].Manifest.Created) {
		t.Errorf("%+v", a)
	}
	kept := of.Kept[0].Backups
	if len(kept) != 3 || !kept[0].Keep || kept[0].Until == nil || kept[2].Keep || kept[2].Until != nil {
		t.Errorf("%+v", kept)
	}
}
