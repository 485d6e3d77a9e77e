package tar

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/archive/internal/shelf"
	"bkp/providers/archive/place"
)

// List implements providers.Archiver.
func (a *archive) List(ctx context.Context) ([]providers.Manifest, []providers.Finding, error) {
	return a.shelf().List(ctx, a.listOne)
}

// listOne returns the manifest of a backup that is there and whole, or what is wrong
// with it. Of one that is being stored there is neither.
func (a *archive) listOne(ctx context.Context, backup shelf.Backup) (*providers.Manifest, *providers.Finding, error) {
	b, objects := backup.ID, backup.Objects
	if objects[0].Name == string(b) { // something else in its place
		return nil, objects[0].Odd, nil
	}
	m, err := a.shelf().Load(ctx, b)
	if errors.Is(err, providers.ErrNotFound) {
		finding, err := a.orphan(ctx, b, objects)
		return nil, finding, err
	}
	if errors.Is(err, place.ErrUnavailable) {
		return nil, nil, err // nothing follows from it for the backup
	}
	if p := asProblem(err); p != nil {
		return nil, p, nil
	}
	if err != nil {
		return nil, nil, err
	}
	if gone := missing(m, objects); len(gone) > 0 {
		return nil, a.incomplete(m, gone, objects), nil
	}
	return &m, nil, nil
}

// missing are the addresses of the parts of m that are not there as they were
// written, by their sizes.
func missing(m providers.Manifest, there []place.Object) []string {
	var out []string
	for _, address := range shelf.SortedParts(m.Stored[0]) {
		isGone := func(want providers.Object) bool {
			o, ok := find(there, place.Name(m.ID, want.Name))
			return !ok || o.Odd != nil || o.Bytes != want.Bytes
		}
		if slices.ContainsFunc(m.Stored[0].Parts[address].Objects, isGone) {
			out = append(out, address)
		}
	}
	return out
}

// find looks for an object among those of a backup, which are sorted by name.
func find(there []place.Object, name string) (place.Object, bool) {
	i, ok := slices.BinarySearchFunc(there, name, func(o place.Object, name string) int { return strings.Compare(o.Name, name) })
	if !ok {
		return place.Object{}, false
	}
	return there[i], true
}

// incomplete is what is wrong with a backup whose parts are not all there.
func (a *archive) incomplete(m providers.Manifest, gone []string, there []place.Object) *problem.Problem {
	for _, address := range gone {
		for _, want := range m.Stored[0].Parts[address].Objects {
			o, ok := find(there, place.Name(m.ID, want.Name))
			switch {
			case ok && o.Odd != nil:
				return o.Odd
			case ok && o.Bytes != want.Bytes:
				return a.compareObject(m.ID, want, providers.Object{Bytes: o.Bytes})
			}
		}
	}
	return problem.Warn(archiveMissing, fmt.Sprintf("%s has a manifest, but not its parts %s in %s", m.ID, strings.Join(gone, ", "), m.Stored[0].Location),
		"bring them back, or restore another backup. If they were removed on purpose, remove the rest of the backup last"+a.removal(m.Stored[0].Location))
}

// lacks is what is missing of a part, or is not as it was written by its size; nil if
// nothing is.
func (a *archive) lacks(m providers.Manifest, address string, there []place.Object) *problem.Problem {
	for _, want := range m.Stored[0].Parts[address].Objects {
		name := place.Name(m.ID, want.Name)
		o, ok := find(there, name)
		switch {
		case !ok:
			return problem.New(archiveMissing, fmt.Sprintf("%s of %s: %s is missing", address, m.ID, a.place.At(name)), shelf.RestoreOther)
		case o.Odd != nil:
			return o.Odd
		case o.Bytes != want.Bytes:
			return a.compareObject(m.ID, want, providers.Object{Bytes: o.Bytes})
		}
	}
	return nil
}

// removal is how an operator removes all of a backup.
func (a *archive) removal(location string) string {
	if a.place.Destination().Folder == "" {
		return ", with a tool of the store"
	}
	return ":\n\n    rm -r " + location + "\n"
}

// orphan is a backup that lost its manifest: without a word it would be missing
// from every list. One that is being stored has none yet.
func (a *archive) orphan(ctx context.Context, b providers.BackupID, objects []place.Object) (*problem.Problem, error) {
	if !hasPart(objects) {
		return nil, nil //nolint:nilnil // there is nothing to say of it
	}
	by, err := a.place.Claimed(ctx, b)
	if err != nil || by != "" {
		return nil, err
	}
	return problem.Warn("archive without its manifest", fmt.Sprintf("%s has no manifest, so it is not listed and cannot be restored", a.place.At(string(b))), rebuildRemedy), nil
}

func hasPart(objects []place.Object) bool {
	return slices.ContainsFunc(objects, func(o place.Object) bool {
		_, own := place.Split(o.Name)
		_, ok := formatOf(own)
		return ok && o.Odd == nil
	})
}

// Delete removes the manifest first: from then on no one takes the rest for a
// backup.
func (a *archive) Delete(ctx context.Context, b providers.BackupID) error {
	there, err := a.place.List(ctx, b)
	if err != nil {
		return err
	}
	if err := a.place.Delete(ctx, place.Name(b, shelf.ManifestObject)); err != nil {
		return err
	}
	return a.deleteParts(ctx, b, there)
}

// deleteParts removes whatever has the name of a part, and what a killed run left
// unfinished.
func (a *archive) deleteParts(ctx context.Context, b providers.BackupID, there []place.Object) error {
	var failed error
	for _, o := range there {
		_, own := place.Split(o.Name)
		if _, ok := formatOf(own); ok && place.CheckName(o.Name) == nil {
			failed = errors.Join(failed, a.place.Delete(ctx, o.Name))
		}
	}
	return errors.Join(failed, a.place.Clean(ctx, b))
}

// Discard implements providers.Archiver.
func (a *archive) Discard(ctx context.Context, b providers.BackupID) error {
	by, err := a.place.Claimed(ctx, b)
	if err != nil {
		return err
	}
	if by != "" && by != a.shelf().Claims().Maker() {
		return nil // whatever there is, it is theirs
	}
	there, err := a.place.List(ctx, b)
	if err != nil {
		return err
	}
	isComplete := func(o place.Object) bool { return o.Name == place.Name(b, shelf.ManifestObject) }
	if slices.ContainsFunc(there, isComplete) {
		err = a.place.Clean(ctx, b)
	} else {
		err = a.deleteParts(ctx, b, there)
	}
	return errors.Join(err, a.place.Unclaim(ctx, b))
}
