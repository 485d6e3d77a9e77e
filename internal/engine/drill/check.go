package drill

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/dustin/go-humanize"

	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/providers"
)

// blockSize is what a small file takes at least.
const blockSize = 4096

// check reports, before anything is made, what would keep the drill from its end.
func (d *drill) check(ctx context.Context) error {
	if d.home != nil || len(d.nodes) > 0 {
		if _, err := d.Host.LookPath("git"); err != nil {
			return err
		}
	}
	existing, err := host.Existing(d.Parent)
	if err != nil {
		return err
	}
	if existing != d.Parent {
		return problem.New("no such folder", d.Parent, "name an existing folder with --scratch")
	}
	var needs []providers.SpaceNeed
	files := int64(0)
	for _, p := range d.Plan.Parts {
		isTried := providers.IsMeshNode(p.Artifact.Address) || d.home != nil && p.Artifact.Address == d.home.Artifact.Address || d.database != nil && p.Artifact.Address == d.database.Artifact.Address
		if isTried && p.Copy != nil {
			needs = append(needs, providers.SpaceNeed{Bytes: p.Copy.Bytes + p.Copy.Files*blockSize, For: "unpacked " + p.Artifact.Address})
			files += p.Copy.Files
		}
	}
	if d.database != nil {
		// As deep as the server's folder will be, so that what is above counts.
		place := providers.Place{Dir: filepath.Join(d.Parent, "server")}
		r, _ := providers.As[providers.Rehearser](d.database.Strategy)
		report, err := r.CheckRehearsal(ctx, d.database.Artifact, place)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", d.database.Artifact.Address, err)
		}
		var all error
		for _, f := range report.Findings {
			if f.Severity == problem.Error {
				all = errors.Join(all, &f)
			}
		}
		if all != nil {
			return all
		}
		needs = append(needs, d.database.Needs(report.Space)...)
	}
	return d.space(needs, files)
}

func (d *drill) space(needs []providers.SpaceNeed, files int64) error {
	free, err := d.Host.Space(d.Parent)
	if err != nil {
		return err
	}
	var sum int64
	text := ""
	for _, n := range needs {
		sum += n.Bytes
		text += fmt.Sprintf("; %s: %s", n.For, humanize.Bytes(uint64(max(n.Bytes, 0))))
	}
	const remedy = "free some, or name another folder with --scratch"
	if uint64(max(sum, 0)) > free.Free {
		return problem.New("not enough space for a drill", fmt.Sprintf("%s has %s free, and the drill needs %s%s",
			d.Parent, humanize.Bytes(free.Free), humanize.Bytes(uint64(sum)), text), remedy)
	}
	if free.Inodes > 0 && uint64(max(files, 0)) > free.Inodes {
		return problem.New("not enough space for a drill", fmt.Sprintf("%s has room for %d more files, and the drill needs %d", d.Parent, free.Inodes, files), remedy)
	}
	return nil
}
