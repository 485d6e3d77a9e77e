package tar

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/providers"
)

const (
	manifestDamaged = "manifest is damaged"
	manifestMissing = "manifest is missing"
	manifestNewer   = "manifest is of a newer version"
	rebuildRemedy   = "bring it back; or make it again from the archive, if all that is in there fits its checksums:\n\n    bkp list --refresh\n"
	restoreOther    = "do not rely on this backup; verify the others, and find out what damages the storage"
)

// envelope protects the manifest beside the archive, whose digest it holds.
type envelope struct {
	SHA256   string          `json:"sha256"`
	Manifest json.RawMessage `json:"manifest"`
}

// seal writes a manifest with the digest of its own bytes.
func seal(m providers.Manifest) ([]byte, error) {
	body, err := encodeManifest(m)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(body)
	return layOut(hex.EncodeToString(sum[:]), body), nil
}

// layOut is the only form in which a sealed manifest is written.
func layOut(sum string, body []byte) []byte {
	return fmt.Appendf(nil, "{\n\"sha256\": %q,\n\"manifest\": %s\n}\n", sum, body)
}

// unseal reads what seal wrote. Not a bit may differ: what is not covered by
// the digest is compared with the one form it can have.
func unseal(data []byte) (providers.Manifest, error) {
	var e envelope
	if err := json.Unmarshal(data, &e); err != nil {
		return providers.Manifest{}, err
	}
	sum := sha256.Sum256(e.Manifest)
	if hex.EncodeToString(sum[:]) != e.SHA256 || !bytes.Equal(layOut(e.SHA256, e.Manifest), data) {
		return providers.Manifest{}, errors.New("it does not match its own digest")
	}
	return decodeManifest(e.Manifest)
}

// openManifest reads a manifest as it lies inside an archive. Only one that is
// sealed can be trusted without the one beside it.
func openManifest(data []byte) (m providers.Manifest, sealed bool, err error) {
	var e envelope
	if err := json.Unmarshal(data, &e); err != nil {
		return m, false, err
	}
	if e.Manifest == nil && e.SHA256 == "" {
		m, err = decodeManifest(data)
		return m, false, err
	}
	m, err = unseal(data)
	return m, true, err
}

func encodeManifest(m providers.Manifest) ([]byte, error) { return json.MarshalIndent(m, "", "  ") }

func decodeManifest(data []byte) (providers.Manifest, error) {
	var m providers.Manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return m, err
	}
	if m.Format > providers.ManifestFormat {
		return m, problem.New(manifestNewer, fmt.Sprintf("format %d, this version of bkp reads up to %d", m.Format, providers.ManifestFormat),
			"use a newer version of bkp")
	}
	return m, plausible(m)
}

// load reads the manifest beside the archive of b.
func (a *archive) load(b providers.BackupID) (providers.Manifest, error) {
	path := a.manifestPath(b)
	data, err := host.ReadRegular(path, maxManifest)
	if errors.Is(err, fs.ErrNotExist) {
		return providers.Manifest{}, fmt.Errorf("%w: %s in %s", providers.ErrNotFound, b, a.cfg.Destination)
	}
	if err != nil {
		return providers.Manifest{}, problem.Wrap(err, "manifest cannot be read", "let the user that runs bkp read it")
	}
	m, err := unseal(data)
	if err == nil && m.ID != b {
		err = fmt.Errorf("it is of backup %s", m.ID)
	}
	var known *problem.Problem
	switch {
	case errors.As(err, &known):
		err = problem.New(known.Summary, path+": "+known.Detail, known.Remedy)
	case err != nil:
		err = problem.Wrapf(err, manifestDamaged, restoreOther, "%s", path)
	}
	return m, err
}

// inner is the manifest as it lies inside the archive, where nothing is known
// of the file around it nor of paths of the machine that wrote it.
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

// writeFile writes data beside path, and renames it once it is safe on disk.
func writeFile(path string, data []byte) error {
	partial := partialPath(path)
	f, err := createPartial(partial)
	if err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		return errors.Join(err, f.Close(), os.Remove(partial)) // what is torn never gets the name
	}
	if err := commit(f, path); err != nil {
		return errors.Join(err, os.RemoveAll(partial))
	}
	return nil
}

func createPartial(path string) (*os.File, error) {
	if err := os.RemoveAll(path); err != nil {
		return nil, err
	}
	return os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
}

// commit makes a partial file safe on disk and gives it its name. It closes f
// in any case.
func commit(f *os.File, path string) error {
	err := f.Sync()
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

// syncFolder makes renames and removals in a folder safe on disk.
func syncFolder(path string) error {
	if runtime.GOOS == "windows" {
		return nil // has no such call for folders
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
