//go:build unix

package snapshots

import (
	"os"
	"path/filepath"
	"testing"

	"bkp/providers"
	"bkp/providers/providertest"
	"bkp/providers/providertest/example/snapshot"
)

func TestArchiver(t *testing.T) {
	providertest.RunArchiver(t, func(t *testing.T) providertest.Shelf {
		home, storage := t.TempDir(), t.TempDir()
		if err := os.WriteFile(filepath.Join(home, "file"), []byte("content"), 0o600); err != nil {
			t.Fatal(err)
		}
		const address = "home.example_snapshot.shared"
		strategy := func(t *testing.T) providers.Strategy {
			d := snapshot.Definition()
			cfg := d.NewConfig().(*snapshot.Config)
			cfg.Path, cfg.Storage = home, storage
			s, err := providers.Homes.Open(d, cfg, providers.Env{Address: address})
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		return providertest.Shelf{
			New: func(t *testing.T, state string) providers.Archiver {
				d := Definition()
				a, err := providers.Archives.Open(d, d.NewConfig(), providers.Env{
					Address: providertest.Address, WorkDir: filepath.Join(storage, state), Keepers: map[string]providers.Keeper{address: strategy(t).(providers.Keeper)},
				})
				if err != nil {
					t.Fatal(err)
				}
				return a
			},
			Capture: func(t *testing.T, b providers.BackupID) providers.Manifest {
				a, err := strategy(t).Capture(t.Context(), b)
				if err != nil {
					t.Fatal(err)
				}
				return providers.Manifest{Format: providers.ManifestFormat, ID: b, Instance: "test", Artifacts: []providers.Artifact{a}}
			},
		}
	})
}
