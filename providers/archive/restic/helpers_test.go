package restic

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"bkp/internal/host"
	"bkp/internal/lab/bed"
	"bkp/internal/secret"
	"bkp/providers"
	"bkp/providers/providertest"
)

const (
	id       = providertest.ID
	later    = providertest.Later
	artifact = "home.mirror.shared"
	dumped   = `database.postgresql.main["a,b"]`
)

// open opens an archive as a process with that state folder would.
func open(t *testing.T, repository, state string, set func(*Config)) *archive {
	t.Helper()
	d := Definition()
	cfg := d.NewConfig().(*Config)
	cfg.Repository, cfg.Password, cfg.Init, cfg.Binary, cfg.ReadShare = repository, secret.New("a password"), true, bed.Tool(t, "restic"), 1
	if set != nil {
		set(cfg)
	}
	if problems := cfg.ValidateConfig(); len(problems) > 0 {
		t.Fatal(problems)
	}
	a, err := providers.Archives.Open(d, cfg, providers.Env{
		Address: providertest.Address, Host: &host.Host{}, Parallelism: 2, WorkDir: state,
		Instance: providers.Instance{Name: "test"}, Warn: func(message string) { t.Log(message) },
	})
	must(t, err)
	return a.(*archive)
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644))
}

// manifest is that of a backup of these trees; without a tree an artifact lies in
// another.
func manifest(b providers.BackupID, trees map[string]string) providers.Manifest {
	m := providers.Manifest{Format: providers.ManifestFormat, ID: b, Instance: "test", Tool: "test", Created: b.Time()}
	var addresses []string
	for address := range trees {
		addresses = append(addresses, address)
	}
	slices.Sort(addresses)
	for _, address := range addresses {
		a := providers.Artifact{Address: address, Life: providers.Contained, PointInTime: b.Time()}
		if trees[address] != "" {
			a.Life, a.Trees = providers.Staged, providers.OneTree(trees[address])
		}
		m.Artifacts = append(m.Artifacts, a)
	}
	return m
}

// noise is content that cannot be compressed.
func noise(n int) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = byte(rand.IntN(256))
	}
	return out
}

// left are the snapshots of a backup in the repository.
func left(t *testing.T, a *archive, b providers.BackupID) set {
	t.Helper()
	all, err := a.snapshots(t.Context(), b, true)
	must(t, err)
	return all
}

// later is a time that no file of a test has.
var old = time.Unix(1234567890, 123456789)
