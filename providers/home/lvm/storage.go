package lvm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"

	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/home/internal/snapshot"
	"bkp/providers/internal/mark"
)

const (
	cannotTake   = "snapshot cannot be taken"
	cannotRemove = "snapshot cannot be removed"
	cannotMount  = "snapshot cannot be mounted"
	overflowed   = "snapshot overflowed"
	missing      = "snapshot is missing"
	volumeGone   = "volume is gone"
)

// storage implements snapshot.Storage.
type storage struct {
	tool
	config Config
	// prepared are the volumes as Prepare saw them, by UUID.
	prepared map[string]volume
}

var _ snapshot.Storage = (*storage)(nil)

// Find implements snapshot.Storage.
func (s *storage) Find(ctx context.Context, dir string) (snapshot.Volume, string, error) {
	h, err := snapshot.HolderOf(dir)
	if err != nil {
		return snapshot.Volume{}, "", err
	}
	all, err := s.volumes(ctx)
	if err != nil {
		return snapshot.Volume{}, "", err
	}
	device := fmt.Sprintf("%d:%d", h.Major, h.Minor)
	at := slices.IndexFunc(all, func(v volume) bool { return v.Device == device })
	if at < 0 {
		return snapshot.Volume{}, "", problem.New("file system is not on LVM", fmt.Sprintf("%s lies on %s, %s, which is no logical volume", dir, h.Source, h.FSType),
			"move it onto a logical volume, leave it out with exclude, or use home \"mirror\"; what is encrypted above LVM, or is btrfs, cannot be captured this way")
	}
	v := all[at]
	if v.Origin != "" && v.Pool == "" {
		return snapshot.Volume{}, "", problem.New("home is a snapshot", fmt.Sprintf("%s lies on %s, a snapshot of %s", dir, v, v.Origin), "mount the volume itself")
	}
	if len(s.config.Volumes) > 0 && !slices.Contains(s.config.Volumes, v.String()) {
		return snapshot.Volume{}, "", problem.New("home lies on another volume", fmt.Sprintf("%s lies on %s, and volumes names %s", dir, v, strings.Join(s.config.Volumes, ", ")),
			"mount the right volume, or correct volumes")
	}
	return snapshot.Volume{ID: v.UUID, Name: v.String(), Root: h.Root}, h.Rel, nil
}

// Nested implements snapshot.Storage: volumes do not nest.
func (*storage) Nested(context.Context, snapshot.Volume, string) ([]string, error) { return nil, nil }

// Check implements snapshot.Storage.
func (s *storage) Check(ctx context.Context, volumes []snapshot.Volume) ([]providers.Finding, error) {
	findings, _, err := s.look(ctx, volumes)
	return findings, err
}

// look checks the volumes, and returns them as they are.
func (s *storage) look(ctx context.Context, volumes []snapshot.Volume) ([]providers.Finding, map[string]volume, error) {
	var r providers.Report
	if os.Geteuid() > 0 {
		r.Add(problem.New("snapshots need root", "LVM lets nobody else create and mount them", "run bkp as root"))
		return r.Findings, nil, nil
	}
	all, err := s.volumes(ctx)
	if err != nil {
		return nil, nil, err
	}
	needs, pools, found := map[string]int64{}, map[string]bool{}, map[string]volume{}
	for _, wanted := range volumes {
		v, ok := byUUID(all, wanted.ID)
		if !ok {
			return nil, nil, problem.New(volumeGone, wanted.Name, "mount the home again")
		}
		found[v.UUID] = v
		if v.Pool != "" {
			pools[v.Group+"/"+v.Pool] = true
			continue
		}
		size, err := s.config.size(v.Size)
		if err != nil {
			return nil, nil, err
		}
		needs[v.Group] += size
	}
	for _, v := range all {
		if need := needs[v.Group]; need > v.Free {
			r.Add(problem.New("volume group has no space for a snapshot", fmt.Sprintf("%s has %s free, and the snapshots take %s", v.Group, bytes(v.Free), bytes(need)),
				"add a disk with vgextend, or make snapshot_size smaller"))
			delete(needs, v.Group)
		}
		if pools[v.String()] {
			s.checkPool(&r, v)
		}
	}
	return r.Findings, found, nil
}

// checkPool refuses a thin pool that is nearly full: when it is, all volumes in it
// fail.
func (s *storage) checkPool(r *providers.Report, pool volume) {
	for _, part := range []struct {
		what string
		used float64
	}{{"data", pool.Data}, {"metadata", pool.Metadata}} {
		if part.used >= float64(s.config.MaxUsed) {
			r.Add(problem.New("thin pool is nearly full", fmt.Sprintf("%s has used %.0f %% of its %s; when it is full, every volume in it fails", pool, part.used, part.what),
				"make it larger with lvextend, or remove snapshots"))
		}
	}
}

func bytes(n int64) string { return humanize.IBytes(uint64(max(n, 0))) }

func byUUID(all []volume, uuid string) (volume, bool) {
	i := slices.IndexFunc(all, func(v volume) bool { return v.UUID == uuid })
	if i < 0 {
		return volume{}, false
	}
	return all[i], true
}

// Atomic implements snapshot.Storage: LVM captures each volume by itself.
func (*storage) Atomic(volumes []snapshot.Volume) bool { return len(volumes) <= 1 }

// Prepare implements snapshot.Storage.
func (s *storage) Prepare(ctx context.Context, _ snapshot.Tag, volumes []snapshot.Volume) error {
	findings, found, err := s.look(ctx, volumes)
	if err != nil {
		return err
	}
	for _, f := range findings {
		if f.Severity == problem.Error {
			return &f
		}
	}
	s.prepared = found
	return s.Warm(ctx, volumes)
}

// Warm implements snapshot.Storage: what is in memory is written while the volume is
// frozen.
func (s *storage) Warm(ctx context.Context, volumes []snapshot.Volume) error {
	return snapshot.Sync(ctx, volumes)
}

// Sets implements snapshot.Storage.
func (s *storage) Sets(ctx context.Context) ([]snapshot.Set, []providers.Finding, error) {
	all, err := s.volumes(ctx)
	if err != nil {
		return nil, nil, err
	}
	var out []snapshot.Set
	doomed := map[snapshot.Tag]bool{}
	for _, v := range all {
		tag, ok := v.tagOf()
		if !ok {
			continue
		}
		at := slices.IndexFunc(out, func(s snapshot.Set) bool { return s.Tag == tag })
		if at < 0 {
			at = len(out)
			out = append(out, snapshot.Set{Tag: tag})
		}
		out[at].Snapshots = append(out[at].Snapshots, snapshot.Snapshot{Volume: originOf(all, v), ID: v.UUID, Name: v.String(), At: v.Created})
		if manifest := mark.Join(v.tagged(tagManifest)); manifest != nil {
			out[at].Manifest = manifest
		}
		doomed[tag] = doomed[tag] || v.doomed()
	}
	// One that is being removed is not kept, whatever is left of it.
	for i := range out {
		if doomed[out[i].Tag] {
			out[i].Manifest = nil
		}
	}
	return out, nil, nil
}

// originOf is the volume that v is a snapshot of. A thin one may outlive it.
func originOf(all []volume, v volume) snapshot.Volume {
	for _, o := range all {
		if o.Group == v.Group && o.Name == v.Origin {
			return snapshot.Volume{ID: o.UUID, Name: o.String()}
		}
	}
	return snapshot.Volume{ID: v.firstTag(tagOrigin)}
}

// find returns a snapshot as it is now.
func (s *storage) find(ctx context.Context, sn snapshot.Snapshot) (volume, error) {
	all, err := s.volumes(ctx)
	if err != nil {
		return volume{}, err
	}
	if v, ok := byUUID(all, sn.ID); ok {
		return v, nil
	}
	return volume{}, problem.New(missing, sn.Name+" is not there any more", "find out who removed it; restore another backup, or make a new one")
}

// Mount implements snapshot.Storage. A thin snapshot is activated now: that took
// longer than all the rest, and users would have waited.
func (s *storage) Mount(ctx context.Context, sn snapshot.Snapshot, dir string) error {
	v, err := s.find(ctx, sn)
	if err == nil {
		err = whole(v)
	}
	if err != nil {
		return err
	}
	if v.Device == "" {
		if err := s.run(ctx, "lvchange", "--yes", "--activate", "y", "--ignoreactivationskip", v.String()); err != nil {
			return problem.Wrapf(err, cannotMount, "see what lvs prints of "+v.Group, "%s", v)
		}
	}
	fstype, err := s.host.Output(ctx, host.Command{Name: "blkid", Args: []string{"--probe", "--match-tag", "TYPE", "--output", "value", v.Path}})
	if err == nil {
		fstype = strings.TrimSpace(fstype)
		err = s.run(ctx, "mount", "-t", fstype, "-o", snapshot.MountOptions(fstype), v.Path, dir)
	}
	if err != nil {
		return problem.Wrapf(err, cannotMount, "see the kernel's log", "%s", v)
	}
	return nil
}

// Release implements snapshot.Storage: a thin snapshot need not be active while nobody
// reads it.
func (s *storage) Release(ctx context.Context, sn snapshot.Snapshot) error {
	v, err := s.find(ctx, sn)
	if isMissing(err) {
		return nil
	}
	if err != nil || v.Pool == "" || v.Device == "" || v.inUse() {
		return err
	}
	return s.run(ctx, "lvchange", "--activate", "n", v.String())
}

// Intact implements snapshot.Storage.
func (s *storage) Intact(ctx context.Context, sn snapshot.Snapshot) error {
	v, err := s.find(ctx, sn)
	if err != nil {
		return err
	}
	return whole(v)
}

// whole returns a problem if a classic snapshot overflowed: from then on it is of no
// instant at all.
func whole(v volume) error {
	if !v.Invalid && (v.Pool != "" || v.Data < 100) {
		return nil
	}
	return problem.New(overflowed, fmt.Sprintf("%s of %s/%s took more changes than it has space for", v, v.Group, v.Origin),
		"give it more space with snapshot_size, or run when less is written")
}

// Keep implements snapshot.Storage. One command changes all tags of a volume at once.
func (s *storage) Keep(ctx context.Context, set snapshot.Set, manifest []byte) error {
	for _, sn := range set.Snapshots {
		v, err := s.find(ctx, sn)
		if err != nil {
			return err
		}
		pieces, had := mark.Pieces(manifest, tagLimit), v.tagged(tagManifest)
		var args []string
		for _, piece := range pieces {
			if !slices.Contains(had, piece) {
				args = append(args, "--addtag", tagManifest+piece)
			}
		}
		for _, old := range had {
			if !slices.Contains(pieces, old) {
				args = append(args, "--deltag", tagManifest+old)
			}
		}
		if len(args) == 0 {
			continue
		}
		if err := s.run(ctx, "lvchange", append(args, v.String())...); err != nil {
			return err
		}
	}
	return nil
}

// Delete implements snapshot.Storage.
func (s *storage) Delete(ctx context.Context, set snapshot.Set) error {
	all, err := s.volumes(ctx)
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(v volume) bool { tag, ok := v.tagOf(); return !ok || tag != set.Tag })
	if len(all) == 0 {
		return nil
	}
	// The doomed one goes last: until then it says that the others are, too.
	slices.SortFunc(all, func(a, b volume) int { return cmp.Compare(order(a.doomed()), order(b.doomed())) })
	last := all[len(all)-1]
	if !last.doomed() && set.Kept() {
		if err := s.run(ctx, "lvchange", "--addtag", tagDoomed, last.String()); err != nil {
			return err
		}
	}
	for _, v := range all {
		if err := s.remove(ctx, v); err != nil {
			return err
		}
	}
	return nil
}

func order(b bool) int {
	if b {
		return 1
	}
	return 0
}

// remove removes a volume; one that is gone is removed.
func (s *storage) remove(ctx context.Context, v volume) error {
	err := s.run(ctx, "lvremove", "--yes", v.String())
	if err == nil {
		return nil
	}
	if _, ferr := s.find(ctx, snapshot.Snapshot{ID: v.UUID}); isMissing(ferr) {
		return nil
	}
	return problem.Wrapf(err, cannotRemove, "find out what has it mounted or open, and run again:\n\n    lsblk "+v.Path, "%s", v)
}

func isMissing(err error) bool {
	var p *problem.Problem
	return errors.As(err, &p) && p.Summary == missing
}
