package journal_test

import (
	"os"
	"path/filepath"
	"testing"

	"bkp/internal/records/journal"
	"bkp/providers"
)

// TestADamagedRecordHidesNoLock: neither that of another run, nor the one that
// stands before the damage.
func TestADamagedRecordHidesNoLock(t *testing.T) {
	dir := t.TempDir()
	for _, id := range []providers.BackupID{"prod-20261122T000000Z", "test-20261123T000000Z"} {
		j, err := journal.Create(dir, id)
		if err != nil {
			t.Fatal(err)
		}
		if err := j.Sync(journal.Record{Type: journal.Locked, UnlockToken: "token"}); err != nil {
			t.Fatal(err)
		}
		_ = j.Close()
	}
	f, err := os.OpenFile(filepath.Join(dir, "prod-20261122T000000Z.jsonl"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("damage\n"); err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	runs, err := journal.Unfinished(dir)
	if err == nil || len(runs) != 2 || runs[0].UnlockToken != "token" {
		t.Errorf("got %+v, %v", runs, err)
	}
}
