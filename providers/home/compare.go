package home

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"strconv"

	"github.com/dustin/go-humanize"

	"bkp/internal/problem"
	"bkp/providers"
)

// factRepositories begins the keys of the facts that count repositories, by
// part, as the live pass found them.
const factRepositories = "repositories."

// sampled is how many repositories are looked for again under the lock.
const sampled = 8

// count counts the repositories and chooses some to be looked for under the
// lock.
func (b *Base) count(ctx context.Context) error {
	b.repositories, b.sample, b.hidden = map[string]int{}, nil, nil
	for _, p := range b.Parts() {
		if kind(p.Name) != "home" && kind(p.Name) != "data store" {
			continue
		}
		top, depth := "repositories", 3
		if p.Name == "home" {
			l := b.Config.layout()
			top, depth = l.repositories, l.depth
		}
		all, err := numbered(filepath.Join(p.Source, filepath.FromSlash(top)), depth)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return problem.Wrap(err, "repositories cannot be read", readRemedy)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		hidden := p.Rules.Hider()
		var kept []string
		for _, r := range all {
			rel, err := filepath.Rel(p.Source, r.Dir)
			if err == nil && hidden(filepath.ToSlash(rel)) {
				b.hidden = append(b.hidden, int(r.ID))
				continue
			}
			kept = append(kept, r.Dir)
		}
		b.repositories[p.Name] = len(kept)
		for i := range min(len(kept), sampled) {
			b.sample = append(b.sample, kept[i*len(kept)/min(len(kept), sampled)])
		}
	}
	return nil
}

// Compare implements providers.Strategy, on what Check saw: an error says that
// the home lies elsewhere than in the last backup, or that most of it is gone.
func (b *Base) Compare(earlier []providers.Earlier) []providers.Finding {
	if len(earlier) == 0 || b.places == nil {
		return nil
	}
	var r providers.Report
	if err := b.compareVolumes(earlier); err != nil {
		p := asProblem(err)
		r.Add(problem.New(p.Summary+" since the last backup", p.Detail, "mount all file systems of the home; if the change is expected, add --accept-changed-home once"))
	}
	for _, a := range earlier {
		if a.Copy != nil && a.Copy.Files > 0 {
			b.compareNumber(&r, "files and folders", int(a.Copy.Files), int(b.entries))
			break
		}
	}
	b.compareRepositories(&r, earlier[0].Artifact)
	return r.Findings
}

// compareVolumes takes what came for a change, too, unless it has come back: an
// earlier backup saw just that.
func (b *Base) compareVolumes(earlier []providers.Earlier) error {
	last := volumesOf(earlier[0].Facts)
	if err := b.places.lost(last); err != nil {
		return err
	}
	for _, a := range earlier[1:] {
		if maps.EqualFunc(volumesOf(a.Facts), b.places.volumes, sameVolume) {
			return nil
		}
	}
	return b.places.added(last)
}

// compareRepositories looks at all of them, and at each part by itself:
// repositories may move to a data store, and then are not gone.
func (b *Base) compareRepositories(r *providers.Report, last providers.Artifact) {
	before, now := 0, 0
	counts := map[string]int{}
	for _, p := range b.Parts() {
		n, err := strconv.Atoi(last.Facts[factRepositories+p.Name])
		if err != nil {
			continue // a part that is new
		}
		counts[p.Name] = n
		before, now = before+n, now+b.repositories[p.Name]
	}
	if b.compareNumber(r, "repositories", before, now) {
		return
	}
	for _, p := range b.Parts() {
		if n := counts[p.Name]; n > 0 && b.repositories[p.Name] == 0 && before-now > n/2 {
			b.compareNumber(r, "repositories in "+p.Source, n, 0)
		}
	}
}

// compareNumber reports whether more is gone than max_missing allows.
func (b *Base) compareNumber(r *providers.Report, what string, before, now int) bool {
	if before == 0 || (before-now)*100 <= b.Config.MaxMissing*before {
		return false
	}
	r.Add(problem.New("most of the home is gone", fmt.Sprintf("the last backup has %s %s, and there are %s now: more than %d %% are missing, which is the limit max_missing",
		humanize.Comma(int64(before)), what, humanize.Comma(int64(now)), b.Config.MaxMissing),
		"check that all file systems of the home are mounted; if they were removed on purpose, add --accept-changed-home once"))
	return true
}
