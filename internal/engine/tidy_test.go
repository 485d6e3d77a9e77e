package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"bkp/internal/records/catalog"
	"bkp/internal/records/journal"
	"bkp/lang"
	"bkp/providers"
)

// record leaves what a run leaves.
func record(t *testing.T, s *Engine, id providers.BackupID, records ...journal.Record) {
	t.Helper()
	j, err := journal.Create(s.journalDir(), id)
	for _, r := range records {
		if err == nil {
			err = j.Note(r)
		}
	}
	if err == nil {
		err = j.Close()
	}
	if err == nil {
		var log *os.File
		if log, err = s.logFile(id); err == nil {
			err = log.Close()
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

// damage adds lines that are no records; a last one alone would count as torn.
func damage(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, append(text, "no record\nnor this\n"...), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestOldRecordsGoAndNothingThatIsNeeded: sixty failed runs, and among the
// oldest one of each kind that has to stay.
func TestOldRecordsGoAndNothingThatIsNeeded(t *testing.T) {
	s := &Engine{Front: silent{}, Config: &lang.Config{StateDir: t.TempDir()}}
	t0 := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(day int) providers.BackupID { return providers.NewBackupID("prod", t0.AddDate(0, 0, day)) }
	started, failed := journal.Record{Type: journal.RunStarted}, journal.Record{Type: journal.RunFailed}
	needed := map[string]providers.BackupID{
		"listed": at(-1), "interrupted": at(-2), "may be locked": at(-3), "unreadable": at(-4), "captured": at(-5), "newer": at(-6), "damaged after its end": at(-8),
	}
	record(t, s, needed["listed"], started, journal.Record{Type: journal.RunDone})
	record(t, s, needed["captured"], started, failed)
	record(t, s, needed["interrupted"], started)
	record(t, s, needed["may be locked"], started, journal.Record{Type: journal.LockIntent}, failed)
	record(t, s, needed["unreadable"], started, failed)
	record(t, s, needed["newer"], started, failed)
	for id, status := range map[providers.BackupID]catalog.Status{needed["listed"]: catalog.Complete, needed["captured"]: catalog.Captured, at(-7): catalog.Superseded} {
		if err := s.Catalog().Put(catalog.Entry{Manifest: providers.Manifest{ID: id}, Status: status}); err != nil {
			t.Fatal(err)
		}
	}
	record(t, s, at(-7), started, journal.Record{Type: journal.RunDone})
	record(t, s, needed["damaged after its end"], started, failed)
	damage(t, filepath.Join(s.journalDir(), string(needed["damaged after its end"])+".jsonl"))
	for id, text := range map[providers.BackupID]string{needed["unreadable"]: "no record\n", needed["newer"]: `{"format":99,"type":"run_done"}` + "\n"} {
		if err := os.WriteFile(filepath.Join(s.journalDir(), string(id)+".jsonl"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const runs = 60
	for day := range runs {
		record(t, s, at(day), started, failed)
	}
	record(t, s, "other-20250101T000000Z", started, failed)
	s.TidyRecords()
	left, err := s.recorded()
	if err != nil {
		t.Fatal(err)
	}
	for what, id := range needed {
		if !slices.Contains(left, id) {
			t.Errorf("the record of a run is gone that is needed: %s", what)
		}
	}
	if !slices.Contains(left, at(runs-1)) || !slices.Contains(left, at(runs-keptRecords)) || !slices.Contains(left, "other-20250101T000000Z") {
		t.Errorf("recent ones are gone: %v", left)
	}
	if slices.Contains(left, at(runs-keptRecords-1)) || slices.Contains(left, at(-7)) {
		t.Errorf("old ones are left: %v", left)
	}
	for _, dir := range []string{"journal", "logs"} {
		files, err := os.ReadDir(filepath.Join(s.Config.StateDir, dir))
		if want := len(needed) + keptRecords + 1; err != nil || len(files) != want {
			t.Errorf("%s holds %d files, want %d, %v", dir, len(files), want, err)
		}
	}
}

// TestNoRecordGoesWhileTheCatalogCannotBeRead: which backups are listed is not
// known then.
func TestNoRecordGoesWhileTheCatalogCannotBeRead(t *testing.T) {
	s := &Engine{Front: silent{}, Config: &lang.Config{StateDir: t.TempDir()}}
	for n := range keptRecords + 5 {
		record(t, s, providers.BackupID(fmt.Sprintf("prod-20260101T0000%02dZ", n)), journal.Record{Type: journal.RunDone})
	}
	if err := os.MkdirAll(s.Catalog().Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.Catalog().Dir, "prod-20260101T000000Z.json"), []byte("torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.TidyRecords()
	if left, err := s.recorded(); err != nil || len(left) != keptRecords+5 {
		t.Errorf("%d left, %v", len(left), err)
	}
}
