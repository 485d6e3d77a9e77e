package tar

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"bkp/providers"
	"bkp/providers/archive/internal/document"
	"bkp/providers/archive/internal/shelf"
	"bkp/providers/archive/place"
)

// Rebuild implements providers.Archiver. The records of the parts hold all but the
// digests of the objects themselves, which are taken as they are found: the content
// of each has been compared with its record by then.
func (a *archive) Rebuild(ctx context.Context) ([]providers.BackupID, []providers.Finding, error) {
	return a.shelf().Rebuild(ctx, shelf.Rebuilding{IsLost: isLost, Again: a.rebuild})
}

// isLost reports whether a backup has parts and no manifest.
func isLost(b shelf.Backup) bool {
	isManifest := func(o place.Object) bool { return o.Name == place.Name(b.ID, shelf.ManifestObject) }
	return hasPart(b.Objects) && !slices.ContainsFunc(b.Objects, isManifest)
}

func (a *archive) rebuild(ctx context.Context, backup shelf.Backup) error {
	b := backup.ID
	stored := providers.Stored{Archive: a.env.Address, Location: a.place.At(string(b)), Parts: map[string]providers.Part{}}
	parts, err := a.byPart(backup.Objects)
	if err != nil {
		return err
	}
	var first record
	for _, names := range parts {
		own := names[0]
		rec, part, err := a.readRecord(ctx, b, names)
		if err != nil {
			return fmt.Errorf("%s: %w", own, err)
		}
		if len(stored.Parts) == 0 {
			first = rec
		}
		if !document.Same(first.Manifest, rec.Manifest) || !slices.Equal(first.Parts, rec.Parts) || !sameSealed(first.Sealed, rec.Sealed) || methodOf(rec.Sealed) != methodOfObject(own) {
			return fmt.Errorf("%s is of another backup than the others", own)
		}
		stored.Parts[rec.Address] = part
	}
	if !slices.Equal(shelf.SortedParts(stored), first.Parts) {
		return fmt.Errorf("it has the parts %s, and had %s", strings.Join(shelf.SortedParts(stored), ", "), strings.Join(first.Parts, ", "))
	}
	stored.Sealed = first.Sealed
	return a.shelf().Commit(ctx, first.Manifest, stored)
}

// byPart groups the own names of objects by the part that they belong to. Those of
// one are in their order, without a gap.
func (a *archive) byPart(objects []place.Object) ([][]string, error) {
	var out [][]string
	index := map[string]int{} // of a part, by its first object
	for _, o := range objects {
		b, own := place.Split(o.Name)
		if _, ok := formatOf(own); !ok || o.Odd != nil {
			return nil, fmt.Errorf("%s is no part", a.place.At(o.Name))
		}
		first := firstOf(own)
		n, known := index[first]
		if !known {
			n, out = len(out), append(out, nil)
			index[first] = n
		}
		if want := pieceName(first, len(out[n])); own != want {
			return nil, fmt.Errorf("%s is missing", a.place.At(place.Name(b, want)))
		}
		out[n] = append(out[n], own)
	}
	return out, nil
}

// readRecord reads a part that is known by its objects alone. Which artifact
// it is, its record has to say: the name of an object may be a shortened address.
func (a *archive) readRecord(ctx context.Context, b providers.BackupID, names []string) (record, providers.Part, error) {
	r := a.open(ctx, b, names)
	defer func() { _ = r.Close() }()
	f, _ := formatOf(names[0])
	got, err := read(ctx, r, wanted{b: b, name: strings.TrimSuffix(names[0], f.suffix), format: f, unseal: a.unsealer(ctx, f.method)}, &guarded{handler: skip{}})
	if err != nil {
		return record{}, providers.Part{}, err
	}
	part := got.record.part()
	part.Objects = got.objects
	return got.record, part, nil
}

// methodOfObject is how an object is sealed, by its own name.
func methodOfObject(own string) string {
	f, _ := formatOf(own)
	return f.method
}
