package awsebs

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/home/internal/snapshot"
	"bkp/providers/internal/aws"
	"bkp/providers/internal/mark"
)

const (
	wrongFileSystem = "file system cannot be captured by EBS"
	notAttached     = "volume is not attached to this machine"
	missing         = "snapshot is missing"
	failed          = "snapshot failed"
)

// storage implements snapshot.Storage.
type storage struct {
	config Config
	env    providers.Env
	aws    *aws.Client
	disks  disks
	owner  string

	mu sync.Mutex
	// machine is the one that bkp runs on, once it is known.
	machine string
	// request is what Take asks for, skew how far the clock of Amazon is ahead of this
	// machine's, both since Warm.
	request aws.Request
	skew    time.Duration
	// roots are the mounts that Take freezes.
	roots []string
	// instead is the set that a restore reads in the place of one that is gone, nil for
	// none; abroad is set while it is where it cannot be read.
	instead *snapshot.Set
	abroad  bool
}

var (
	_ snapshot.Storage   = (*storage)(nil)
	_ snapshot.Completer = (*storage)(nil)
	_ snapshot.Sweeper   = (*storage)(nil)
)

func newStorage(c Config, env providers.Env) *storage {
	return &storage{config: c, env: env, aws: aws.New(c.Access), disks: disks{c.Sysfs}, owner: mark.Owner(env.WorkDir)}
}

// instance is the machine, as Amazon has it now.
func (s *storage) instance(ctx context.Context) (aws.Instance, error) {
	s.mu.Lock()
	id := s.machine
	s.mu.Unlock()
	if id == "" {
		id = s.config.InstanceID
	}
	if id == "" {
		var err error
		if id, err = s.aws.ThisInstance(ctx); err != nil {
			return aws.Instance{}, err
		}
	}
	s.mu.Lock()
	s.machine = id
	s.mu.Unlock()
	return s.aws.Instance(ctx, id)
}

// fileSystems are those that can be mounted a second time from a snapshot, and lie on one
// disk.
var fileSystems = []string{"ext2", "ext3", "ext4", "xfs"}

// Find implements snapshot.Storage. It asks this machine alone.
func (s *storage) Find(_ context.Context, dir string) (snapshot.Volume, string, error) {
	h, err := snapshot.HolderOf(dir)
	if err != nil {
		return snapshot.Volume{}, "", err
	}
	if !slices.Contains(fileSystems, h.FSType) {
		return snapshot.Volume{}, "", problem.New(wrongFileSystem, fmt.Sprintf("%s lies on %s, %s", dir, h.Source, h.FSType),
			`move it to ext4 or XFS on a volume of its own, leave it out with exclude, or use home "zfs", "btrfs" or "mirror"`)
	}
	d, err := s.disks.withNumbers(fmt.Sprintf("%d:%d", h.Major, h.Minor))
	if err != nil {
		return snapshot.Volume{}, "", problem.Wrap(err, "disk is not known", "mount /sys, or set sysfs to where it is")
	}
	id := d.volume()
	switch {
	case len(s.disks.below(d.Name)) > 0:
		return snapshot.Volume{}, "", problem.New(wrongFileSystem, fmt.Sprintf("%s lies on %s, which is made of %s: LVM, RAID or encryption", dir, d.Name, strings.Join(s.disks.below(d.Name), ", ")),
			`use home "lvm", or a file system that lies on a volume itself`)
	case id == "":
		return snapshot.Volume{}, "", problem.New("disk is no EBS volume", fmt.Sprintf("%s lies on %s, whose serial number %q is none of a volume", dir, d.Name, d.Serial),
			`use a machine with NVMe disks (Nitro), or home "mirror"; disks of the machine itself are not in EBS`)
	case len(d.Partitions) > 1:
		return snapshot.Volume{}, "", problem.New(wrongFileSystem, fmt.Sprintf("%s lies on %s, which has %d partitions", dir, d.Name, len(d.Partitions)), "move it to a volume with one partition, or with none")
	}
	if len(s.config.Volumes) > 0 && !slices.Contains(s.config.Volumes, id) {
		return snapshot.Volume{}, "", problem.New("home lies on another volume", fmt.Sprintf("%s lies on %s, and volumes names %s", dir, id, strings.Join(s.config.Volumes, ", ")),
			"mount the right volume, or correct volumes")
	}
	return snapshot.Volume{ID: id, Name: id, Root: h.Root}, h.Rel, nil
}

// Nested implements snapshot.Storage: volumes do not nest.
func (*storage) Nested(context.Context, snapshot.Volume, string) ([]string, error) { return nil, nil }

// Atomic implements snapshot.Storage: one call takes all.
func (*storage) Atomic([]snapshot.Volume) bool { return true }

// Prepare implements snapshot.Storage.
func (s *storage) Prepare(ctx context.Context, tag snapshot.Tag, volumes []snapshot.Volume) error {
	if err := s.checkFreeze(volumes); err != nil {
		return err
	}
	if err := s.captured(tag.Backup); err != nil {
		return err
	}
	return s.Warm(ctx, volumes)
}

// Warm implements snapshot.Storage: keys that last, an open connection, what is attached now, and
// little left to write under the lock.
func (s *storage) Warm(ctx context.Context, volumes []snapshot.Volume) error {
	if s.config.Freeze != freezeNone {
		if err := snapshot.Sync(ctx, volumes); err != nil {
			return err
		}
	}
	if err := s.aws.Refresh(ctx); err != nil {
		return err
	}
	before := time.Now()
	clock, err := s.aws.Clock(ctx)
	if err != nil {
		return err
	}
	machine, err := s.instance(ctx)
	if err != nil {
		return err
	}
	request, err := requestFor(machine, volumes)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.request, s.skew, s.roots = request, clock.Sub(before), rootsOf(volumes)
	return nil
}

// requestFor asks for the snapshots of these volumes and of no others.
func requestFor(machine aws.Instance, volumes []snapshot.Volume) (aws.Request, error) {
	r := aws.Request{Instance: machine.ID}
	wanted := map[string]bool{}
	for _, v := range volumes {
		wanted[v.ID] = true
		if !machine.Has(v.ID) {
			return r, problem.New(notAttached, fmt.Sprintf("%s is not attached to %s", v.ID, machine.ID), "correct instance_id, or run bkp on the machine that has the volume")
		}
		r.Boot = r.Boot || v.ID == machine.Boot
	}
	for _, id := range machine.Volumes {
		if !wanted[id] && id != machine.Boot {
			r.Exclude = append(r.Exclude, id)
		}
	}
	slices.Sort(r.Exclude)
	return r, nil
}

func rootsOf(volumes []snapshot.Volume) []string {
	var out []string
	for _, v := range volumes {
		if v.Root != "" && !slices.Contains(out, v.Root) {
			out = append(out, v.Root)
		}
	}
	return out
}

// Check implements snapshot.Storage.
func (s *storage) Check(ctx context.Context, volumes []snapshot.Volume) ([]providers.Finding, error) {
	var r providers.Report
	if os.Geteuid() > 0 {
		r.Add(problem.New("snapshots need root", "nobody else may mount the volumes that are made of them", "run bkp as root"))
		return r.Findings, nil
	}
	if err := s.check(ctx, &r, volumes); err != nil {
		p := asProblem(err)
		if p == nil {
			return nil, err
		}
		r.Add(p)
	}
	return r.Findings, nil
}

func (s *storage) check(ctx context.Context, r *providers.Report, volumes []snapshot.Volume) error {
	if err := s.checkFreeze(volumes); err != nil {
		return err
	}
	if _, err := s.aws.Account(ctx); err != nil {
		return err
	}
	machine, err := s.instance(ctx)
	if err != nil {
		return err
	}
	request, err := requestFor(machine, volumes)
	if err != nil {
		return err
	}
	known, err := s.aws.Volumes(ctx, ids(volumes)...)
	if err != nil {
		return err
	}
	for _, v := range known {
		if err := s.checkPending(ctx, r, v); err != nil {
			return err
		}
	}
	sets, _, err := s.Sets(ctx)
	if err != nil {
		return err
	}
	s.checkDoomed(r, sets)
	return s.tryRights(ctx, request, machine.Zone, sets)
}

// checkDoomed warns of sets of this home and state folder that bkp began to delete.
func (s *storage) checkDoomed(r *providers.Report, sets []snapshot.Set) {
	for _, set := range sets {
		t := set.Tag
		if !set.Doomed || t.Address != s.env.Address || t.Owner != s.owner || t.Backup.Instance() != s.env.Instance.Name {
			continue
		}
		r.Add(problem.Warn("snapshots are still to be deleted", fmt.Sprintf("those of %s that bkp began to delete are there", t.Backup),
			"the next run tries again: see whether an image (AMI) or a lock keeps them, and whether bkp may delete them"))
	}
}

func ids(volumes []snapshot.Volume) []string {
	var out []string
	for _, v := range volumes {
		out = append(out, v.ID)
	}
	return out
}

// checkPending looks how many snapshots of a volume are unfinished: Amazon refuses
// another one beyond a limit.
func (s *storage) checkPending(ctx context.Context, r *providers.Report, v aws.Volume) error {
	pending, err := s.aws.PendingOf(ctx, v.ID)
	if err != nil {
		return err
	}
	most, slow := 5, 3
	if v.Type == "st1" || v.Type == "sc1" {
		most, slow = 1, 1
	}
	switch n := len(pending); {
	case n >= most:
		r.Add(problem.New("volume has too many unfinished snapshots", fmt.Sprintf("%s (%s) has %d, and Amazon allows %d", v.ID, v.Type, n, most), "wait until they are completed, then plan again"))
	case n >= slow:
		r.Add(problem.Warn("volume has unfinished snapshots", fmt.Sprintf("%s has %d of at most %d, and each makes the others slower", v.ID, n, most), "make backups less often, or end what else takes snapshots of it"))
	}
	return nil
}

// tryRights tries, without an effect, what a run will do. Deleting and reading can be
// tried with a snapshot that is there alone.
func (s *storage) tryRights(ctx context.Context, request aws.Request, zone string, sets []snapshot.Set) error {
	request.Tags = map[string]string{tagBackup: "try"}
	if err := s.aws.TryCreateSnapshots(ctx, request); err != nil {
		return err
	}
	if len(sets) == 0 {
		return nil
	}
	sn := sets[0].Snapshots[0]
	if err := s.aws.TryDeleteSnapshot(ctx, sn.ID); err != nil {
		return err
	}
	return s.aws.TryCreateVolume(ctx, aws.NewVolume{Snapshot: sn.ID, Zone: zone, Type: s.config.Restore.VolumeType})
}

func asProblem(err error) *problem.Problem {
	p, ok := err.(*problem.Problem) //nolint:errorlint // one that is wrapped says more than its cause
	if !ok {
		return nil
	}
	return p
}
