package tar

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strings"

	"bkp/providers"
	"bkp/providers/archive/internal/document"
)

// plausibleParts refuses parts that this package cannot have written.
func plausibleParts(m providers.Manifest, stored providers.Stored) error {
	var files, bytes, size int64
	for address, p := range stored.Parts {
		if _, ok := m.Artifact(address); !ok {
			return fmt.Errorf("it has a part %q, and no such artifact", address)
		}
		if err := errors.Join(plausiblePart(p), plausibleObjects(stored.Sealed, address, p.Objects)); err != nil {
			return fmt.Errorf("part %q: %w", address, err)
		}
		for _, o := range p.Objects {
			if o.Bytes > math.MaxInt64-size {
				return errTooMuch
			}
			size += o.Bytes
		}
		if p.Files > math.MaxInt64-files || p.Bytes > math.MaxInt64-bytes {
			return errTooMuch
		}
		files, bytes = files+p.Files, bytes+p.Bytes
	}
	return nil
}

var errTooMuch = errors.New("its parts have more bytes than there can be")

// plausibleObjects expects the names that the objects of a part have.
func plausibleObjects(s *providers.Sealed, address string, all []providers.Object) error {
	if len(all) == 0 || len(all) > maxPieces {
		return fmt.Errorf("it has %d objects", len(all))
	}
	f, ok := formatOf(all[0].Name)
	if method := methodOf(s); ok && f.method != method {
		return fmt.Errorf("its object %q is not encrypted as the manifest says: %q", all[0].Name, method)
	}
	for i, o := range all {
		if !ok || o.Name != pieceName(document.PartName(address)+f.suffix, i) {
			return fmt.Errorf("its object cannot be %q", o.Name)
		}
		if o.Bytes < 0 {
			return fmt.Errorf("its object has %d bytes", o.Bytes)
		}
		if err := plausibleDigest(o.SHA256); err != nil {
			return err
		}
	}
	return nil
}

func plausiblePart(p providers.Part) error {
	if p.Files < 0 || p.Bytes < 0 || p.Holes < 0 || p.Holes > p.Bytes {
		return fmt.Errorf("it has %d entries with %d bytes, %d of them holes", p.Files, p.Bytes, p.Holes)
	}
	return nil
}

func plausibleDigest(text string) error {
	if sum, err := hex.DecodeString(text); err != nil || len(sum) != 32 || text != strings.ToLower(text) {
		return fmt.Errorf("%q is no digest", text)
	}
	return nil
}
