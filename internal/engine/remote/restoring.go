package remote

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zstd"

	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/providers"
)

func (h *held) checkRestore(ctx context.Context, c call) (answer, error) {
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
		report.Space = append(report.Space, providers.SpaceNeed{Path: h.stage(r, c.Backup), Bytes: c.Copy.Space(), For: "unpacking " + c.Address})
	}
	return reported(report, err)
}

// stage is where a copy is unpacked.
func (h *held) stage(r providers.Restorer, b providers.BackupID) string {
	if dir := r.Stage(b); dir != "" {
		return dir
	}
	return filepath.Join(h.work, providers.RestorePrefix+string(b))
}

// restore brings an artifact back. A copy of its tree comes with the call or
// from an archive, and is unpacked first. However it ends, nothing that was made for a while stays.
func (h *held) restore(ctx context.Context, c call, f *frames, in io.Reader) (err error) {
	r, err := h.strategy.Restorer(c.Target)
	if err != nil {
		return err
	}
	a := *c.Artifact
	a.Copied, a.Only = c.Copied, c.Only
	defer func() {
		for _, path := range r.Leavings(a) {
			err = errors.Join(err, os.RemoveAll(path))
		}
	}()
	if c.Packing != nil || c.Archive != nil {
		stage := h.stage(r, c.Backup)
		defer func() { err = errors.Join(err, os.RemoveAll(stage)) }()
		if err := empty(stage); err != nil {
			return err
		}
		if c.Archive != nil {
			err = h.fetch(ctx, c, f, stage)
		} else {
			err = h.unpack(ctx, *c.Packing, in, stage)
		}
		if err != nil {
			return full(err)
		}
		a.Trees = providers.OneTree(stage)
	}
	return full(r.Restore(ctx, a))
}

// empty makes the folder anew.
func empty(stage string) error {
	if err := os.RemoveAll(stage); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(stage), 0o755); err != nil {
		return problem.Wrap(err, "the backup cannot be unpacked beside the target", "run as a user who may write there, or choose another target")
	}
	if err := os.Mkdir(stage, 0o700); err != nil {
		return problem.Wrap(err, "the backup cannot be unpacked beside the target", "run as a user who may write there, or choose another target")
	}
	return nil
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
