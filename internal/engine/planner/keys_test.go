package planner

import (
	"context"
	"strings"
	"testing"
	"time"

	"bkp/internal/records/catalog"
	"bkp/providers"
)

// sealing is an archive that encrypts.
type sealing struct {
	providers.Archiver
	recipients []string
}

func (s sealing) Recipients(context.Context) ([]string, error) { return s.recipients, nil }

func (sealing) Decrypts(context.Context, providers.BackupID) error { return nil }

func (sealing) Proves(context.Context, providers.BackupID) ([]string, error) { return nil, nil }

func TestKeysThatNobodyProved(t *testing.T) {
	t.Parallel()
	backup := func(id providers.BackupID, recipients ...string) providers.Manifest {
		return providers.Manifest{ID: id, Created: id.Time(), Stored: []providers.Stored{{Archive: "archive.tar.a", Sealed: &providers.Sealed{Method: "age", Recipients: recipients}}}}
	}
	const older, newer = providers.BackupID("prod-20261121T000000Z"), providers.BackupID("prod-20261122T000000Z")
	for name, c := range map[string]struct {
		history []providers.Manifest
		proven  map[string]catalog.KeyProof
		want    []string // of each warning
	}{
		"before the first backup": {nil, nil, nil},
		"nobody":                  {[]providers.Manifest{backup(newer, "one", "two"), backup(older, "one")}, nil, []string{string(newer), string(newer)}},
		"one":                     {[]providers.Manifest{backup(older, "one", "two")}, map[string]catalog.KeyProof{"one": {At: time.Now()}}, []string{"for two"}},
		"one came later":          {[]providers.Manifest{backup(newer, "one"), backup(older, "one")}, nil, []string{"for one"}},
		"not encrypted":           {[]providers.Manifest{{ID: newer, Stored: []providers.Stored{{Archive: "archive.tar.a"}}}}, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := &planning{Request: Request{
				Archives: []Archive{{Address: "archive.tar.a", Archiver: sealing{recipients: []string{"one", "two"}}}}, History: c.history, ProvenKeys: c.proven,
			}}
			p.keys(t.Context())
			if len(p.result.Findings) != len(c.want) {
				t.Fatalf("found %v", p.result.Findings)
			}
			for i, f := range p.result.Findings {
				if !strings.Contains(f.Detail+f.Remedy, c.want[i]) {
					t.Errorf("%v does not have %q", f, c.want[i])
				}
			}
		})
	}
}
