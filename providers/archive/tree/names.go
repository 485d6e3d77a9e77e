package tree

import (
	"fmt"
	"slices"
	"strings"

	"bkp/providers"
	"bkp/providers/archive/internal/document"
	"bkp/providers/archive/internal/shelf"
	"bkp/providers/archive/place"
)

const (
	indexSuffix   = ".index"
	partialSuffix = ".partial"
	removedSuffix = ".removed"
)

// indexName is the object that is the index of a part.
func indexName(b providers.BackupID, part string) string { return place.Name(b, part+indexSuffix) }

// isHidden reports whether something in the folder of a backup is no part of it, but
// a tree that is being made or removed.
func isHidden(own string) bool { return strings.HasPrefix(own, ".") }

// isRemoved reports whether a Delete has begun to remove a backup.
func isRemoved(all []place.Object) bool {
	return slices.ContainsFunc(all, func(o place.Object) bool { return isHidden(own(o)) && strings.HasSuffix(own(o), removedSuffix) })
}

// checkNames refuses artifacts that would share a folder or a file.
func checkNames(m providers.Manifest) error {
	if err := document.CheckAddresses(m); err != nil {
		return err
	}
	for _, art := range m.Artifacts {
		name := document.PartName(art.Address)
		isTaken := func(other providers.Artifact) bool { return document.PartName(other.Address) == name+indexSuffix }
		if name == shelf.ManifestObject || slices.ContainsFunc(m.Artifacts, isTaken) {
			return fmt.Errorf("address %q is taken or impossible", art.Address)
		}
	}
	return nil
}

// own is the name of an object in its backup.
func own(o place.Object) string {
	_, name := place.Split(o.Name)
	return name
}
