package catalog_test

import (
	"testing"

	"bkp/internal/records/catalog"
	"bkp/providers"
)

// TestTheOnlyCopyIsHeld: cleaning up after a run that was killed must not remove
// what a backup on the list needs.
func TestTheOnlyCopyIsHeld(t *testing.T) {
	const address = "home.fake.a"
	in := func(address string) []providers.Stored {
		return []providers.Stored{{Archive: "archive.tar.local", Parts: map[string]providers.Part{address: {Files: 1}}}}
	}
	stored, other := in(address), in("database.fake.a")
	entry := func(s catalog.Status, life providers.Life, stored []providers.Stored) catalog.Entry {
		a := providers.Artifact{Address: address, Life: life}
		return catalog.Entry{Status: s, Manifest: providers.Manifest{Artifacts: []providers.Artifact{a}, Stored: stored}}
	}
	cases := map[string]struct {
		entry catalog.Entry
		holds bool
	}{
		"captured":                    {entry(catalog.Captured, providers.Staged, nil), true},
		"captured, pending":           {entry(catalog.Captured, providers.Pending, nil), true},
		"half stored":                 {entry(catalog.Captured, providers.Staged, stored), true},
		"of another component":        {catalog.Entry{Status: catalog.Captured}, false},
		"complete without archive":    {entry(catalog.Complete, providers.Staged, nil), true},
		"complete in an archive":      {entry(catalog.Complete, providers.Staged, stored), false},
		"not the part in the archive": {entry(catalog.Complete, providers.Staged, other), true},
		"native":                      {entry(catalog.Complete, providers.Native, other), true},
		"contained":                   {entry(catalog.Complete, providers.Contained, other), false},
		"superseded":                  {entry(catalog.Superseded, providers.Staged, nil), false},
	}
	for name, c := range cases {
		if got := c.entry.Holds(address); got != c.holds {
			t.Errorf("%s: holds: %t", name, got)
		}
	}
}
