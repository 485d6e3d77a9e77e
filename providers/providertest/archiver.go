package providertest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"bkp/internal/problem"
	"bkp/providers"
)

// Later is the other backup that RunArchiver makes.
const Later = providers.BackupID("test-20261123T214431Z")

// Shelf joins an archive to a destination of its own.
type Shelf struct {
	// New opens the archive at the address Address for the instance "test", as a
	// process with that state folder would.
	New func(t *testing.T, state string) providers.Archiver
	// Capture makes a backup that the archive takes.
	Capture func(t *testing.T, b providers.BackupID) providers.Manifest
	// Objects are the files and folders that hold a backup in the order in which they
	// are written, the record of it last; their names begin with those of the parts. Nil for an archive whose storage cannot be
	// damaged by hand, and for one that leaves what was captured in its place.
	Objects func(t *testing.T, b providers.BackupID) []string
	// Killed stores m and leaves what a kill leaves after so many objects, fewer
	// than all. Nil without Objects.
	Killed func(t *testing.T, state string, m providers.Manifest, objects int)
}

// Address is that of the archive that RunArchiver looks at.
const Address = "archive.test.a"

// RunArchiver holds an archive to its contract. make returns a shelf with a
// destination of its own for every test.
func RunArchiver(t *testing.T, make func(t *testing.T) Shelf) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, Shelf){
		"stores, lists and verifies":              storesAndLists,
		"a second store changes nothing":          storesTwice,
		"an ended context stores nothing":         storesNotAtAll,
		"unknown ids":                             unknownIDs,
		"delete keeps the others":                 deleteKeepsOthers,
		"discard keeps what is complete":          discardKeepsComplete,
		"every part comes back by itself":         fetchesEach,
		"paths come back by themselves":           fetchesPaths,
		"damage of each object is found":          findsDamage,
		"a kill between objects leaves no backup": leavesNoHalf,
		"a lost record is made again":             rebuilds,
		"an id is reserved":                       reserves,
	} {
		t.Run(name, func(t *testing.T) { test(t, make(t)) })
	}
}

func (s Shelf) store(t *testing.T, a providers.Archiver, b providers.BackupID) (providers.Manifest, providers.Stored) {
	t.Helper()
	m := s.Capture(t, b)
	stored, err := a.Store(t.Context(), m, nil)
	if err != nil {
		t.Fatal(err)
	}
	return m, stored
}

func listed(t *testing.T, a providers.Archiver, want ...providers.BackupID) []providers.Manifest {
	t.Helper()
	list, _, err := a.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []providers.BackupID
	for _, m := range list {
		got = append(got, m.ID)
	}
	if !slices.Equal(got, want) {
		t.Errorf("it lists %q, want %q", got, want)
	}
	return list
}

// good expects a backup without an error among the findings.
func good(t *testing.T, a providers.Archiver, b providers.BackupID) {
	t.Helper()
	findings, err := a.Verify(t.Context(), b)
	if err != nil || (providers.Report{Findings: findings}).Failed() {
		t.Errorf("verify of %s: %v, %v", b, findings, err)
	}
}

func storesAndLists(t *testing.T, s Shelf) {
	a := s.New(t, "one")
	listed(t, a)
	m, stored := s.store(t, a, ID)
	if stored.Archive != Address || stored.Location == "" {
		t.Errorf("stored as %+v", stored)
	}
	if len(m.Stored) > 0 {
		t.Errorf("the manifest was changed: %+v", m)
	}
	s.store(t, a, Later)
	a = s.New(t, "another")
	for _, got := range listed(t, a, Later, ID) {
		in, ok := got.In(Address)
		if !ok || in.Native != stored.Native || len(in.Parts) != len(stored.Parts) || got.Instance != m.Instance {
			t.Errorf("listed as %+v", got)
		}
		for i, art := range got.Artifacts {
			if got.ID == ID && (art.Address != m.Artifacts[i].Address || !art.PointInTime.Equal(m.Artifacts[i].PointInTime)) {
				t.Errorf("artifact %d came back as %+v", i, art)
			}
		}
	}
	good(t, a, ID)
	good(t, a, Later)
}

func storesTwice(t *testing.T, s Shelf) {
	a := s.New(t, "one")
	m, first := s.store(t, a, ID)
	second, err := s.New(t, "one").Store(t.Context(), m, nil)
	if err != nil || second.Location != first.Location || len(second.Parts) != len(first.Parts) {
		t.Errorf("stored once more as %+v, %v", second, err)
	}
	listed(t, a, ID)
	good(t, a, ID)
}

func storesNotAtAll(t *testing.T, s Shelf) {
	if s.Objects == nil {
		t.Skip("copies nothing, so there is nothing to end")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	a := s.New(t, "one")
	m := s.Capture(t, ID)
	if err := soon(t, "store", func() error { _, err := a.Store(ctx, m, nil); return err }); !errors.Is(err, context.Canceled) {
		t.Errorf("store with an ended context: %v", err)
	}
	listed(t, a)
	s.holds(t, 0)
	s.store(t, a, ID)
	listed(t, a, ID)
}

// holds expects the backup ID to have so many objects.
func (s Shelf) holds(t *testing.T, want int) {
	t.Helper()
	if got := s.Objects(t, ID); len(got) != want {
		t.Errorf("%s has the objects %q, want %d", ID, got, want)
	}
}

func unknownIDs(t *testing.T, s Shelf) {
	a := s.New(t, "one")
	if _, err := a.Verify(t.Context(), ID); !errors.Is(err, providers.ErrNotFound) {
		t.Errorf("verify: %v", err)
	}
	if _, err := a.Fetch(t.Context(), ID, func(providers.Artifact) string { return "" }); !errors.Is(err, providers.ErrNotFound) {
		t.Errorf("fetch: %v", err)
	}
	for range 2 {
		if err := errors.Join(a.Delete(t.Context(), ID), a.Discard(t.Context(), ID)); err != nil {
			t.Errorf("delete and discard: %v", err)
		}
	}
	for _, b := range []providers.BackupID{"", "x", "../" + ID} {
		if a.Delete(t.Context(), b) == nil {
			t.Errorf("%q passes for an id", b)
		}
	}
}

func deleteKeepsOthers(t *testing.T, s Shelf) {
	a := s.New(t, "one")
	s.store(t, a, ID)
	s.store(t, a, Later)
	for range 2 {
		if err := a.Delete(t.Context(), ID); err != nil {
			t.Fatal(err)
		}
	}
	listed(t, a, Later)
	good(t, a, Later)
	if _, err := a.Verify(t.Context(), ID); !errors.Is(err, providers.ErrNotFound) {
		t.Errorf("verify of what was deleted: %v", err)
	}
	if s.Objects != nil {
		s.holds(t, 0)
	}
}

func discardKeepsComplete(t *testing.T, s Shelf) {
	a := s.New(t, "one")
	s.store(t, a, ID)
	for _, state := range []string{"one", "another"} {
		if err := s.New(t, state).Discard(t.Context(), ID); err != nil {
			t.Fatal(err)
		}
	}
	listed(t, a, ID)
	good(t, a, ID)
}

// fetchesEach takes away the objects of all other parts first.
func fetchesEach(t *testing.T, s Shelf) {
	if s.Objects == nil {
		t.Skip("copies nothing, so nothing comes back")
	}
	a := s.New(t, "one")
	m, stored := s.store(t, a, ID)
	all := s.Objects(t, ID)
	if len(all) < len(stored.Parts)+1 {
		t.Fatalf("objects %q for the parts %v", all, stored.Parts)
	}
	for _, art := range m.Artifacts {
		part, ok := stored.Copy(art.Address)
		if !ok {
			continue
		}
		for _, o := range all {
			isOwn := func(object providers.Object) bool { return object.Name == filepath.Base(o) }
			if !slices.ContainsFunc(part.Objects, isOwn) && o != all[len(all)-1] {
				hide(t, o)
				defer show(t, o)
			}
		}
		to := filepath.Join(t.TempDir(), "to")
		got, err := a.Fetch(t.Context(), ID, func(want providers.Artifact) string {
			if want.Address == art.Address {
				return to
			}
			return ""
		})
		if err != nil {
			t.Fatalf("%s alone: %v", art.Address, err)
		}
		if back, _ := got.Artifact(art.Address); back.Dir() != to {
			t.Errorf("%s lies at %q", art.Address, back.Dir())
		}
		SameTrees(t, Tree(t, art.Dir()), Tree(t, to), nil)
		for _, o := range all {
			show(t, o)
		}
	}
}

func hide(t *testing.T, path string) {
	t.Helper()
	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
}

// show undoes hide, once.
func show(t *testing.T, path string) {
	t.Helper()
	if err := os.Rename(path+".away", path); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
}

func leavesNoHalf(t *testing.T, s Shelf) {
	if s.Killed == nil {
		t.Skip("makes no objects")
	}
	m := s.Capture(t, ID)
	s.store(t, s.New(t, "one"), Later)
	for objects := range s.Objects(t, Later) {
		s.Killed(t, "one", m, objects)
		listed(t, s.New(t, "one"), Later)
		listed(t, s.New(t, "another"), Later)
		if made, _, err := s.New(t, "another").Rebuild(t.Context()); err != nil || len(made) > 0 {
			t.Errorf("after %d objects: made %v, %v", objects, made, err)
		}
		if err := s.New(t, "another").Discard(t.Context(), ID); err != nil {
			t.Error(err)
		}
		s.holds(t, objects)
		if err := s.New(t, "one").Discard(t.Context(), ID); err != nil {
			t.Error(err)
		}
		s.holds(t, 0)
		s.Killed(t, "one", m, objects)
		a := s.New(t, "one")
		if _, err := a.Store(t.Context(), m, nil); err != nil {
			t.Errorf("after %d objects it is not stored any more: %v", objects, err)
		}
		listed(t, a, Later, ID)
		good(t, a, ID)
		if err := a.Delete(t.Context(), ID); err != nil {
			t.Error(err)
		}
	}
}

func rebuilds(t *testing.T, s Shelf) {
	if s.Objects == nil {
		t.Skip("has no records to lose")
	}
	a := s.New(t, "one")
	s.store(t, a, ID)
	before := listed(t, a, ID)
	objects := s.Objects(t, ID)
	if err := os.Remove(objects[len(objects)-1]); err != nil {
		t.Fatal(err)
	}
	if list, findings, err := a.List(t.Context()); err != nil || len(list) > 0 || len(findings) != 1 || findings[0].Remedy == "" {
		t.Errorf("without its record: %v, %v, %v", list, findings, err)
	}
	made, findings, err := a.Rebuild(t.Context())
	if err != nil || len(findings) > 0 || !slices.Equal(made, []providers.BackupID{ID}) {
		t.Fatalf("made %v, %v, %v", made, findings, err)
	}
	after := listed(t, a, ID)
	if len(after) == 1 && after[0].Stored[0].Size() != before[0].Stored[0].Size() {
		t.Errorf("it was %+v and is %+v", before[0].Stored, after[0].Stored)
	}
	good(t, a, ID)
}

func reserves(t *testing.T, s Shelf) {
	if s.New(t, "one").Destination() == (providers.Destination{}) {
		t.Skip("has no destination that others share")
	}
	one, another := s.New(t, "one"), s.New(t, "another")
	for range 2 {
		if err := one.Reserve(t.Context(), ID); err != nil {
			t.Fatal(err)
		}
	}
	taken := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, providers.ErrTaken) || problem.Remedy(err) == "" {
			t.Errorf("%s: %v", what, err)
		}
	}
	taken("reserved by two", another.Reserve(t.Context(), ID))
	m := s.Capture(t, ID)
	_, err := another.Store(t.Context(), m, nil)
	taken("stored by another", err)
	if err := another.Discard(t.Context(), ID); err != nil {
		t.Error(err)
	}
	taken("discarded by another, and reserved", another.Reserve(t.Context(), ID))
	if _, err := one.Store(t.Context(), m, nil); err != nil {
		t.Fatal(err)
	}
	taken("reserved, and there", another.Reserve(t.Context(), ID))
	m.Artifacts = slices.Clone(m.Artifacts)
	m.Artifacts[0].PointInTime = m.Artifacts[0].PointInTime.Add(time.Second)
	_, err = another.Store(t.Context(), m, nil)
	taken("stored over another backup", err)
	listed(t, one, ID)
	good(t, one, ID)
	if err := one.Reserve(t.Context(), Later); err != nil {
		t.Fatal(err)
	}
	if err := one.Discard(t.Context(), Later); err != nil {
		t.Fatal(err)
	}
	if err := another.Reserve(t.Context(), Later); err != nil {
		t.Errorf("given back, but cannot be reserved: %v", err)
	}
}
