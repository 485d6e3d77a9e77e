package catalog_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"bkp/internal/records/catalog"
	"bkp/providers"
)

func TestCatalogKeepsBackups(t *testing.T) {
	c := catalog.Catalog{Dir: filepath.Join(t.TempDir(), "catalog")}
	if list, bad := c.List(); len(list)+len(bad) != 0 {
		t.Errorf("a new catalog lists %v, %v", list, bad)
	}
	for _, id := range []providers.BackupID{"prod-20261120T000000Z", "prod-20261122T000000Z", "prod-20261121T000000Z"} {
		e := catalog.Entry{Manifest: providers.Manifest{Format: providers.ManifestFormat, ID: id}, Status: catalog.Complete}
		if err := c.Put(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(c.Dir, "prod-20261119T000000Z.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	list, bad := c.List()
	if len(list) != 3 || list[0].Manifest.ID != "prod-20261122T000000Z" || len(bad) != 1 {
		t.Errorf("list %v, bad %v", list, bad)
	}
	if err := errors.Join(c.Remove("prod-20261122T000000Z"), c.Remove("prod-20261122T000000Z")); err != nil {
		t.Error(err)
	}
	if _, err := c.Get("prod-20261122T000000Z"); !errors.Is(err, providers.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	if err := c.Put(catalog.Entry{Manifest: providers.Manifest{ID: "../../etc/passwd"}}); err == nil {
		t.Error("an id led out of the folder")
	}
}

func TestAnEntryFromTheFutureIsRefused(t *testing.T) {
	c := catalog.Catalog{Dir: t.TempDir()}
	e := catalog.Entry{Manifest: providers.Manifest{Format: providers.ManifestFormat + 1, ID: "prod-20261120T000000Z"}}
	if err := c.Put(e); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Get(e.Manifest.ID); err == nil {
		t.Error("read it")
	}
}

// TestCleanRemovesWhatAKilledPutLeft, and nothing else.
func TestCleanRemovesWhatAKilledPutLeft(t *testing.T) {
	c := catalog.Catalog{Dir: t.TempDir()}
	e := catalog.Entry{Manifest: providers.Manifest{Format: providers.ManifestFormat, ID: "prod-20261120T000000Z"}}
	if err := c.Put(e); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{".prod-20261120T000000Z.json8217507752204317521", "notes", ".notes", "prod-20261120T000000Z.json.bak"} {
		if err := os.WriteFile(filepath.Join(c.Dir, name), []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Clean(); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(c.Dir)
	if err != nil || len(left) != 4 {
		t.Errorf("left %v, %v", left, err)
	}
	if _, err := c.Get(e.Manifest.ID); err != nil {
		t.Error(err)
	}
	if err := (catalog.Catalog{Dir: filepath.Join(c.Dir, "none")}).Clean(); err != nil {
		t.Error(err)
	}
}

// TestPutKeepsToItsFolder: what is not complete yet never lies where all users
// of the machine have their temporary files.
func TestPutKeepsToItsFolder(t *testing.T) {
	elsewhere := t.TempDir()
	t.Setenv("TMPDIR", elsewhere)
	before, err := os.Stat(elsewhere)
	if err != nil {
		t.Fatal(err)
	}
	c := catalog.Catalog{Dir: t.TempDir()}
	if err := c.Put(catalog.Entry{Manifest: providers.Manifest{ID: "prod-20261120T000000Z"}}); err != nil {
		t.Fatal(err)
	}
	if after, err := os.Stat(elsewhere); err != nil || !after.ModTime().Equal(before.ModTime()) {
		t.Errorf("something was written there: %v", err)
	}
}
