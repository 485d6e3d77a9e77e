package tree

import (
	"encoding/hex"
	"errors"
	"fmt"

	"bkp/providers"
	"bkp/providers/archive/internal/document"
	"bkp/providers/archive/internal/shelf"
)

const rebuildRemedy = "bring it back; or make it again from the indexes, if all that is in the trees fits them:\n\n    bkp list --refresh\n"

// shelf is what the archive has in common with others.
func (a *archive) shelf() shelf.Shelf {
	return shelf.Shelf{Place: a.place, Env: a.env, Plausible: plausibleParts}
}

// plausibleParts refuses a manifest that no archive of trees can have written.
func plausibleParts(m providers.Manifest) error {
	for address, p := range m.Stored[0].Parts {
		if _, known := m.Artifact(address); !known {
			return fmt.Errorf("it has a part %q, and no such artifact", address)
		}
		if err := errors.Join(plausible(p), plausibleObjects(document.PartName(address), p.Objects)); err != nil {
			return fmt.Errorf("part %q: %w", address, err)
		}
	}
	return checkNames(m)
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
