package catalog_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"bkp/internal/records/catalog"
	"bkp/providers"
)

func TestTheLastProofOutlivesItsBackup(t *testing.T) {
	c := catalog.Catalog{Dir: t.TempDir()}
	const url = "https://bitbucket.example.com"
	put := func(id providers.BackupID, day int, proven bool) {
		t.Helper()
		if err := c.PutDrill(catalog.Drill{Backup: id, URL: url, At: time.Date(2026, 11, day, 0, 0, 0, 0, time.UTC), Proven: proven}); err != nil {
			t.Fatal(err)
		}
	}
	last := func(instance string) providers.BackupID {
		t.Helper()
		d, err := c.LastProven(instance, url)
		if err != nil {
			t.Fatal(err)
		}
		if d == nil {
			return ""
		}
		return d.Backup
	}
	if got := last("prod"); got != "" {
		t.Errorf("nothing was proven, and %s is", got)
	}
	put("prod-20261101T000000Z", 2, true)
	put("prod-20261103T000000Z", 4, false)
	put("other-20261103T000000Z", 5, true)
	if got := last("prod"); got != "prod-20261101T000000Z" {
		t.Errorf("last proven: %s", got)
	}
	// The proof of another environment's instance of the same name is none.
	if d, err := c.LastProven("prod", "https://staging.example.com"); d != nil || err != nil {
		t.Errorf("proven for another URL: %v %v", d, err)
	}
	staging := catalog.Drill{Backup: "prod-20261109T000000Z", URL: "https://staging.example.com", At: time.Date(2026, 11, 9, 0, 0, 0, 0, time.UTC), Proven: true}
	if err := c.PutDrill(staging); err != nil {
		t.Fatal(err)
	}
	if got := last("prod"); got != "prod-20261101T000000Z" {
		t.Errorf("last proven, after that of another URL: %s", got)
	}
	// The backups are gone, but the proof stays until there is a newer one.
	put("prod-20261105T000000Z", 6, true)
	if got := last("prod"); got != "prod-20261105T000000Z" {
		t.Errorf("last proven: %s", got)
	}
	if d, err := c.Drill("prod-20261101T000000Z"); d != nil || err != nil {
		t.Errorf("a drill of a backup that is gone is kept: %v %v", d, err)
	}
	if list, bad := c.List(); len(list)+len(bad) != 0 {
		t.Errorf("drills are listed as backups: %v %v", list, bad)
	}
	if err := os.WriteFile(filepath.Join(c.Dir, "drills", "prod-20261105T000000Z.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := c.LastProven("prod", url); err == nil {
		t.Error("a damaged record is no error")
	}
}
