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
		if strings.HasSuffix(object, f.suffix) {
			return f, true
		}
	}
	return format{}, false
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
