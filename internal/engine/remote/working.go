package remote

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"time"

	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/providers"
)

// task has a task done by an archive that is opened for it, with the credentials that
// came with the call.
func (h *held) task(ctx context.Context, c call, f *frames) (answer, error) {
	if c.Task == nil {
		return answer{}, errors.New("nothing is said of what to do")
	}
	archive, err := h.archive(c.Archive, f)
	if err != nil {
		return answer{}, err
	}
	worker, ok := providers.As[providers.Worker](archive)
	if !ok {
		return answer{}, fmt.Errorf("%s does not work on other machines", c.Archive.Address)
	}
	if c.Task.Looks {
		out, err := worker.Work(ctx, *c.Task, nil)
		return answer{Result: out}, err
	}
	// What is being stored was finished: from here on the near side knows of it.
	h.settle(c.Task.Packing.Manifest.ID)
	record, done := h.record(ctx, c.Task.Packing.Artifact, f)
	defer done()
	out, err := worker.Work(ctx, *c.Task, record)
	return answer{Result: out}, err
}

// archive opens one for a call; what it says goes to that.
func (h *held) archive(o *opening, f *frames) (providers.Archiver, error) {
	if o == nil {
		return nil, errors.New("the call names no archive")
	}
	def, cfg, err := h.lib.decode(*o)
	if err != nil {
		return nil, err
	}
	say := sayings{to: f}
	made, err := def.Open(cfg, providers.Env{
		Address: o.Address, WorkDir: filepath.Join(o.StateDir, o.Work), Host: &host.Host{}, Instance: o.Instance, Parallelism: max(2, runtime.NumCPU()),
		Log: &say, OnProgress: say.progress, Warn: say.warning,
	})
	if err != nil {
		return nil, err
	}
	archive, ok := made.(providers.Archiver)
	if !ok {
		return nil, fmt.Errorf("%s is no archive", def.Name())
	}
	return archive, nil
}

// decode is the block of an opening.
func (lib Library) decode(o opening) (providers.Definition, any, error) {
	def, ok := lib.Registry.Lookup(o.Kind, o.Type)
	if !ok {
		return def, nil, fmt.Errorf("this bkp has no %s %q", o.Kind, o.Type)
	}
	cfg := def.NewConfig()
	if err := def.Schema().Decode(o.Config, cfg); err != nil {
		return def, nil, err
	}
	return def.For(cfg), cfg, nil
}

// sayings takes what is said during one call. A caller that is gone needs none of it.
type sayings struct {
	to       *frames
	reported atomic.Int64 // in milliseconds
}

// often is the least time between two reports of progress, in milliseconds.
const often = 100

func (s *sayings) progress(p providers.Progress) {
	if now, last := time.Now().UnixMilli(), s.reported.Load(); now-last >= often && s.reported.CompareAndSwap(last, now) {
		_ = s.to.writeJSON(meanwhile, said{Progress: &p})
	}
}

func (s *sayings) warning(message string) { _ = s.to.writeJSON(meanwhile, said{Warning: message}) }

// Write implements io.Writer.
func (s *sayings) Write(p []byte) (int, error) {
	_ = s.to.writeJSON(meanwhile, said{Log: p})
	return len(p), nil
}

// fetch unpacks the part of a component straight from its archive, which has to be the
// one that the near side knows.
func (h *held) fetch(ctx context.Context, c call, f *frames, stage string) error {
	archive, err := h.archive(c.Archive, f)
	if err != nil {
		return err
	}
	var m providers.Manifest
	if len(c.Only) > 0 {
		m, err = h.fetchPaths(ctx, c, archive, stage)
	} else {
		m, err = archive.Fetch(ctx, c.Backup, func(a providers.Artifact) string {
			if a.Address == h.address {
				return stage
			}
			return ""
		})
	}
	if err != nil {
		return err
	}
	return h.isCopy(c, m)
}

// isCopy refuses an archive that holds another copy than the near side found.
func (h *held) isCopy(c call, m providers.Manifest) error {
	part, ok := m.Stored[0].Copy(h.address)
	if !ok || c.Copy == nil || part.Digest() != c.Copy.Digest() {
		return problem.New("archive has something else on the other machine", fmt.Sprintf("%s of %s is not what this machine found in %s", h.address, c.Backup, c.Archive.Address),
			"see that its address leads to the same store from both machines")
	}
	return nil
}

// fetchPaths is fetch of what is wanted of the part, and returns the manifest too.
func (h *held) fetchPaths(ctx context.Context, c call, archive providers.Archiver, stage string) (providers.Manifest, error) {
	f, ok := providers.As[providers.PathFetcher](archive)
	if !ok {
		return providers.Manifest{}, fmt.Errorf("%s brings back whole parts only", c.Archive.Address)
	}
	m, err := archive.Fetch(ctx, c.Backup, func(providers.Artifact) string { return "" })
	if err != nil {
		return m, err
	}
	return m, f.FetchPaths(ctx, c.Backup, h.address, stage, c.Only)
}
