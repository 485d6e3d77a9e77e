package tar

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strings"

	"bkp/providers"
)

// maxArtifacts is far beyond what an instance has, Mesh nodes included.
const maxArtifacts = 10_000

// plausible refuses a manifest that this package cannot have written. Its
// digest tells that nobody damaged it, not that nobody forged it, and what
// follows adds its numbers up and looks for its files.
func plausible(m providers.Manifest) error {
	if _, err := providers.ParseBackupID(string(m.ID)); err != nil {
		return err
	}
	if m.Format < 1 {
		return fmt.Errorf("it has the format %d", m.Format)
	}
	if len(m.Artifacts) > maxArtifacts {
		return fmt.Errorf("it tells of %d artifacts", len(m.Artifacts))
	}
	var files, bytes int64
	for _, art := range m.Artifacts {
		if err := plausibleArtifact(art); err != nil {
			return fmt.Errorf("artifact %q: %w", art.Address, err)
		}
		if art.Files > math.MaxInt64-files || art.Bytes > math.MaxInt64-bytes {
			return errors.New("its artifacts have more bytes than there can be")
		}
		files, bytes = files+art.Files, bytes+art.Bytes
	}
	if err := checkAddresses(m); err != nil {
		return err
	}
	for _, s := range m.Stored {
		if s.Bytes < 0 || !digestOrNone(s.SHA256) {
			return fmt.Errorf("size %d or digest %q of the file cannot be", s.Bytes, s.SHA256)
		}
	}
	return nil
}

func plausibleArtifact(art providers.Artifact) error {
	switch {
	case len(art.Trees) > 0:
		return fmt.Errorf("it names the folder %q, which no archive does", art.Trees[0].Path)
	case art.Files < 0 || art.Bytes < 0 || art.Holes < 0 || art.Holes > art.Bytes:
		return fmt.Errorf("it has %d entries with %d bytes, %d of them holes", art.Files, art.Bytes, art.Holes)
	case !digestOrNone(art.SHA256):
		return fmt.Errorf("%q is no digest", art.SHA256)
	case art.SHA256 == "" && (art.Files > 0 || art.Bytes > 0):
		return errors.New("it has content and no digest")
	}
	return nil
}

func digestOrNone(text string) bool {
	b, err := hex.DecodeString(text)
	return err == nil && (len(b) == 0 || len(b) == 32) && text == strings.ToLower(text)
}
