package tree

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/archive/internal/document"
)

// Rebuild implements providers.Archiver. The records of the indexes hold all but the
// digests of the indexes themselves, which are taken as they are found: each has been
// compared with its record and with its tree by then.
func (a *archive) Rebuild(ctx context.Context) ([]providers.BackupID, []providers.Finding, error) {
	all, err := a.backups(ctx)
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
			r.Add(problem.Wrapf(err, "manifest cannot be made again", restoreOther, "%s", a.place.At(string(b.id))))
			continue
		}
		if lost {
			made = append(made, b.id)
		}
	}
	return made, r.Findings, nil
}

// lostManifest reports whether a backup has parts and no manifest, and is not being
// stored.
func (a *archive) lostManifest(ctx context.Context, b backup) (bool, error) {
	if b.all[0].Name == string(b.id) || !hasPart(b.all) || has(b.all, manifestObject, false) {
		return false, nil
	}
	by, err := a.place.Claimed(ctx, b.id)
	return by == "", err
}

func (a *archive) rebuild(ctx context.Context, b backup) error {
	stored := providers.Stored{Archive: a.env.Address, Location: a.place.At(string(b.id)), Parts: map[string]providers.Part{}}
	var first record
	for _, o := range b.all {
		name, isIndex := strings.CutSuffix(own(o), indexSuffix)
		if !isIndex {
			continue
		}
		index, err := a.readIndex(ctx, b.id, name)
		if err != nil {
			return err
		}
		rec, err := a.compareTree(ctx, b.id, name, &reading{lose: ignore, done: &progress{env: a.env}})
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
	if len(stored.Parts) == 0 || !slices.Equal(sortedParts(stored), first.Parts) {
		return fmt.Errorf("it has the parts %q, and had %q", sortedParts(stored), first.Parts)
	}
	return a.commit(ctx, first.Manifest, stored)
}
