package engine

import (
	"testing"
	"time"

	"bkp/internal/records/catalog"
	"bkp/internal/records/journal"
	"bkp/lang"
	"bkp/providers"
)

// TestIDsNeverGoBackwards: the clock was set back, or two runs begin within one
// second.
func TestIDsNeverGoBackwards(t *testing.T) {
	now := time.Date(2026, 11, 22, 21, 44, 31, 500, time.UTC)
	cases := map[string]struct {
		journal, catalog, want providers.BackupID
	}{
		"nothing yet":              {"", "", "prod-20261122T214431Z"},
		"an earlier run":           {"prod-20261122T214430Z", "", "prod-20261122T214431Z"},
		"within the same second":   {"prod-20261122T214431Z", "", "prod-20261122T214432Z"},
		"the clock was set back":   {"prod-20261123T034431Z", "", "prod-20261123T034432Z"},
		"only the catalog is left": {"", "prod-20270101T000000Z", "prod-20270101T000001Z"},
		"another instance":         {"other-20270101T000000Z", "", "prod-20261122T214431Z"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := &Engine{Front: silent{}, Config: &lang.Config{StateDir: t.TempDir()}}
			if c.journal != "" {
				j, err := journal.Create(s.journalDir(), c.journal)
				if err != nil {
					t.Fatal(err)
				}
				if err := j.Close(); err != nil {
					t.Fatal(err)
				}
			}
			if c.catalog != "" {
				if err := s.Catalog().Put(catalog.Entry{Manifest: providers.Manifest{ID: c.catalog}}); err != nil {
					t.Fatal(err)
				}
			}
			if got := providers.NewBackupID("prod", s.after("prod", now)); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}
