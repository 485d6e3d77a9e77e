package remote

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/klauspost/compress/zstd"

	"bkp/internal/engine/stage"
	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/providers"
)

func (h *held) checkRestore(ctx context.Context, c call, f *frames) (answer, error) {
	r, err := h.strategy.Restorer(c.Target)
	if err != nil {
		return answer{}, err
	}
	c.Artifact.Copied, c.Artifact.Only = c.Copied, c.Only
	report, err := r.Check(ctx, *c.Artifact)
	if c.Copy != nil && len(c.Only) == 0 {
		for i := range report.Space {
			report.Space[i].Bytes += report.Space[i].Times * c.Copy.Space()
		}
		dir, _ := h.stage(r, c.Backup)
		report.Space = append(report.Space, providers.SpaceNeed{Path: dir, Bytes: c.Copy.Space(), For: "unpacking " + c.Address})
	}
	if c.Archive != nil && err == nil {
		if p := h.reaches(ctx, c, f); p != nil {
			report.Add(p)
		}
	}
	return reported(report, err)
}

// reachTimeout bounds the look whether an archive is reached: a firewall may drop what
// is sent to it.
const reachTimeout = 30 * time.Second

// reaches looks whether this machine finds in the archive what it is to fetch from it.
func (h *held) reaches(ctx context.Context, c call, f *frames) *problem.Problem {
	ctx, cancel := context.WithTimeoutCause(ctx, reachTimeout, fmt.Errorf("no answer within %s", reachTimeout))
	defer cancel()
	archive, err := h.archive(c.Archive, f)
	if err == nil {
		var m providers.Manifest
		if m, err = archive.Fetch(ctx, c.Backup, func(providers.Artifact) string { return "" }); err == nil {
			err = h.isCopy(c, m)
		}
	}
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil {
		err = errors.Join(cause, err)
	}
	return problem.Wrapf(err, "archive not reached from the other machine", cmp.Or(problem.Remedy(err),
		"see that its address, its name and its route are right on that machine, too (proxy, firewall, DNS); or restore to a folder of this machine"), "%s", c.Archive.Address)
}

// stage is where a copy is unpacked, and the mode of folders that have to be made above
// it: beside a target others come through them, such as the user that Bitbucket runs as.
func (h *held) stage(r providers.Restorer, b providers.BackupID) (dir string, above fs.FileMode) {
	if dir := r.Stage(b); dir != "" {
		return dir, 0o755
	}
	return filepath.Join(h.work.path, providers.RestorePrefix+string(b)), 0o700
}

// restore brings an artifact back. A copy of its tree comes with the call or
// from an archive, and is unpacked first. However it ends, nothing that was made for a
// while stays; when this process is killed, the next one knows it from a record.
func (h *held) restore(ctx context.Context, c call, f *frames, in io.Reader) error {
	r, err := h.strategy.Restorer(c.Target)
	if err != nil {
		return err
	}
	a := *c.Artifact
	a.Copied, a.Only = c.Copied, c.Only
	dir, above := h.stage(r, c.Backup)
	unpacks := c.Packing != nil || c.Archive != nil
	made := stage.Record{Backup: c.Backup, Paths: r.Leavings(a)}
	if unpacks {
		made.Unpack(dir)
	}
	done, err := h.work.restore(ctx, made)
	if err != nil {
		return err
	}
	defer done()
	if !unpacks {
		return full(r.Restore(ctx, a))
	}
	if _, err := stage.Make(dir, above); err != nil {
		return problem.Wrap(err, "the backup cannot be unpacked beside the target", "run as a user who may write there, or choose another target")
	}
	if c.Archive != nil {
		err = h.fetch(ctx, c, f, dir)
	} else {
		err = h.unpack(ctx, *c.Packing, in, dir)
	}
	if err != nil {
		return full(err)
	}
	a.Trees = providers.OneTree(dir)
	return full(r.Restore(ctx, a))
}

func (h *held) unpack(ctx context.Context, p providers.Packing, in io.Reader, stage string) error {
	plain, err := zstd.NewReader(in)
	if err != nil {
		return err
	}
	defer plain.Close()
	return h.lib.Packer.Unpack(ctx, plain, p, stage)
}

func full(err error) error {
	if !host.IsFull(err) {
		return err
	}
	return problem.Wrap(err, "no space left for the restore", "free some space, or restore to a larger disk; this is no damage of the backup")
}
