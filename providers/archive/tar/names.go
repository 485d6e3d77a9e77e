package tar

import (
	"strings"

	"bkp/providers"
	"bkp/providers/archive/place"
)

// manifestObject is written last. No part has the name: theirs have a suffix of
// their format.
const manifestObject = "manifest.json"

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
