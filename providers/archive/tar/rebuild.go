package tar

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/archive/place"
)

// Rebuild implements providers.Archiver. The records of the parts hold all but the
// digests of the objects themselves, which are taken as they are found: the content
// of each has been compared with its record by then.
func (a *archive) Rebuild(ctx context.Context) ([]providers.BackupID, []providers.Finding, error) {
	all, err := a.place.List(ctx, "")
	if err != nil {
		return nil, nil, err
	}
	var made []providers.BackupID
	var r providers.Report
	for _, objects := range byBackup(all) {
		b, _ := place.Split(objects[0].Name)
		lost, err := a.lostManifest(ctx, b, objects)
		if err == nil && lost {
			err = a.rebuild(ctx, b, objects)
		}
		if ctx.Err() != nil {
			return made, r.Findings, context.Cause(ctx)
		}
		if errors.Is(err, providers.ErrNoIdentity) {
			r.Add(problem.Wrapf(err, "manifest of an encrypted backup is lost", rebuildKeyRemedy, "%s", a.place.At(string(b))))
			continue
		}
		if err != nil {
			r.Add(problem.Wrapf(err, "manifest cannot be made again", restoreOther, "%s", a.place.At(string(b))))
			continue
		}
		if lost {
			made = append(made, b)
		}
	}
	return made, r.Findings, nil
}

// lostManifest reports whether a backup has parts and no manifest, and is not being
// stored.
func (a *archive) lostManifest(ctx context.Context, b providers.BackupID, objects []place.Object) (bool, error) {
	isManifest := func(o place.Object) bool { return o.Name == place.Name(b, manifestObject) }
	if !hasPart(objects) || slices.ContainsFunc(objects, isManifest) {
		return false, nil
	}
	by, err := a.place.Claimed(ctx, b)
	return by == "", err
}

func (a *archive) rebuild(ctx context.Context, b providers.BackupID, objects []place.Object) error {
	stored := providers.Stored{Archive: a.env.Address, Location: a.place.At(string(b)), Parts: map[string]providers.Part{}}
	var first record
	for _, o := range objects {
		_, own := place.Split(o.Name)
		f, ok := formatOf(own)
		if !ok || o.Odd != nil {
			return fmt.Errorf("%s is no part", a.place.At(o.Name))
		}
		rec, part, err := a.readRecord(ctx, b, own, f)
		if err != nil {
			return fmt.Errorf("%s: %w", own, err)
		}
		if len(stored.Parts) == 0 {
			first = rec
		}
		if !same(first.Manifest, rec.Manifest) || !slices.Equal(first.Parts, rec.Parts) || !sameSealed(first.Sealed, rec.Sealed) || methodOf(rec.Sealed) != f.method {
			return fmt.Errorf("%s is of another backup than the others", own)
		}
		stored.Parts[rec.Address] = part
	}
	if !slices.Equal(sortedParts(stored), first.Parts) {
		return fmt.Errorf("it has the parts %s, and had %s", strings.Join(sortedParts(stored), ", "), strings.Join(first.Parts, ", "))
	}
	stored.Sealed = first.Sealed
	return a.commit(ctx, first.Manifest, stored)
}

// readRecord reads a part that is known by its object alone. Which artifact
// it is, its record has to say: the name of an object may be a shortened address.
func (a *archive) readRecord(ctx context.Context, b providers.BackupID, object string, f format) (record, providers.Part, error) {
	r, err := a.place.Open(ctx, place.Name(b, object), 0, -1)
	if err != nil {
		return record{}, providers.Part{}, err
	}
	defer func() { _ = r.Close() }()
	got, err := read(ctx, r, wanted{b: b, name: strings.TrimSuffix(object, f.suffix), format: f, unseal: a.unsealer(ctx, f.method)}, skip{})
	if err != nil {
		return record{}, providers.Part{}, err
	}
	part := got.record.part()
	part.Object, part.StoredBytes, part.SHA256 = object, got.bytes, got.sha256
	return got.record, part, nil
}
