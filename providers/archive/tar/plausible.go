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
	return checkAddresses(m)
}

// plausibleParts refuses parts that this package cannot have written.
func plausibleParts(m providers.Manifest, stored providers.Stored) error {
	var files, bytes, size int64
	for address, p := range stored.Parts {
		if _, ok := m.Artifact(address); !ok {
			return fmt.Errorf("it has a part %q, and no such artifact", address)
		}
		if err := errors.Join(plausiblePart(p), plausibleObject(stored.Sealed, address, p)); err != nil {
			return fmt.Errorf("part %q: %w", address, err)
		}
		if p.Files > math.MaxInt64-files || p.Bytes > math.MaxInt64-bytes || p.StoredBytes > math.MaxInt64-size {
			return errors.New("its parts have more bytes than there can be")
		}
		files, bytes, size = files+p.Files, bytes+p.Bytes, size+p.StoredBytes
	}
	return nil
}

// plausibleObject expects the one name that the object of a part has.
func plausibleObject(s *providers.Sealed, address string, p providers.Part) error {
	f, ok := formatOf(p.Object)
	if !ok || p.Object != partName(address)+f.suffix {
		return fmt.Errorf("its object cannot be %q", p.Object)
	}
	if method := methodOf(s); f.method != method {
		return fmt.Errorf("its object %q is not encrypted as the manifest says: %q", p.Object, method)
	}
	if p.StoredBytes < 0 {
		return fmt.Errorf("its object has %d bytes", p.StoredBytes)
	}
	return nil
}

func plausiblePart(p providers.Part) error {
	if p.Files < 0 || p.Bytes < 0 || p.Holes < 0 || p.Holes > p.Bytes {
		return fmt.Errorf("it has %d entries with %d bytes, %d of them holes", p.Files, p.Bytes, p.Holes)
	}
	if sum, err := hex.DecodeString(p.SHA256); err != nil || len(sum) != 32 || p.SHA256 != strings.ToLower(p.SHA256) {
		return fmt.Errorf("%q is no digest", p.SHA256)
	}
	return nil
}
