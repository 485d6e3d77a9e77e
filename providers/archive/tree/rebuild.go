package tree

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"bkp/providers"
	"bkp/providers/archive/internal/document"
	"bkp/providers/archive/internal/shelf"
)

// Rebuild implements providers.Archiver. The records of the indexes hold all but the
// digests of the indexes themselves, which are taken as they are found: each has been
// compared with its record and with its tree by then.
func (a *archive) Rebuild(ctx context.Context) ([]providers.BackupID, []providers.Finding, error) {
	return a.shelf().Rebuild(ctx, shelf.Rebuilding{IsLost: isLost, Again: a.rebuild})
}

// isLost reports whether a backup has parts and no manifest.
func isLost(b shelf.Backup) bool {
	return b.Objects[0].Name != string(b.ID) && hasPart(b.Objects) && !has(b.Objects, shelf.ManifestObject, false)
}

func (a *archive) rebuild(ctx context.Context, b shelf.Backup) error {
	stored := providers.Stored{Archive: a.env.Address, Location: a.place.At(string(b.ID)), Parts: map[string]providers.Part{}}
	var first record
	for _, o := range b.Objects {
		name, isIndex := strings.CutSuffix(own(o), indexSuffix)
		if !isIndex {
			continue
		}
		index, err := a.readIndex(ctx, b.ID, name)
		if err != nil {
			return err
		}
		rec, err := a.compareTree(ctx, b.ID, name, &reading{lose: ignore, done: shelf.NewProgress(a.env)})
		if err != nil {
			return err
		}
		if len(stored.Parts) == 0 {
			first = rec
		}
		if !document.Same(first.Manifest, rec.Manifest) || !slices.Equal(first.Parts, rec.Parts) {
			return fmt.Errorf("%s is of another backup than the others", name)
		}
		stored.Parts[rec.Address] = rec.part(name, index)
	}
	if len(stored.Parts) == 0 || !slices.Equal(shelf.SortedParts(stored), first.Parts) {
		return fmt.Errorf("it has the parts %q, and had %q", shelf.SortedParts(stored), first.Parts)
	}
	return a.shelf().Commit(ctx, first.Manifest, stored)
}
