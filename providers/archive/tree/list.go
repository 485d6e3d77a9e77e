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
	"bkp/providers/archive/place"
)

// backup is what lies in the folder of a backup.
type backup struct {
	id  providers.BackupID
	all []place.Object
}

// backups returns all that lie in the destination, by their ids.
func (a *archive) backups(ctx context.Context) ([]backup, error) {
	all, err := a.place.List(ctx, "")
	var out []backup
	for _, o := range all {
		b, _ := place.Split(o.Name)
		if len(out) == 0 || out[len(out)-1].id != b {
			out = append(out, backup{id: b})
		}
		last := &out[len(out)-1]
		last.all = append(last.all, o)
	}
	return out, err
}

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

// List implements providers.Archiver. Backups of other instances are no business
// of it: hundreds may share a destination.
func (a *archive) List(ctx context.Context) ([]providers.Manifest, []providers.Finding, error) {
	all, err := a.backups(ctx)
	if err != nil {
		return nil, nil, err
	}
	var out []providers.Manifest
	var r providers.Report
	for _, b := range all {
		if ctx.Err() != nil {
			return nil, nil, context.Cause(ctx)
		}
		if a.env.Instance.Name != "" && b.id.Instance() != a.env.Instance.Name {
			continue
		}
		m, finding, err := a.listOne(ctx, b)
		if err != nil {
			return nil, nil, err
		}
		if finding != nil {
			r.Add(finding)
		}
		if m != nil {
			out = append(out, *m)
		}
	}
	slices.SortFunc(out, func(x, y providers.Manifest) int {
		if c := y.ID.Time().Compare(x.ID.Time()); c != 0 {
			return c
		}
		return strings.Compare(string(x.ID), string(y.ID))
	})
	return out, r.Findings, nil
}

// listOne returns the manifest of a backup that is there and whole, or what is wrong
// with it. Of one that is being stored or removed there is neither.
func (a *archive) listOne(ctx context.Context, b backup) (*providers.Manifest, *providers.Finding, error) {
	if b.all[0].Name == string(b.id) { // something else in its place
		return nil, b.all[0].Odd, nil
	}
	m, err := a.load(ctx, b.id)
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
	if gone := missing(m, b.all); len(gone) > 0 {
		return nil, problem.Warn(treeMissing, fmt.Sprintf("%s has a manifest, but not the trees and indexes of %s in %s", m.ID, strings.Join(gone, ", "), m.Stored[0].Location),
			"bring them back, or restore another backup. If they were removed on purpose, remove the rest of the backup last:\n\n    rm -r "+m.Stored[0].Location+"\n"), nil
	}
	return &m, nil, nil
}

// missing are the addresses of the parts of m whose tree or index is not there.
func missing(m providers.Manifest, there []place.Object) []string {
	var out []string
	for _, address := range sortedParts(m.Stored[0]) {
		name := document.PartName(address)
		if !has(there, name, true) || !has(there, name+indexSuffix, false) {
			out = append(out, address)
		}
	}
	return out
}

// orphan is a backup that lost its manifest: without a word it would be missing
// from every list. One that is being stored has none yet.
func (a *archive) orphan(ctx context.Context, b backup) (*problem.Problem, error) {
	if !hasPart(b.all) {
		return nil, nil //nolint:nilnil // there is nothing to say of it
	}
	by, err := a.place.Claimed(ctx, b.id)
	if err != nil || by != "" {
		return nil, err
	}
	return problem.Warn("backup without its manifest", fmt.Sprintf("%s has no manifest, so it is not listed and cannot be restored", a.place.At(string(b.id))), rebuildRemedy), nil
}
