package tar

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/archive/place"
)

const (
	manifestDamaged = "manifest is damaged"
	manifestMissing = "manifest is missing"
	manifestNewer   = "manifest is of a newer version"
	rebuildRemedy   = "bring it back; or make it again from the parts, if all that is in them fits its checksums:\n\n    bkp list --refresh\n"
	restoreOther    = "do not rely on this backup; verify the others, and find out what damages the storage"

	// maxManifest bounds the memory that a damaged archive may take.
	maxManifest = 64 << 20
)

// seal writes a value under a name with the digest of its own bytes.
func seal(name string, value any) ([]byte, error) {
	body, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return nil, err
	}
	return layOut(name, digestOf(body), body), nil
}

// layOut is the only form in which anything sealed is written.
func layOut(name, sum string, body []byte) []byte {
	return fmt.Appendf(nil, "{\n\"sha256\": %q,\n%q: %s\n}\n", sum, name, body)
}

// unseal reads what seal wrote. Not a bit may differ: what is not covered by
// the digest is compared with the one form it can have.
func unseal[T any](name string, data []byte) (T, error) {
	var value T
	var sealed map[string]json.RawMessage
	if err := json.Unmarshal(data, &sealed); err != nil {
		return value, err
	}
	body := sealed[name]
	if !bytes.Equal(layOut(name, digestOf(body), body), data) {
		return value, errors.New("it does not match its own digest")
	}
	return value, json.Unmarshal(body, &value)
}

func digestOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func sealManifest(m providers.Manifest) ([]byte, error) { return seal("manifest", m) }

// openManifest reads what sealManifest wrote of a backup here.
func openManifest(data []byte, b providers.BackupID) (providers.Manifest, error) {
	m, err := unseal[providers.Manifest]("manifest", data)
	if err != nil {
		return m, err
	}
	if err := checkManifest(m, b); err != nil {
		return m, err
	}
	if len(m.Stored) != 1 {
		return m, fmt.Errorf("it names %d archives", len(m.Stored))
	}
	return m, plausibleParts(m, m.Stored[0])
}

// checkManifest refuses what is not a manifest of b, or one of a newer version.
func checkManifest(m providers.Manifest, b providers.BackupID) error {
	if m.Format > providers.ManifestFormat {
		return problem.New(manifestNewer, fmt.Sprintf("format %d, this version of bkp reads up to %d", m.Format, providers.ManifestFormat),
			"use a newer version of bkp")
	}
	if err := plausible(m); err != nil {
		return err
	}
	if m.ID != b {
		return fmt.Errorf("it is of backup %s", m.ID)
	}
	return nil
}

// load reads the manifest of b. It says where the backup lies now.
func (a *archive) load(ctx context.Context, b providers.BackupID) (providers.Manifest, error) {
	name := place.Name(b, manifestObject)
	data, err := a.readManifest(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		return providers.Manifest{}, fmt.Errorf("%w: %s in %s", providers.ErrNotFound, b, a.place.Destination().Name)
	}
	if ctx.Err() != nil {
		return providers.Manifest{}, context.Cause(ctx)
	}
	if err != nil {
		return providers.Manifest{}, problem.Wrap(err, "manifest cannot be read", "let the user that runs bkp read it")
	}
	m, err := openManifest(data, b)
	var known *problem.Problem
	switch {
	case errors.As(err, &known):
		return m, problem.New(known.Summary, a.place.At(name)+": "+known.Detail, known.Remedy)
	case err != nil:
		return m, problem.Wrapf(err, manifestDamaged, restoreOther, "%s", a.place.At(name))
	}
	m.Stored[0].Archive, m.Stored[0].Location = a.env.Address, a.place.At(string(b))
	return m, nil
}

func (a *archive) readManifest(ctx context.Context, name string) ([]byte, error) {
	r, err := a.place.Open(ctx, name, 0, maxManifest+1)
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	data, err := io.ReadAll(r)
	if err == nil && len(data) > maxManifest {
		err = fmt.Errorf("%s has more than %d bytes", a.place.At(name), maxManifest)
	}
	return data, err
}

// inner is the manifest as the records of the parts have it: nothing is known
// there of archives, nor of paths of the machine that wrote it.
func inner(m providers.Manifest) providers.Manifest {
	m.Stored = nil
	arts := make([]providers.Artifact, len(m.Artifacts))
	for i, art := range m.Artifacts {
		art.Trees = nil
		arts[i] = art
	}
	m.Artifacts = arts
	return m
}

// same compares manifests as they are written.
func same(a, b providers.Manifest) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}
