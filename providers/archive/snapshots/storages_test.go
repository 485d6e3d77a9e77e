package snapshots_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"bkp/providers"
	"bkp/providers/archive/snapshots"
)

const id = providers.BackupID("prod-20261122T214431Z")

// keeper is a storage that lists what it was asked to keep, or what it knows.
type keeper struct{ knows []providers.Manifest }

func (k *keeper) Keep(_ context.Context, m providers.Manifest, a providers.Artifact) (providers.Artifact, error) {
	k.knows = append(k.knows, m)
	return a, nil
}

func (k *keeper) List(context.Context) ([]providers.Manifest, []providers.Finding, error) {
	return k.knows, nil, nil
}

func (k *keeper) Verify(_ context.Context, b providers.BackupID) ([]providers.Finding, error) {
	if !slices.ContainsFunc(k.knows, func(m providers.Manifest) bool { return m.ID == b }) {
		return nil, fmt.Errorf("%w: %s", providers.ErrNotFound, b)
	}
	return nil, nil
}

func (k *keeper) Delete(context.Context, providers.BackupID) error { return nil }

func open(t *testing.T, keepers map[string]providers.Keeper) providers.Archiver {
	t.Helper()
	d := snapshots.Definition()
	a, err := providers.Archives.Open(d, d.NewConfig(), providers.Env{Address: "archive.snapshots.kept", WorkDir: t.TempDir(), Keepers: keepers})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func native(address string) providers.Artifact {
	return providers.Artifact{Address: address, Life: providers.Native, Ref: map[string]string{"snapshot": address}}
}

// TestPartsOfSeveralStoragesAreOneBackup: each storage has no room for more than its
// own.
func TestPartsOfSeveralStoragesAreOneBackup(t *testing.T) {
	only := func(address string) *keeper {
		return &keeper{[]providers.Manifest{{ID: id, Instance: "prod", Artifacts: []providers.Artifact{native(address)}}}}
	}
	a := open(t, map[string]providers.Keeper{"home.x.y": only("home.x.y"), "database.x.y": only("database.x.y")})
	list, findings, err := a.List(t.Context())
	if err != nil || len(findings) > 0 || len(list) != 1 {
		t.Fatalf("%+v, %+v, %v", list, findings, err)
	}
	for _, address := range []string{"home.x.y", "database.x.y"} {
		if _, ok := list[0].Artifact(address); !ok {
			t.Errorf("%s is missing: %+v", address, list[0].Artifacts)
		}
	}
	if len(list[0].Stored) != 1 || list[0].Stored[0].Archive != "archive.snapshots.kept" || !list[0].Stored[0].Native {
		t.Errorf("stored: %+v", list[0].Stored)
	}
}

// TestWhatTheStorageKeepsIsTaken: a state folder that was lost knows nothing of it.
func TestWhatTheStorageKeepsIsTaken(t *testing.T) {
	k := &keeper{[]providers.Manifest{{ID: id, Instance: "prod", Artifacts: []providers.Artifact{native("home.x.y")}}}}
	a := open(t, map[string]providers.Keeper{"home.x.y": k})
	if err := a.Reserve(t.Context(), id); !errors.Is(err, providers.ErrTaken) {
		t.Errorf("the id is free: %v", err)
	}
	if err := a.Reserve(t.Context(), "prod-20261122T214432Z"); err != nil {
		t.Errorf("another id: %v", err)
	}
}

// TestStorageKnowsNoOtherArchive: a restore would look for trees there.
func TestStorageKnowsNoOtherArchive(t *testing.T) {
	k := &keeper{}
	archived := native("home.x.y")
	archived.Life, archived.Trees = providers.Staged, providers.OneTree("/mnt")
	m := providers.Manifest{ID: id, Artifacts: []providers.Artifact{archived}, Stored: []providers.Stored{{Archive: "archive.tar.far"}}}
	if _, err := open(t, map[string]providers.Keeper{"home.x.y": k}).Store(t.Context(), m, nil); err != nil {
		t.Fatal(err)
	}
	if a := k.knows[0].Artifacts[0]; a.Trees != nil || a.Life != providers.Native {
		t.Errorf("the storage keeps %+v", a)
	}
	if s := k.knows[0].Stored; len(s) != 1 || s[0].Archive != "archive.snapshots.kept" {
		t.Errorf("the storage keeps %+v", s)
	}
}

// removable is a storage that loses what it is asked to delete, unless it refuses.
type removable struct {
	keeper
	refuses error
}

func (k *removable) Delete(_ context.Context, b providers.BackupID) error {
	if k.refuses == nil {
		k.knows = slices.DeleteFunc(k.knows, func(m providers.Manifest) bool { return m.ID == b })
	}
	return k.refuses
}

// TestHalfDeleted: what an interrupted Delete left is on no list, and goes with the next run; a
// backup that is whole stays.
func TestHalfDeleted(t *testing.T) {
	const other = providers.BackupID("prod-20261123T214431Z")
	both := func() *removable {
		of := func(b providers.BackupID) providers.Manifest {
			return providers.Manifest{ID: b, Instance: "prod", Artifacts: []providers.Artifact{native("home.x.y"), native("database.x.y")}}
		}
		return &removable{keeper: keeper{[]providers.Manifest{of(id), of(other)}}}
	}
	home, database := both(), both()
	a := open(t, map[string]providers.Keeper{"home.x.y": home, "database.x.y": database})
	home.refuses = errors.New("killed")
	if a.Delete(t.Context(), id) == nil {
		t.Fatal("nobody noticed")
	}
	database.refuses = home.refuses
	if a.Delete(t.Context(), other) == nil {
		t.Fatal("nobody noticed")
	}
	if len(home.knows) != 2 || len(database.knows) != 1 {
		t.Fatalf("left: %v, %v", home.knows, database.knows)
	}
	home.refuses, database.refuses = nil, nil
	if err := a.Discard(t.Context(), "prod-20261124T214431Z"); err != nil {
		t.Fatal(err)
	}
	if len(home.knows) != 1 || len(database.knows) != 1 || home.knows[0].ID != other {
		t.Errorf("left: %v, %v", home.knows, database.knows)
	}
}
