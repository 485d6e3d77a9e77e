package tree

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/archive/internal/document"
	"bkp/providers/archive/place"
)

const (
	manifestDamaged = "manifest is damaged"
	manifestMissing = "manifest is missing"
	rebuildRemedy   = "bring it back; or make it again from the indexes, if all that is in the trees fits them:\n\n    bkp list --refresh\n"
	restoreOther    = "do not rely on this backup; verify the others, and find out what damages the storage"

	// maxManifest bounds the memory that a damaged archive may take.
	maxManifest = 64 << 20
)

// commit writes the manifest. From then on the backup is there.
func (a *archive) commit(ctx context.Context, m providers.Manifest, stored providers.Stored) error {
	m = document.Inner(m)
	m.Stored = []providers.Stored{stored}
	data, err := document.Seal("manifest", m)
	if err != nil {
		return err
	}
	return a.place.Create(ctx, place.Name(m.ID, manifestObject), func(w io.Writer) error {
		_, err := io.Copy(w, bytes.NewReader(data))
		return err
	})
}

// openManifest reads what commit wrote of a backup here.
func openManifest(data []byte, b providers.BackupID) (providers.Manifest, error) {
	m, err := document.Open[providers.Manifest]("manifest", data)
	if err != nil {
		return m, err
	}
	if err := document.Check(m, b); err != nil {
		return m, err
	}
	if len(m.Stored) != 1 {
		return m, fmt.Errorf("it names %d archives", len(m.Stored))
	}
	for address, p := range m.Stored[0].Parts {
		if _, known := m.Artifact(address); !known {
			return m, fmt.Errorf("it has a part %q, and no such artifact", address)
		}
		if err := errors.Join(plausible(p), plausibleObjects(document.PartName(address), p.Objects)); err != nil {
			return m, fmt.Errorf("part %q: %w", address, err)
		}
	}
	return m, checkNames(m)
}

// plausibleObjects expects a tree and its index.
func plausibleObjects(name string, all []providers.Object) error {
	if len(all) != 2 || all[0].Name != name || all[1].Name != name+indexSuffix {
		return fmt.Errorf("its objects cannot be %v", all)
	}
	for _, o := range all {
		if sum, err := hex.DecodeString(o.SHA256); err != nil || len(sum) != 32 || o.Bytes < 0 {
			return fmt.Errorf("its object cannot be %v", o)
		}
	}
	return nil
}

// load reads the manifest of b. It says where the backup lies now.
func (a *archive) load(ctx context.Context, b providers.BackupID) (providers.Manifest, error) {
	name := place.Name(b, manifestObject)
	data, err := a.readManifest(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		return providers.Manifest{}, fmt.Errorf("%w: %s in %s", providers.ErrNotFound, b, a.dir)
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
