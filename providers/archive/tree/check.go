package tree

import (
	"context"
	"fmt"
	"runtime"

	"github.com/dustin/go-humanize"

	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/internal/reflink"
	"bkp/providers"
)

const (
	// spaceMargin is added to what a backup is expected to take.
	spaceMargin = 64 << 20
	// eachEntry is what an entry takes though it shares its blocks: inodes and names,
	// and a line of the index. Measured are 700 bytes to 1.3 kB.
	eachEntry = 1500

	notSharedFrom = "files cannot share their blocks"
)

var _ providers.Sharer = (*archive)(nil)

// Check implements providers.Archiver. Working copies and dumps lie below the state
// folder.
func (a *archive) Check(ctx context.Context, e providers.Estimate) (providers.Report, error) {
	return a.CheckFrom(ctx, []string{a.env.WorkDir}, e)
}

// CheckFrom implements providers.Sharer.
func (a *archive) CheckFrom(ctx context.Context, trees []string, e providers.Estimate) (providers.Report, error) {
	r, err := a.place.Check(ctx, a.shelf().Claims().Maker())
	if err != nil {
		return r, err
	}
	r.Estimate = e
	r.Does = map[providers.Verb]string{
		providers.Store:   "share the blocks of all files with " + a.place.At("ID/"),
		providers.Restore: "clone or copy from " + a.dir + " and compare all digests",
	}
	if runtime.GOOS != "linux" {
		r.Add(problem.New("no reflinks on this system", "archive \"tree\" needs Linux", "use an archive \"tar\""))
	}
	if r.Failed() {
		return r, nil
	}
	need := providers.SpaceNeed{Path: a.dir, Bytes: e.Files*eachEntry + spaceMargin, For: "names and inodes of " + a.env.Address + ", whose content is shared"}
	from, err := a.shares(trees)
	switch {
	case err != nil && !a.cfg.Copy:
		r.Add(problem.Wrapf(err, notSharedFrom, notSharedRemedy, "%s and %s; each backup would take %s", from, a.dir, humanize.Bytes(uint64(max(e.Bytes, 0)))))
	case err != nil:
		r.Does[providers.Store] = fmt.Sprintf("copy all files in full to %s, %s, as they cannot share blocks with %s", a.place.At("ID/"), humanize.Bytes(uint64(max(e.Bytes, 0))), from)
		need.Bytes, need.For = e.Bytes+e.Files*eachEntry+spaceMargin, "full copy in "+a.env.Address
	}
	r.Space = append(r.Space, need)
	return r, nil
}

// shares tries whether files of the destination can share blocks with those of all
// trees, and returns what keeps it from that.
func (a *archive) shares(trees []string) (string, error) {
	to, err := host.Existing(a.dir)
	if err != nil {
		return a.dir, err
	}
	if len(trees) == 0 {
		trees = []string{a.env.WorkDir} // where it lies in most cases
	}
	for _, tree := range trees {
		if tree == "" {
			return "the snapshot of a volume", reflink.ErrImpossible
		}
		from, err := host.Existing(tree)
		if err == nil {
			err = reflink.Between(from, to)
		}
		if err != nil {
			return tree, err
		}
	}
	return "", nil
}
