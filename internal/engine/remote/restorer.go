package remote

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"

	"bkp/providers"
)

// Source is an archive that holds a copy of what is restored.
type Source struct {
	Archive
	Archiver providers.Archiver
	Backup   providers.BackupID
	// Part is the copy.
	Part providers.Part
	// Paths is set if only some of it are wanted. An archive streams all or nothing.
	Paths bool
}

// Direct has the copy of a part go straight to where r restores it, and reports
// whether that can be: r restores on another machine, which fetches from the archive
// itself, or the archive streams its parts. Otherwise the caller unpacks a copy here
// first. It touches nothing.
func Direct(r providers.Restorer, from Source) bool {
	to, ok := providers.As[*restorer](r)
	if !ok {
		return false
	}
	w, works := providers.As[providers.Worker](from.Archiver)
	if works = works && w.WorksThere(); works {
		to.worker = w
	}
	s, streams := providers.As[providers.Streamer](from.Archiver)
	if streams = streams && !from.Paths; streams {
		to.streamer = s
	}
	if works || streams {
		to.from = &from
	}
	return works || streams
}

// restorer brings an artifact back on the other machine.
type restorer struct {
	s      *strategy
	target string
	// from is where the copy is; nil if it was unpacked on this machine. It has a
	// worker, or else a streamer.
	from     *Source
	worker   providers.Worker
	streamer providers.Streamer

	mu     sync.Mutex
	backup providers.BackupID
}

// id is the backup that is restored, or another of the same form.
func (r *restorer) id() providers.BackupID {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.from != nil {
		return r.from.Backup
	}
	if r.backup == "" {
		r.backup = providers.NewBackupID("restore", time.Now())
	}
	return r.backup
}

// Check implements providers.Restorer.
func (r *restorer) Check(ctx context.Context, a providers.Artifact) (providers.Report, error) {
	c := call{Name: callCheckRestore, Target: r.target, Backup: r.id(), Artifact: there(a), Copied: a.Copied, Only: a.Only}
	if r.from != nil {
		c.Copy = &r.from.Part
	}
	if r.from != nil && r.worker != nil {
		o, err := r.lent(ctx)
		if err != nil {
			return providers.Report{}, err
		}
		c.Archive = &o
	}
	out, err := r.s.call(ctx, c)
	if out.Report == nil {
		return providers.Report{}, err
	}
	return *out.Report, err
}

// Select implements providers.Selector, as the strategy does on this machine.
func (r *restorer) Select(a providers.Artifact, paths []string) (providers.Selection, error) {
	local, err := r.s.local.Restorer(r.target)
	if err != nil {
		return nil, err
	}
	s, ok := providers.As[providers.Selector](local)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	return s.Select(a, paths)
}

// Stage implements providers.Restorer: any folder of this machine will do.
func (r *restorer) Stage(b providers.BackupID) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.backup = b
	return ""
}

// Leavings implements providers.Restorer. What is made on the other machine, its agent
// has on record: see Session.Tidy.
func (r *restorer) Leavings(providers.Artifact) []string { return nil }

// Restore implements providers.Restorer.
func (r *restorer) Restore(ctx context.Context, a providers.Artifact) error {
	c := call{Name: callRestore, Target: r.target, Backup: r.id(), Copied: a.Copied, Only: a.Only, Artifact: there(a)}
	switch {
	case r.from != nil && r.worker != nil:
		return r.fetched(ctx, c)
	case r.from != nil:
		return r.streamed(ctx, c)
	case a.Host() != "" || len(a.Trees) == 0:
		_, err := r.s.call(ctx, c) // it is there already
		return err
	}
	alone := a
	alone.Trees, alone.Copied, alone.Only = nil, false, nil
	p := providers.Packing{
		Manifest: providers.Manifest{Format: providers.ManifestFormat, ID: r.id(), Instance: r.id().Instance(), Created: r.id().Time(), Artifacts: []providers.Artifact{alone}},
		Parts:    []string{a.Address}, Artifact: a,
	}
	return r.send(ctx, c, p, func(ctx context.Context, w io.Writer) error { return r.s.Packer.Pack(ctx, w, p, nil) })
}

// lent is the archive, for the other machine to open.
func (r *restorer) lent(ctx context.Context) (opening, error) {
	o, err := r.from.lent(ctx, r.worker)
	o.StateDir, o.Instance = r.s.Session.conn.Settings().StateDir, r.s.Env.Instance
	return o, err
}

// fetched has the other machine fetch the copy from the archive itself.
func (r *restorer) fetched(ctx context.Context, c call) error {
	o, err := r.lent(ctx)
	if err != nil {
		return err
	}
	c.Archive, c.Copy, c.Artifact.Trees = &o, &r.from.Part, nil
	_, err = r.s.call(ctx, c)
	return err
}

// streamed sends what the archive reads of the copy.
func (r *restorer) streamed(ctx context.Context, c call) error {
	reading, end := context.WithCancel(ctx)
	defer end()
	p, from, err := r.streamer.Stream(reading, r.from.Backup, r.s.Env.Address)
	if err != nil {
		return err
	}
	c.Artifact.Trees = nil
	err = r.send(ctx, c, p, func(ctx context.Context, w io.Writer) error {
		defer context.AfterFunc(ctx, end)()
		_, err := io.Copy(w, from)
		return err
	})
	return errors.Join(err, from.Close())
}

// send makes the call, and sends what write writes, compressed.
func (r *restorer) send(ctx context.Context, c call, p providers.Packing, write func(context.Context, io.Writer) error) error {
	p.Artifact.Trees = nil
	c.Packing, c.Artifact = &p, there(p.Artifact)
	_, err := r.s.callWith(ctx, c, handlers{send: func(ctx context.Context, w io.Writer) error {
		packed, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderCRC(true))
		if err != nil {
			return err
		}
		err = write(ctx, packed)
		if e := packed.Close(); err == nil {
			err = e
		}
		return err
	}})
	return err
}
