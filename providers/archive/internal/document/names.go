package document

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"bkp/internal/problem"
	"bkp/providers"
)

// maxName is how long the name of a part may be, with room for its suffix in an
// object's name, and in that of a file when it is unpacked.
const maxName = 200

// PartName names an artifact's part: its address, as a name that every file system
// and every store takes. Addresses with a key, as for_each makes them, may hold any
// character and be of any length.
func PartName(address string) string {
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

// CheckAddresses refuses artifacts that would share an object.
func CheckAddresses(m providers.Manifest) error {
	var seen []string
	for _, art := range m.Artifacts {
		name := PartName(art.Address)
		if name == "" || slices.Contains(seen, name) {
			return fmt.Errorf("address %q is taken or impossible", art.Address)
		}
		seen = append(seen, name)
	}
	return nil
}

// LocalName reports whether name, with slashes, has only real names in it.
func LocalName(name string) bool {
	if !fs.ValidPath(strings.ToValidUTF8(name, "_")) || name == "." {
		return false
	}
	return !strings.ContainsRune(name, 0)
}

// ByPlace orders trees as their entries follow each other in the archive.
func ByPlace(a, b providers.Tree) int {
	return slices.Compare(strings.Split(a.Place, "/"), strings.Split(b.Place, "/"))
}

// CheckPlaces refuses trees that would lie in each other's way: the format has
// one entry a name, in order.
func CheckPlaces(a providers.Artifact) error {
	trees := slices.SortedFunc(slices.Values(a.Trees), ByPlace)
	for i, t := range trees {
		if t.Host != trees[0].Host {
			return problem.New("trees lie on several machines", fmt.Sprintf("%q and %q of %s", trees[0].Host, t.Host, a.Address), "report this as a fault of bkp")
		}
		if t.Place != "" && !LocalName(t.Place) {
			return problem.New("place leads elsewhere", fmt.Sprintf("%s of %s has the place %q", t.Path, a.Address, t.Place), "report this as a fault of bkp")
		}
		if i > 0 && (trees[i-1].Place == "" || t.Place == trees[i-1].Place || strings.HasPrefix(t.Place, trees[i-1].Place+"/")) {
			return problem.New("trees lie in each other", fmt.Sprintf("%q and %q of %s", trees[i-1].Place, t.Place, a.Address), "report this as a fault of bkp")
		}
	}
	return nil
}
