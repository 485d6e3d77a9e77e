package restic

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"bkp/internal/problem"
	"bkp/providers"
)

const (
	// loaders is how many manifests are read at the same time.
	loaders = 4

	archiveMissing = "archive is missing"
	rebuildRemedy  = "make it again from the snapshots, if all of them are there:\n\n    bkp list --refresh\n"
)

// List implements providers.Archiver. Backups of other instances are no business of
// it, nor are snapshots that bkp did not make.
func (a *archive) List(ctx context.Context) ([]providers.Manifest, []providers.Finding, error) {
	all, err := a.snapshots(ctx, "", false)
	if codeOf(err) == codeNone && a.cfg.Init {
		return nil, nil, nil // it is made by the first backup
	}
	if err != nil {
		return nil, nil, err
	}
	var out []providers.Manifest
	var r providers.Report
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(loaders)
	for b, of := range byBackup(all) {
		if a.env.Instance.Name != "" && b.Instance() != a.env.Instance.Name {
			continue
		}
		g.Go(func() error {
			m, finding, err := a.listOne(ctx, b, of)
			mu.Lock()
			defer mu.Unlock()
			if finding != nil {
				r.Add(finding)
			}
			if m != nil {
				out = append(out, *m)
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, nil, err
	}
	a.tidy(all)
	newestFirst(out)
	slices.SortFunc(r.Findings, func(x, y providers.Finding) int { return strings.Compare(x.Detail, y.Detail) })
	return out, r.Findings, nil
}

// listOne returns the manifest of a backup that is there and whole, or what is wrong
// with it. Of one that is being stored there is neither.
func (a *archive) listOne(ctx context.Context, b providers.BackupID, of set) (*providers.Manifest, *providers.Finding, error) {
	if len(of.only(tagManifest)) == 0 {
		if len(of.parts()) == 0 || len(of.only(tagReserved)) > 0 {
			return nil, nil, nil
		}
		return nil, problem.Warn("archive without its manifest", a.at(b)+" has no manifest, so it is not listed and cannot be restored", rebuildRemedy), nil
	}
	d, err := a.load(ctx, b, of, false)
	if ctx.Err() != nil {
		return nil, nil, context.Cause(ctx)
	}
	if err != nil {
		if p := asProblem(err); p != nil {
			return nil, p, nil
		}
		return nil, nil, err
	}
	if gone := d.missing(of); len(gone) > 0 {
		return nil, a.incomplete(b, gone), nil
	}
	return &d.Manifest, nil, nil
}

// incomplete is what is wrong with a backup whose snapshots are not all there.
func (a *archive) incomplete(b providers.BackupID, gone []string) *problem.Problem {
	return problem.Warn(archiveMissing, fmt.Sprintf("%s has a manifest, but not the snapshots of %s in %s", b, strings.Join(gone, ", "), a.shown()),
		"restore another backup, and find out who removes snapshots. If they were removed on purpose, remove the rest of the backup:\n\n    restic forget --tag bkp,"+tagBackup+string(b)+"\n")
}

// tidy removes the copies of manifests whose snapshots are gone. One that stays does no
// harm.
func (a *archive) tidy(all set) {
	kept, err := os.ReadDir(a.work(documentsDir))
	if err != nil {
		return
	}
	ids := all.ids()
	for _, e := range kept {
		id, ok := strings.CutSuffix(e.Name(), ".json")
		if ok && !slices.Contains(ids, id) {
			_ = os.Remove(a.work(documentsDir, e.Name()))
		}
	}
}
