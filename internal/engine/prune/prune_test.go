package prune_test

import (
	"context"
	"errors"
	"testing"

	"bkp/internal/engine/prune"
	"bkp/internal/records/catalog"
	"bkp/providers"
)

// archiver deletes by a function.
type archiver struct {
	providers.Archiver
	deletes func() error
}

func (a archiver) Delete(context.Context, providers.BackupID) error { return a.deletes() }

// TestRemove takes a backup off the list before it is deleted and afterwards, and puts it back if it
// was not.
func TestRemove(t *testing.T) {
	const id, address = providers.BackupID("prod-20261122T214431Z"), "archive.x.y"
	entry := catalog.Entry{Manifest: providers.Manifest{Format: providers.ManifestFormat, ID: id, Instance: "prod", Stored: []providers.Stored{{Archive: address}}}, Status: catalog.Complete}
	for name, test := range map[string]struct {
		meanwhile func(catalog.Catalog) error
		listed    bool
	}{
		"deleted":             {func(catalog.Catalog) error { return nil }, false},
		"refreshed meanwhile": {func(c catalog.Catalog) error { return c.Put(entry) }, false},
		"not deleted":         {func(catalog.Catalog) error { return errors.New("it is in use") }, true},
		"killed before it is deleted": {func(c catalog.Catalog) error {
			if _, err := c.Get(id); !errors.Is(err, providers.ErrNotFound) {
				t.Errorf("it is on the list while it is deleted: %v", err)
			}
			return nil
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			c := catalog.Catalog{Dir: t.TempDir()}
			if err := c.Put(entry); err != nil {
				t.Fatal(err)
			}
			gone, err := prune.Remove(t.Context(), c, address, archiver{deletes: func() error { return test.meanwhile(c) }}, []providers.BackupID{id})
			if (err != nil) != test.listed || (len(gone) == 0) != test.listed {
				t.Errorf("gone: %v, %v", gone, err)
			}
			if _, err := c.Get(id); (err == nil) != test.listed {
				t.Errorf("on the list: %v, want %v", err, test.listed)
			}
		})
	}
}
