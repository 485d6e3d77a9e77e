package tar

import (
	"context"
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
	rebuildRemedy   = "bring it back; or make it again from the parts, if all that is in them fits its checksums:\n\n    bkp list --refresh\n"
	restoreOther    = "do not rely on this backup; verify the others, and find out what damages the storage"

	// maxManifest bounds the memory that a damaged archive may take.
	maxManifest = 64 << 20
)

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
	if errors.Is(err, place.ErrUnavailable) {
		return providers.Manifest{}, err
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
