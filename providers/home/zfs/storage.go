package zfs

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/home"
	"bkp/providers/home/internal/snapshot"
	"bkp/providers/internal/mark"
)

// storage implements snapshot.Storage.
type storage struct {
	tool
	config Config
}

var (
	_ snapshot.Storage  = (*storage)(nil)
	_ snapshot.Absenter = (*storage)(nil)
)

const (
	notMounted = "dataset is not mounted"
	notThere   = "snapshot is missing"
)

// Find implements snapshot.Storage.
func (s *storage) Find(ctx context.Context, dir string) (snapshot.Volume, string, error) {
	h, err := snapshot.HolderOf(dir)
	if err != nil {
		return snapshot.Volume{}, "", err
	}
	all, err := s.datasets(ctx)
	if err != nil {
		return snapshot.Volume{}, "", err
	}
	if absent := absentAt(all, dir, h.Mountpoint); absent != nil {
		return snapshot.Volume{}, "", absent
	}
	if h.FSType != "zfs" || strings.Contains(h.Source, "@") {
		return snapshot.Volume{}, "", problem.New("file system is no dataset", fmt.Sprintf("%s lies on %s, %s", dir, h.Source, h.FSType),
			"move it into a dataset, leave it out with exclude, or use home \"mirror\"")
	}
	if len(s.config.Datasets) > 0 && !slices.Contains(s.config.Datasets, h.Source) {
		return snapshot.Volume{}, "", problem.New("home lies on another dataset", fmt.Sprintf("%s lies on %s, and datasets names %s", dir, h.Source, strings.Join(s.config.Datasets, ", ")),
			"mount the right dataset, or correct datasets")
	}
	for _, d := range all {
		if d.Name == h.Source {
			return snapshot.Volume{ID: d.GUID, Name: d.Name, Root: h.Root}, h.Rel, nil
		}
	}
	return snapshot.Volume{}, "", problem.New("dataset cannot be seen", fmt.Sprintf("%s lies on %s, which zfs list does not show", dir, h.Source), "run bkp as root, outside of a container")
}

// absentAt returns a problem if a dataset that is not mounted belongs between a mount
// and a folder below it, nil if none does.
func absentAt(all []dataset, dir, mount string) *problem.Problem {
	for _, d := range all {
		if d.absent() && home.Within(host.Resolve(dir), d.Mountpoint) && len(d.Mountpoint) >= len(mount) {
			return d.whyAbsent()
		}
	}
	return nil
}

// Absent implements snapshot.Absenter.
func (s *storage) Absent(ctx context.Context, dir string) (*problem.Problem, error) {
	h, err := snapshot.HolderOf(dir)
	if err != nil {
		return nil, err
	}
	all, err := s.datasets(ctx)
	if err != nil {
		return nil, err
	}
	return absentAt(all, dir, h.Mountpoint), nil
}

// Nested implements snapshot.Storage. Child datasets that are mounted stand in the
// list of mounts. One that belongs below dir and is not mounted would be missing from
// the backup without a word, and is an error.
func (s *storage) Nested(ctx context.Context, _ snapshot.Volume, dir string) ([]string, error) {
	all, err := s.datasets(ctx)
	if err != nil {
		return nil, err
	}
	for _, d := range all {
		if d.absent() && home.Within(d.Mountpoint, host.Resolve(dir)) {
			return nil, d.whyAbsent()
		}
	}
	return nil, nil
}

// Check implements snapshot.Storage.
func (s *storage) Check(ctx context.Context, volumes []snapshot.Volume) ([]providers.Finding, error) {
	var r providers.Report
	if os.Geteuid() > 0 {
		r.Add(problem.New("snapshots cannot be mounted", "bkp does not run as root, and on Linux the right to mount cannot be given with zfs allow", "run bkp as root"))
	}
	if err := s.checkPools(ctx, &r, volumes); err != nil {
		return nil, err
	}
	all, err := s.datasets(ctx)
	if err != nil {
		return nil, err
	}
	for _, d := range all {
		if slices.ContainsFunc(volumes, func(v snapshot.Volume) bool { return v.ID == d.GUID }) {
			s.checkDataset(&r, d)
		}
	}
	return r.Findings, nil
}

func (s *storage) checkDataset(r *providers.Report, d dataset) {
	if d.Limit >= 0 && d.Count >= d.Limit {
		r.Add(problem.New("dataset may have no more snapshots", fmt.Sprintf("%s has %d, and its snapshot_limit is %d", d.Name, d.Count, d.Limit),
			"remove snapshots, or raise the limit:\n\n    zfs set snapshot_limit=none "+d.Name))
	}
	if d.Quota > 0 && d.Used >= d.Quota/100*int64(s.config.MaxUsed) {
		r.Add(problem.New("dataset has nearly used its quota", fmt.Sprintf("%s has used %d of %d bytes; what users delete goes on counting while a snapshot holds it", d.Name, d.Used, d.Quota),
			fmt.Sprintf("raise the quota, or use refquota, which does not count snapshots:\n\n    zfs set quota=none refquota=%d %s", d.Quota, d.Name)))
	}
}

func (s *storage) checkPools(ctx context.Context, r *providers.Report, volumes []snapshot.Volume) error {
	for _, group := range byPool(names(volumes)) {
		p, err := s.pool(ctx, pool(group[0]))
		if err != nil {
			return err
		}
		if p.Capacity >= int64(s.config.MaxUsed) {
			r.Add(problem.New("pool is nearly full", fmt.Sprintf("%s is used to %d %%; a snapshot keeps what users change, and a full pool stops the home", p.Name, p.Capacity),
				"add disks or remove snapshots; this shows the largest:\n\n    zfs list -t snapshot -s used"))
		}
		if p.ReadOnly {
			r.Add(problem.New("pool is read-only", p.Name, "import it for writing:\n\n    zpool export "+p.Name+"\n    zpool import "+p.Name))
		}
		switch p.Health {
		case "ONLINE":
		case "DEGRADED":
			r.Add(problem.Warn("pool is degraded", p.Name, "replace the disk that zpool status names"))
		default:
			r.Add(problem.New("pool is out of order", p.Name+" is "+p.Health, "see zpool status "+p.Name))
		}
	}
	return nil
}

// Atomic implements snapshot.Storage: one call takes all snapshots of a pool.
func (s *storage) Atomic(volumes []snapshot.Volume) bool { return len(byPool(names(volumes))) <= 1 }

// Prepare implements snapshot.Storage.
func (s *storage) Prepare(ctx context.Context, _ snapshot.Tag, volumes []snapshot.Volume) error {
	findings, err := s.Check(ctx, volumes)
	if err != nil {
		return err
	}
	for _, f := range findings {
		if f.Severity == problem.Error {
			return &f
		}
	}
	return s.Warm(ctx, volumes)
}

// Warm implements snapshot.Storage: what is in memory would be written by the snapshot.
func (s *storage) Warm(ctx context.Context, volumes []snapshot.Volume) error {
	return snapshot.Sync(ctx, volumes)
}

// Take implements snapshot.Storage.
func (s *storage) Take(ctx context.Context, tag snapshot.Tag, volumes []snapshot.Volume) ([]snapshot.Snapshot, error) {
	name := snapshotName(tag)
	if err := s.take(ctx, name, tag, names(volumes)); err != nil {
		return nil, err
	}
	return s.taken(ctx, name, volumes)
}

// Sets implements snapshot.Storage.
func (s *storage) Sets(ctx context.Context) ([]snapshot.Set, []providers.Finding, error) {
	all, err := s.tagged(ctx)
	if err != nil {
		return nil, nil, err
	}
	datasets, err := s.datasets(ctx)
	if err != nil {
		return nil, nil, err
	}
	var out []snapshot.Set
	for _, one := range all {
		i := slices.IndexFunc(datasets, func(d dataset) bool { return d.Name == one.dataset })
		if i < 0 {
			continue // it went between the two calls
		}
		sn := snapshot.Snapshot{
			Volume: snapshot.Volume{ID: datasets[i].GUID, Name: one.dataset}, ID: one.guid, Name: one.name, Generation: one.createtxg, At: one.created,
		}
		at := slices.IndexFunc(out, func(s snapshot.Set) bool { return s.Tag == one.tag })
		if at < 0 {
			at = len(out)
			out = append(out, snapshot.Set{Tag: one.tag})
		}
		out[at].Snapshots = append(out[at].Snapshots, sn)
		if len(one.manifest) > 0 {
			out[at].Manifest = one.manifest
		}
	}
	// One that is being removed is not kept, whatever is left of it.
	for _, one := range all {
		for i := range out {
			if one.doomed && out[i].Tag == one.tag {
				out[i].Manifest = nil
			}
		}
	}
	return out, nil, nil
}

// Mount implements snapshot.Storage. It is mounted by itself, and not through .zfs of
// its dataset, which would be one more mount inside the home.
func (s *storage) Mount(ctx context.Context, sn snapshot.Snapshot, dir string) error {
	if err := s.Intact(ctx, sn); err != nil {
		return err
	}
	_, err := s.host.Run(ctx, host.Command{Name: "mount", Args: []string{"-t", "zfs", "-o", "ro,nosuid,nodev,noexec", sn.Name, dir}})
	if err != nil {
		return problem.Wrapf(err, "snapshot cannot be mounted", "see the kernel's log", "%s", sn.Name)
	}
	return nil
}

// Release implements snapshot.Storage.
func (s *storage) Release(context.Context, snapshot.Snapshot) error { return nil }

// Intact implements snapshot.Storage. A snapshot of ZFS does not change: it is there,
// or it is not.
func (s *storage) Intact(ctx context.Context, sn snapshot.Snapshot) error {
	rows, err := s.rows(ctx, 1, "zfs", "list", "-Hp", "-t", "snapshot", "-o", "guid", sn.Name)
	if err == nil && len(rows) == 1 && rows[0][0] == sn.ID {
		return nil
	}
	if err != nil && !doesNotExist(err) {
		return err
	}
	return problem.New(notThere, sn.Name+" is not there any more", "find out who removed it; restore another backup, or make a new one")
}

// Keep implements snapshot.Storage. The holds come first: with the manifest the set
// counts as kept.
func (s *storage) Keep(ctx context.Context, set snapshot.Set, manifest []byte) error {
	for _, sn := range set.Snapshots {
		held, err := s.isHeld(ctx, sn.Name)
		if err == nil && !held {
			err = s.zfs(ctx, "hold", holdTag, sn.Name)
		}
		if err != nil {
			return err
		}
	}
	pieces := mark.Pieces(manifest, valueLimit)
	if len(pieces) > maxPieces {
		return fmt.Errorf("the manifest takes %d properties of a snapshot, and at most %d are used", len(pieces), maxPieces)
	}
	args := []string{"set"}
	for i, piece := range pieces {
		args = append(args, fmt.Sprint(propManifest, i, "=", piece))
	}
	for _, sn := range set.Snapshots {
		if err := s.zfs(ctx, append(slices.Clone(args), sn.Name)...); err != nil {
			return err
		}
	}
	return nil
}

// Delete implements snapshot.Storage.
func (s *storage) Delete(ctx context.Context, set snapshot.Set) error {
	all, err := s.tagged(ctx)
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(one tagged) bool { return one.tag != set.Tag })
	if len(all) == 0 {
		return nil
	}
	// The doomed one goes last: until then it says that the others are, too.
	slices.SortFunc(all, func(a, b tagged) int { return cmp.Compare(order(a.doomed), order(b.doomed)) })
	last := all[len(all)-1]
	if !last.doomed && set.Kept() {
		if err := s.zfs(ctx, "set", propDoomed+"=yes", last.name); err != nil {
			return err
		}
	}
	for _, one := range all {
		if err := s.remove(ctx, one.name); err != nil {
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

func names(volumes []snapshot.Volume) []string {
	out := make([]string, len(volumes))
	for i, v := range volumes {
		out[i] = v.Name
	}
	return out
}

// when reads the seconds since 1970 that zfs prints with -p.
func when(text string) time.Time { return time.Unix(number(text, 0), 0).UTC() }
