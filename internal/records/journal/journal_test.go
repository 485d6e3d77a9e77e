package journal_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"bkp/internal/records/journal"
	"bkp/providers"
)

const id = providers.BackupID("prod-20261122T214431Z")

func write(t *testing.T, dir string, records ...journal.Record) {
	t.Helper()
	j, err := journal.Create(dir, id)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		if err := j.Sync(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestFoldReportsWhatIsLeft(t *testing.T) {
	begin := []journal.Record{
		{Type: journal.RunStarted, Instance: "prod", URL: "https://b"},
		{Type: journal.StepStarted, Address: "home.a.b"},
	}
	locked := append(slices.Clone(begin), journal.Record{Type: journal.LockIntent}, journal.Record{Type: journal.Locked, UnlockToken: "u"}, journal.Record{Type: journal.TaskStarted, CancelToken: "c"})
	cases := map[string]struct {
		records     []journal.Record
		mayBeLocked bool
		token       string
		unfinished  bool
	}{
		"interrupted while preparing":     {begin, false, "", true},
		"interrupted in the lock request": {append(slices.Clone(begin), journal.Record{Type: journal.LockIntent}), true, "", true},
		"interrupted under the lock":      {locked, true, "u", true},
		"unlocked, then interrupted":      {append(slices.Clone(locked), journal.Record{Type: journal.Unlocked}), false, "", true},
		"lock refused, ended":             {append(slices.Clone(begin), journal.Record{Type: journal.LockIntent}, journal.Record{Type: journal.LockRefused}, journal.Record{Type: journal.RunFailed}), false, "", false},
		"done":                            {append(slices.Clone(locked), journal.Record{Type: journal.Unlocked}, journal.Record{Type: journal.RunDone}), false, "", false},
		"failed and may be locked yet":    {append(slices.Clone(locked), journal.Record{Type: journal.RunFailed}), true, "u", true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, c.records...)
			r, err := journal.Load(dir, id)
			if err != nil || r.MayBeLocked != c.mayBeLocked || r.UnlockToken != c.token || !slices.Equal(r.Components, []string{"home.a.b"}) {
				t.Errorf("%+v, %v", r, err)
			}
			left, err := journal.Unfinished(dir)
			if err != nil || (len(left) == 1) != c.unfinished {
				t.Errorf("unfinished %+v, %v", left, err)
			}
		})
	}
}

func TestATornLineCostsOnlyItself(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, journal.Record{Type: journal.RunStarted}, journal.Record{Type: journal.Locked, UnlockToken: "u"})
	path := filepath.Join(dir, string(id)+".jsonl")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for cut := range len(whole) {
		if err := os.WriteFile(path, whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := journal.Load(dir, id); err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		j, err := journal.Open(dir, id)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(j.Sync(journal.Record{Type: journal.RunFailed}), j.Close()); err != nil {
			t.Fatal(err)
		}
		if r, err := journal.Load(dir, id); err != nil || !r.Failed {
			t.Fatalf("cut at %d, then appended: %+v, %v", cut, r, err)
		}
	}
}

func TestANewerFormatIsRefused(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, string(id)+".jsonl"), []byte(`{"format":99,"type":"locked"}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := journal.Load(dir, id); err == nil {
		t.Error("read a format from the future")
	}
}

func TestOneRunAnID(t *testing.T) {
	dir := t.TempDir()
	write(t, dir)
	if _, err := journal.Create(dir, id); !errors.Is(err, journal.ErrExists) {
		t.Errorf("got %v", err)
	}
	fi, err := os.Stat(filepath.Join(dir, string(id)+".jsonl"))
	if err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("the journal holds tokens and has mode %v, %v", fi.Mode(), err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"format":1,"type":"locked","unlock_token":"u"}` + "\n"))
	f.Add([]byte("\n\n{}\n{"))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := os.WriteFile(filepath.Join(dir, string(id)+".jsonl"), b, 0o600); err != nil {
			t.Fatal(err)
		}
		_, _ = journal.Load(dir, id)
	})
}
