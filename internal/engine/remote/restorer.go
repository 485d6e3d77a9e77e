package remote

import (
	"context"
	"io"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"

	"bkp/providers"
)

// restorer brings an artifact back on the other machine. A copy is unpacked on this
// machine first, and goes over the connection from there.
type restorer struct {
	s      *strategy
	target string

	mu     sync.Mutex
	backup providers.BackupID
}

// id is the backup that is restored, or another of the same form.
func (r *restorer) id() providers.BackupID {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.backup == "" {
		r.backup = providers.NewBackupID("restore", time.Now())
	}
	return r.backup
}

// Check implements providers.Restorer.
func (r *restorer) Check(ctx context.Context, a providers.Artifact) (providers.Report, error) {
	out, err := r.s.call(ctx, call{Name: callCheckRestore, Target: r.target, Backup: r.id(), Artifact: there(a), Copied: a.Copied})
	if out.Report == nil {
		return providers.Report{}, err
	}
	return *out.Report, err
}

// Stage implements providers.Restorer: any folder of this machine will do.
func (r *restorer) Stage(b providers.BackupID) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.backup = b
	return ""
}

// Leavings implements providers.Restorer. What is made on the other machine, its agent
// removes.
func (r *restorer) Leavings(providers.Artifact) []string { return nil }

// Restore implements providers.Restorer.
func (r *restorer) Restore(ctx context.Context, a providers.Artifact) error {
	c := call{Name: callRestore, Target: r.target, Backup: r.id(), Copied: a.Copied, Artifact: there(a)}
	if a.Host() != "" || len(a.Trees) == 0 {
		_, err := r.s.call(ctx, c) // it is there already
		return err
	}
	alone := a
	alone.Trees, alone.Copied = nil, false
	p := providers.Packing{
		Manifest: providers.Manifest{Format: providers.ManifestFormat, ID: r.id(), Instance: r.id().Instance(), Created: r.id().Time(), Artifacts: []providers.Artifact{alone}},
		Parts:    []string{a.Address}, Artifact: a,
	}
	abroad := p
	abroad.Artifact.Trees = nil
	c.Packing = &abroad
	c.Artifact = &abroad.Artifact
	_, err := r.s.callWith(ctx, c, handlers{send: func(w io.Writer) error {
		packed, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderCRC(true))
		if err != nil {
			return err
		}
		err = r.s.Packer.Pack(ctx, packed, p, nil)
		if e := packed.Close(); err == nil {
			err = e
		}
		return err
	}})
	return err
}
