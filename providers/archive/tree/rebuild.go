package tree

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/archive/internal/document"
	"bkp/providers/archive/internal/shelf"
)

// Rebuild implements providers.Archiver. The records of the indexes hold all but the
// digests of the indexes themselves, which are taken as they are found: each has been
// compared with its record and with its tree by then.
func (a *archive) Rebuild(ctx context.Context) ([]providers.BackupID, []providers.Finding, error) {
	all, err := a.shelf().Backups(ctx)
	if err != nil {
		return nil, nil, err
	}
	var made []providers.BackupID
	var r providers.Report
	for _, b := range all {
		lost, err := a.lostManifest(ctx, b)
		if err == nil && lost {
			err = a.rebuild(ctx, b)
		}
		if ctx.Err() != nil {
			return made, r.Findings, context.Cause(ctx)
		}
		if err != nil {
			r.Add(problem.Wrapf(err, "manifest cannot be made again", shelf.RestoreOther, "%s", a.place.At(string(b.ID))))
			continue
		}
		if lost {
			made = append(made, b.ID)
		}
	}
	return made, r.Findings, nil
}

// lostManifest reports whether a backup has parts and no manifest, and is not being
// stored.
func (a *archive) lostManifest(ctx context.Context, b shelf.Backup) (bool, error) {
	if b.Objects[0].Name == string(b.ID) || !hasPart(b.Objects) || has(b.Objects, shelf.ManifestObject, false) {
		return false, nil
	}
	by, err := a.place.Claimed(ctx, b.ID)
	return by == "", err
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
