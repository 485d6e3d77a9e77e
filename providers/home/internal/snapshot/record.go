package snapshot

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/moby/sys/mountinfo"

	"bkp/internal/problem"
	"bkp/providers"
)

var _ providers.Recorder = (*Home)(nil)

// record holds what is mounted while an archive reads it. Of entries nothing is
// known: nothing can have changed them. But the mounts may go, and what is below them
// reads as an empty home; and a snapshot may run out of space.
type record struct {
	address string
	view    *view
	roots   map[string]*os.File
}

// Record implements providers.Recorder.
func (h *Home) Record(_ context.Context, a providers.Artifact) (providers.Record, error) {
	r := &record{address: a.Address, view: h.view, roots: map[string]*os.File{}}
	if h.view == nil {
		return r, nil // Intact says so
	}
	for _, dir := range h.view.mounts {
		root, err := os.Open(dir)
		if err != nil {
			return r, errors.Join(err, r.Close())
		}
		r.roots[dir] = root
	}
	return r, nil
}

// Folder implements providers.Record.
func (*record) Folder(string) ([]providers.Recorded, bool, error) { return nil, false, nil }

// Intact implements providers.Record.
func (r *record) Intact(ctx context.Context) error {
	err := r.intact(ctx)
	if err == nil || ctx.Err() != nil {
		return err
	}
	return &providers.DamageError{Address: r.address, Cause: err}
}

func (r *record) intact(ctx context.Context) error {
	if r.view == nil {
		return problem.New("snapshot is not mounted", "what "+r.address+" captured was not there to be read", "make another backup")
	}
	for _, s := range r.view.snapshots {
		if err := r.view.storage.Intact(ctx, s); err != nil {
			return err
		}
	}
	for dir, root := range r.roots {
		held, err := root.Stat()
		if err != nil {
			return err
		}
		now, err := os.Stat(dir)
		mounted, merr := mountinfo.Mounted(dir)
		if err != nil || merr != nil || !mounted || !os.SameFile(held, now) {
			return problem.New("snapshot was unmounted while it was read", fmt.Sprintf("%s is another folder now", dir),
				"find out what unmounts there, and run again")
		}
	}
	return nil
}

// Close implements providers.Record.
func (r *record) Close() error {
	var err error
	for dir, root := range r.roots {
		err = errors.Join(err, root.Close())
		delete(r.roots, dir)
	}
	return err
}

// Distrust implements providers.Recorder: there is no copy that could be made again.
func (*Home) Distrust(context.Context, providers.Artifact, []string) error { return nil }
