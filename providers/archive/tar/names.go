package tar

import (
	"fmt"
	"strings"

	"bkp/providers"
	"bkp/providers/archive/internal/document"
	"bkp/providers/archive/place"
)

// maxPieces is how many objects a part may have: their numbers have five digits.
const maxPieces = 99_999

// pieceName names an object of a part, by the name of the first, which has no number.
// So they are in order where names are sorted, and cat PART.tar.zst* is the part.
func pieceName(object string, i int) string {
	if i == 0 {
		return object
	}
	return fmt.Sprintf("%s.%05d", object, i+1)
}

// firstOf is the name of the first object of the part that an object belongs to.
func firstOf(object string) string {
	const digits = 5
	at := len(object) - digits - 1
	if at < 0 || object[at] != '.' || strings.Trim(object[at+1:], "0123456789") != "" {
		return object
	}
	return object[:at]
}

// formatOf is that of a part, by the own name of one of its objects.
func formatOf(object string) (format, bool) {
	first := firstOf(object)
	for _, f := range allFormats {
		for _, method := range methods {
			if s := f.sealed(method); strings.HasSuffix(first, s.suffix) {
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
	return place.Name(b, document.PartName(address))
}

// recordEntry is the last entry of a part, by the part's name.
func recordEntry(b providers.BackupID, name string) string {
	return place.Name(b, name) + ".json"
}
