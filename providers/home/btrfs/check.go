package btrfs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/dustin/go-humanize"

	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/home/internal/snapshot"
)

// A file system that has less of its size left than this, in percent, takes no
// snapshot, or is warned of: what is written while a snapshot is there takes space
// twice.
const (
	tooFull = 2
	nearly  = 10
)

// Check implements snapshot.Storage.
func (s *storage) Check(ctx context.Context, volumes []snapshot.Volume) ([]providers.Finding, error) {
	var r providers.Report
	seen := map[string]bool{}
	for _, v := range volumes {
		dir, err := s.place(v.Root)
		if err == nil && seen[dir] {
			continue
		}
		seen[dir] = true
		if err == nil {
			err = s.checkPlace(&r, dir)
		}
		var p *problem.Problem
		if errors.As(err, &p) {
			r.Add(p)
			continue
		}
		if err == nil {
			err = s.checkSystem(ctx, &r, v.Root)
		}
		if err != nil {
			return r.Findings, err
		}
	}
	return r.Findings, nil
}

// checkPlace looks at the folder for snapshots, which need not exist yet.
func (s *storage) checkPlace(r *providers.Report, dir string) error {
	there := dir
	fi, err := os.Lstat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		there = filepath.Dir(dir)
	case err != nil:
		return problem.Wrap(err, "folder for snapshots cannot be read", "run bkp as root")
	case !fi.IsDir():
		return problem.New("no folder for snapshots", dir+" is no folder", "move it away, or name another folder in snapshots")
	}
	ro, err := readOnly(there)
	if err != nil {
		return problem.Wrap(err, "folder for snapshots cannot be made", "make the folder above it")
	}
	if ro {
		r.Add(problem.New("file system is read-only", there+" cannot be written, so that no snapshot can be taken",
			"mount it writable; btrfs becomes read-only by itself when it finds damage: see what the system's log says"))
	}
	return nil
}

// checkSystem looks at the health of the file system of dir.
func (s *storage) checkSystem(ctx context.Context, r *providers.Report, dir string) error {
	u, err := s.tool.usage(ctx, dir)
	if err != nil {
		return err
	}
	left := fmt.Sprintf("%s: %s of %s are free", dir, humanize.Bytes(uint64(u.free)), humanize.Bytes(uint64(u.size)))
	const remedy = "remove what is not needed: while a snapshot is there, nothing that is removed gives space back"
	switch {
	case u.free*100 < tooFull*u.size:
		r.Add(problem.New("file system is nearly full", left, remedy))
	case u.free*100 < nearly*u.size:
		r.Add(problem.Warn("file system is getting full", left, remedy))
	}
	if u.missing > 0 {
		r.Add(problem.Warn("file system lacks a device", fmt.Sprintf("%s: %s are missing", dir, humanize.Bytes(uint64(u.missing))), "replace the device: a snapshot lies on those that are left"))
	}
	faults, err := s.tool.faults(ctx, dir)
	if err != nil {
		return err
	}
	if len(faults) > 0 {
		r.Add(problem.Warn("file system has counted errors", strings.Join(faults, ", "), "check it with btrfs scrub; once it is good, clear the counters with btrfs device stats -z"))
	}
	on, err := s.tool.quotas(ctx, dir)
	if on {
		r.Add(problem.Warn("quotas make removing snapshots slow", dir+" has quotas, and with them btrfs counts anew whatever a snapshot shared",
			"leave quotas off unless you need them: btrfs quota disable"))
	}
	return err
}
