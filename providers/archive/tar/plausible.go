package tar

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strings"

	"bkp/providers"
)

// plausibleParts refuses parts that this package cannot have written.
func plausibleParts(m providers.Manifest, parts map[string]providers.Part) error {
	var files, bytes, stored int64
	for address, p := range parts {
		if _, ok := m.Artifact(address); !ok {
			return fmt.Errorf("it has a part %q, and no such artifact", address)
		}
		if err := errors.Join(plausiblePart(p), plausibleObject(address, p)); err != nil {
			return fmt.Errorf("part %q: %w", address, err)
		}
		if p.Files > math.MaxInt64-files || p.Bytes > math.MaxInt64-bytes || p.StoredBytes > math.MaxInt64-stored {
			return errors.New("its parts have more bytes than there can be")
		}
		files, bytes, stored = files+p.Files, bytes+p.Bytes, stored+p.StoredBytes
	}
	return nil
}

// plausibleObject expects the one name that the object of a part has.
func plausibleObject(address string, p providers.Part) error {
	f, ok := formatOf(p.Object)
	if !ok || p.Object != partName(address)+f.suffix {
		return fmt.Errorf("its object cannot be %q", p.Object)
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
