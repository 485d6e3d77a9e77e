package tar

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"bkp/providers"
	"bkp/providers/archive/place"
)

// manifestObject is written last. No part has the name: theirs have a suffix of
// their format.
const manifestObject = "manifest.json"

// maxName is how long the name of a part may be, with room for its suffix in an
// object's name, and in that of a file when it is unpacked.
const maxName = 200

// partName names an artifact's part: its address, as a name that every file system
// and every store takes. Addresses with a key, as for_each makes them, may hold any
// character and be of any length.
func partName(address string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
	var name strings.Builder
	for i, c := range []byte(address) {
		if strings.IndexByte(plain, c) >= 0 && (i > 0 || c != '.') {
			name.WriteByte(c)
		} else {
			fmt.Fprintf(&name, "%%%02X", c)
		}
	}
	if name.Len() <= maxName {
		return name.String()
	}
	sum := sha256.Sum256([]byte(address))
	end := "~" + hex.EncodeToString(sum[:8]) // no other name has a ~
	return name.String()[:maxName-len(end)] + end
}

// formatOf is that of a part, by the own name of its object.
func formatOf(object string) (format, bool) {
	for _, f := range allFormats {
		for _, method := range methods {
			if s := f.sealed(method); strings.HasSuffix(object, s.suffix) {
				return s, true
			}
		}
	}
	return format{}, false
}

// methods are those of all sealers, and none. An object is known by its name
// whether the archive still encrypts in that way or not.
var methods = []string{"", "age", "gpg"}

// sealed is the format once it is sealed.
func (f format) sealed(method string) format {
	if method != "" {
		f.method = method
		f.suffix += "." + method
	}
	return f
}

// writes is the format in which the archive stores.
func (a *archive) writes() format {
	f := formats[a.cfg.Compression]
	if a.sealer != nil {
		f = f.sealed(a.sealer.Method())
	}
	return f
}

// entryPrefix is the folder of a part in its tar file: unpacked beside each other,
// the parts of a backup lie in one folder.
func entryPrefix(b providers.BackupID, address string) string {
	return place.Name(b, partName(address))
}

// recordEntry is the last entry of a part, by the part's name.
func recordEntry(b providers.BackupID, name string) string {
	return place.Name(b, name) + ".json"
}

// checkAddresses refuses artifacts that would share an object.
func checkAddresses(m providers.Manifest) error {
	var seen []string
	for _, art := range m.Artifacts {
		name := partName(art.Address)
		if name == "" || slices.Contains(seen, name) {
			return fmt.Errorf("address %q is taken or impossible", art.Address)
		}
		seen = append(seen, name)
	}
	return nil
}
