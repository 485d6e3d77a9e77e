// Package document is what archives of several formats write beside their parts: the
// manifest, sealed with a digest of its own, and the names of the parts.
//
// It leaves out where documents lie, and what a part is.
package document

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"bkp/internal/problem"
	"bkp/providers"
)

// newer is the summary of what a later version wrote.
const newer = "manifest is of a newer version"

// Seal writes a value under a name with the digest of its own bytes.
func Seal(name string, value any) ([]byte, error) {
	body, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return nil, err
	}
	return LayOut(name, Digest(body), body), nil
}

// LayOut is the only form in which anything sealed is written.
func LayOut(name, sum string, body []byte) []byte {
	return fmt.Appendf(nil, "{\n\"sha256\": %q,\n%q: %s\n}\n", sum, name, body)
}

// Open reads what Seal wrote. Not a bit may differ: what is not covered by
// the digest is compared with the one form it can have.
func Open[T any](name string, data []byte) (T, error) {
	var value T
	var sealed map[string]json.RawMessage
	if err := json.Unmarshal(data, &sealed); err != nil {
		return value, err
	}
	body := sealed[name]
	if !bytes.Equal(LayOut(name, Digest(body), body), data) {
		return value, errors.New("it does not match its own digest")
	}
	return value, json.Unmarshal(body, &value)
}

// Digest is SHA-256 in hexadecimal.
func Digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// Check refuses what is not a manifest of b, or one of a newer version.
func Check(m providers.Manifest, b providers.BackupID) error {
	if m.Format > providers.ManifestFormat {
		return problem.New(newer, fmt.Sprintf("format %d, this version of bkp reads up to %d", m.Format, providers.ManifestFormat),
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

// maxArtifacts is far beyond what an instance has, Mesh nodes included.
const maxArtifacts = 10_000

// plausible refuses a manifest that no archive can have written. Its
// digest shows that nobody damaged it, not that nobody forged it, and what
// follows adds its numbers up and looks for its objects.
func plausible(m providers.Manifest) error {
	if _, err := providers.ParseBackupID(string(m.ID)); err != nil {
		return err
	}
	if m.Format < 1 {
		return fmt.Errorf("it has the format %d", m.Format)
	}
	if len(m.Artifacts) > maxArtifacts {
		return fmt.Errorf("it lists %d artifacts", len(m.Artifacts))
	}
	for _, art := range m.Artifacts {
		if len(art.Trees) > 0 {
			return fmt.Errorf("artifact %q: it names the folder %q, which no archive does", art.Address, art.Trees[0].Path)
		}
	}
	return CheckAddresses(m)
}

// Inner is the manifest as the records of the parts have it: nothing is known
// there of archives, nor of paths of the machine that wrote it.
func Inner(m providers.Manifest) providers.Manifest {
	m.Stored = nil
	arts := make([]providers.Artifact, len(m.Artifacts))
	for i, art := range m.Artifacts {
		art.Trees = nil
		arts[i] = art
	}
	m.Artifacts = arts
	return m
}

// Same compares manifests as they are written.
func Same(a, b providers.Manifest) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}
