package tree

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/archive/internal/document"
	"bkp/providers/archive/internal/shelf"
	"bkp/providers/archive/place"
)

// has reports whether a file or a folder of this name is there.
func has(all []place.Object, name string, isFolder bool) bool {
	// A folder is odd to a place of objects.
	return slices.ContainsFunc(all, func(o place.Object) bool { return own(o) == name && (o.Odd != nil) == isFolder })
}

// hasPart reports whether there is more than what is being made or removed.
func hasPart(all []place.Object) bool {
	isPart := func(o place.Object) bool {
		return !isHidden(own(o)) && (o.Odd != nil || strings.HasSuffix(own(o), indexSuffix))
	}
	return !isRemoved(all) && slices.ContainsFunc(all, isPart)
}

// List implements providers.Archiver.
func (a *archive) List(ctx context.Context) ([]providers.Manifest, []providers.Finding, error) {
	return a.shelf().List(ctx, a.listOne)
}

// listOne returns the manifest of a backup that is there and whole, or what is wrong
// with it. Of one that is being stored or removed there is neither.
func (a *archive) listOne(ctx context.Context, b shelf.Backup) (*providers.Manifest, *providers.Finding, error) {
	if b.Objects[0].Name == string(b.ID) { // something else in its place
		return nil, b.Objects[0].Odd, nil
	}
	m, err := a.shelf().Load(ctx, b.ID)
	var known *problem.Problem
	switch {
	case errors.Is(err, providers.ErrNotFound):
		finding, err := a.orphan(ctx, b)
		return nil, finding, err
	case errors.As(err, &known):
		return nil, known, nil
	case err != nil:
		return nil, nil, err
	}
	if gone := missing(m, b.Objects); len(gone) > 0 {
		return nil, problem.Warn(treeMissing, fmt.Sprintf("%s has a manifest, but not the trees and indexes of %s in %s", m.ID, strings.Join(gone, ", "), m.Stored[0].Location),
			"bring them back, or restore another backup. If they were removed on purpose, remove the rest of the backup last:\n\n    rm -r "+m.Stored[0].Location+"\n"), nil
	}
	return &m, nil, nil
}

// missing are the addresses of the parts of m whose tree or index is not there.
func missing(m providers.Manifest, there []place.Object) []string {
	var out []string
	for _, address := range shelf.SortedParts(m.Stored[0]) {
		name := document.PartName(address)
		if !has(there, name, true) || !has(there, name+indexSuffix, false) {
			out = append(out, address)
		}
	}
	return out
}

// orphan is a backup that lost its manifest: without a word it would be missing
// from every list. One that is being stored has none yet.
func (a *archive) orphan(ctx context.Context, b shelf.Backup) (*problem.Problem, error) {
	if !hasPart(b.Objects) {
		return nil, nil //nolint:nilnil // there is nothing to say of it
	}
	by, err := a.place.Claimed(ctx, b.ID)
	if err != nil || by != "" {
		return nil, err
	}
	return problem.Warn("backup without its manifest", fmt.Sprintf("%s has no manifest, so it is not listed and cannot be restored", a.place.At(string(b.ID))), rebuildRemedy), nil
}
