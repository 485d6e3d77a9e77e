package catalog_test

import (
	"os"
	"path/filepath"
	"testing"

	"bkp/internal/records/catalog"
	"bkp/providers"
)

// FuzzGet proves that no entry makes the catalog panic, or pass for another
// backup's.
func FuzzGet(f *testing.F) {
	const id = providers.BackupID("prod-20261122T000000Z")
	for _, text := range []string{
		"", "{", "null", "[]", `{"manifest":{"format":1,"id":"prod-20261122T000000Z"},"status":"complete"}`,
		`{"manifest":{"format":99,"id":"prod-20261122T000000Z"}}`, `{"manifest":{"id":"prod-20261121T000000Z"}}`, `{"manifest":{"id":"../x"}}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c := catalog.Catalog{Dir: t.TempDir()}
		if err := os.WriteFile(filepath.Join(c.Dir, string(id)+".json"), text, 0o600); err != nil {
			t.Fatal(err)
		}
		e, err := c.Get(id)
		list, bad := c.List()
		if len(list)+len(bad) != 1 || (err == nil) != (len(list) == 1) {
			t.Errorf("%d entries, %d bad ones, %v", len(list), len(bad), err)
		}
		if err == nil && (e.Manifest.ID != id || e.Manifest.Format > providers.ManifestFormat) {
			t.Errorf("it is %+v", e.Manifest)
		}
	})
}
