package tar

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"bkp/internal/problem"
	"bkp/providers"
)

// List implements providers.Archiver. Files that are not its own are no
// business of it, and neither are backups of other instances: hundreds may share
// a destination.
func (a *archive) List(ctx context.Context) ([]providers.Manifest, []providers.Finding, error) {
	entries, err := os.ReadDir(a.cfg.Destination)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, problem.Wrap(err, "archives cannot be listed", "let the user that runs bkp read the destination")
	}
	var out []providers.Manifest
	var r providers.Report
	for _, e := range entries {
		if ctx.Err() != nil {
			return nil, nil, context.Cause(ctx)
		}
		if f := a.orphan(e.Name()); f != nil {
			r.Add(f)
		}
		name, ok := strings.CutSuffix(e.Name(), manifestSuffix)
		b, err := providers.ParseBackupID(name)
		if !ok || err != nil || !a.own(b) {
			continue
		}
		m, err := a.load(b)
		if err != nil {
			if err := addProblem(&r, err); err != nil {
				return nil, nil, err
			}
			continue
		}
		if _, _, err := a.find(b); err != nil {
			if p := asProblem(err); p != nil {
				r.Add(p)
				continue
			}
			r.Add(problem.Warn(archiveMissing, fmt.Sprintf("%s has a manifest, but no archive", b), "bring the archive back, or restore another backup. If it was removed on purpose, remove its manifest, too:\n\n    rm "+a.manifestPath(b)+"\n"))
			continue
		}
		out = append(out, m)
	}
	slices.SortFunc(out, func(x, y providers.Manifest) int {
		if c := y.ID.Time().Compare(x.ID.Time()); c != 0 {
			return c
		}
		return strings.Compare(string(x.ID), string(y.ID))
	})
	return out, r.Findings, nil
}

// orphan tells of an archive that lost the manifest beside it: without a word
// it would be missing from every list.
func (a *archive) orphan(name string) *providers.Finding {
	b, f, ok := a.lostManifest(name)
	if !ok || !a.own(b) {
		return nil
	}
	return problem.Warn("archive without its manifest", fmt.Sprintf("%s has no manifest beside it, so it is not listed and cannot be restored", a.archivePath(b, f)), rebuildRemedy)
}

// own reports whether an id is one of the instance that the archive is opened for.
func (a *archive) own(b providers.BackupID) bool {
	return a.env.Instance.Name == "" || b.Instance() == a.env.Instance.Name
}

// lostManifest reports whether a file's name is that of an archive without a
// manifest beside it.
func (a *archive) lostManifest(name string) (providers.BackupID, format, bool) {
	for _, f := range allFormats {
		id, ok := strings.CutSuffix(name, f.suffix)
		b, err := providers.ParseBackupID(id)
		if !ok || err != nil {
			continue
		}
		if _, err := os.Lstat(a.manifestPath(b)); errors.Is(err, fs.ErrNotExist) {
			return b, f, true
		}
	}
	return "", format{}, false
}

// Delete removes the manifest first: from then on no one takes the rest for a
// backup.
func (a *archive) Delete(_ context.Context, b providers.BackupID) error {
	if _, err := providers.ParseBackupID(string(b)); err != nil {
		return err
	}
	removed, err := remove(a.manifestPath(b))
	if err != nil {
		return err
	}
	if removed {
		if err := syncFolder(a.cfg.Destination); err != nil {
			return err
		}
	}
	for _, f := range allFormats {
		one, err := remove(a.archivePath(b, f))
		if err != nil {
			return err
		}
		removed = removed || one
	}
	if !removed {
		return nil
	}
	return syncFolder(a.cfg.Destination)
}

// Discard implements providers.Archiver.
func (a *archive) Discard(_ context.Context, b providers.BackupID) error {
	if _, err := providers.ParseBackupID(string(b)); err != nil {
		return err
	}
	if a.others(b) {
		return nil // whatever there is, it is theirs
	}
	manifest := a.manifestPath(b)
	paths := []string{partialPath(manifest)}
	_, err := os.Lstat(manifest)
	for _, f := range allFormats {
		paths = append(paths, partialPath(a.archivePath(b, f)))
		if errors.Is(err, fs.ErrNotExist) {
			paths = append(paths, a.archivePath(b, f))
		}
	}
	var failed error
	for _, path := range paths {
		_, err := remove(path)
		failed = errors.Join(failed, err)
	}
	return errors.Join(failed, a.letGo(b))
}

// remove reports whether there was something to remove.
func remove(path string) (bool, error) {
	err := os.Remove(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
