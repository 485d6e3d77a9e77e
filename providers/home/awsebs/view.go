package awsebs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gofrs/flock"

	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/providers/home/internal/snapshot"
	"bkp/providers/internal/aws"
)

const cannotMount = "snapshot cannot be mounted"

// Mount implements snapshot.Storage: a volume is made of the snapshot, attached to this machine
// and mounted.
func (s *storage) Mount(ctx context.Context, sn snapshot.Snapshot, dir string) (err error) {
	lock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	defer func() {
		if err != nil {
			err = errors.Join(err, s.drop(context.WithoutCancel(ctx), func(v aws.Volume) bool { return v.Tags[tagView] == sn.ID }))
		}
	}()
	if err := s.Intact(ctx, sn); err != nil {
		return err
	}
	machine, err := s.instance(ctx)
	if err != nil {
		return err
	}
	id, err := s.view(ctx, sn, machine)
	if err != nil {
		return err
	}
	d, err := s.appear(ctx, id)
	if err != nil {
		return err
	}
	return s.mount(ctx, d.device(), dir)
}

// view returns a volume of the snapshot that is attached to the machine: one that is
// there, or a new one.
func (s *storage) view(ctx context.Context, sn snapshot.Snapshot, machine aws.Instance) (string, error) {
	views, err := s.aws.VolumesWith(ctx, tagView)
	if err != nil {
		return "", err
	}
	for _, v := range views {
		if v.Tags[tagView] == sn.ID && v.Tags[tagOwner] == s.owner && v.Instance == machine.ID && v.Attachment == "attached" {
			return v.ID, nil
		}
	}
	id, err := s.aws.CreateVolume(ctx, aws.NewVolume{
		Snapshot: sn.ID, Zone: machine.Zone, Type: s.config.Restore.VolumeType, Rate: int32(s.config.Restore.InitializationRate), Key: s.config.Restore.KMSKeyID,
		Tags: map[string]string{tagView: sn.ID, tagOwner: s.owner, tagName: "bkp, to be read"},
	})
	if err != nil {
		return "", err
	}
	if err := s.until(ctx, id, func(v aws.Volume) bool { return v.State == "available" }); err != nil {
		return "", err
	}
	if err := s.attach(ctx, id, machine); err != nil {
		return "", err
	}
	return id, s.until(ctx, id, func(v aws.Volume) bool { return v.Attachment == "attached" })
}

// until waits for a state of a volume.
func (s *storage) until(ctx context.Context, id string, is func(aws.Volume) bool) error {
	var unseen aws.Unseen
	return aws.Wait(ctx, func() (bool, error) {
		list, err := s.aws.Volumes(ctx, id)
		if err != nil {
			return false, err
		}
		if len(list) != 1 && !unseen.Missing(false) {
			return false, nil
		}
		if len(list) != 1 || list[0].State == "error" || strings.HasPrefix(list[0].State, "delet") {
			return false, problem.New("volume cannot be used", id+", made of a snapshot, failed or is gone", "see what Amazon says of it, and whether the key of the snapshot can be used")
		}
		return is(list[0]), nil
	})
}

// attach uses the first name that is free.
func (s *storage) attach(ctx context.Context, id string, machine aws.Instance) error {
	for letter := 'f'; letter <= 'p'; letter++ {
		name := "/dev/sd" + string(letter)
		if _, taken := machine.Volumes[name]; taken {
			continue
		}
		err := s.aws.Attach(ctx, id, machine.ID, name)
		if !aws.NameTaken(err) {
			return err
		}
	}
	return problem.New("machine has no room for another volume", machine.ID+" has all names from /dev/sdf to /dev/sdp in use", "detach volumes that nobody needs")
}

// appear waits until the machine has the disk of a volume.
func (s *storage) appear(ctx context.Context, id string) (d disk, err error) {
	err = aws.Wait(ctx, func() (ok bool, err error) {
		d, ok, err = s.disks.ofVolume(id)
		return ok, err
	})
	return d, err
}

func (s *storage) mount(ctx context.Context, device, dir string) error {
	fstype, err := s.env.Host.Output(ctx, host.Command{Name: "blkid", Args: []string{"--probe", "--match-tag", "TYPE", "--output", "value", device}})
	if err == nil {
		fstype = strings.TrimSpace(fstype)
		if !slices.Contains(fileSystems, fstype) {
			return problem.New(cannotMount, fmt.Sprintf("%s has the file system %q", device, fstype), "see what blkid says of it")
		}
		_, err = s.env.Host.Run(ctx, host.Command{Name: "mount", Args: []string{"-t", fstype, "-o", snapshot.MountOptions(fstype), device, dir}})
	}
	if err != nil {
		return problem.Wrapf(err, cannotMount, "see the kernel's log", "%s", device)
	}
	return nil
}

// Release implements snapshot.Storage.
func (s *storage) Release(ctx context.Context, sn snapshot.Snapshot) error {
	return s.drop(ctx, func(v aws.Volume) bool { return v.Tags[tagView] == sn.ID })
}

// Sweep implements snapshot.Sweeper. What another process makes just now is left
// alone.
func (s *storage) Sweep(ctx context.Context) error {
	if err := s.lockDue(ctx); err != nil {
		return err
	}
	if _, err := os.Stat(s.env.WorkDir); errors.Is(err, fs.ErrNotExist) {
		return nil // this state folder never mounted anything
	}
	lock := s.flock()
	if ok, err := lock.TryLock(); err != nil || !ok {
		return errors.Join(err, lock.Close())
	}
	return errors.Join(s.drop(ctx, func(aws.Volume) bool { return true }), s.back().Sweep(ctx, aws.Volumes), lock.Close())
}

// drop detaches and deletes volumes that were made to be read, unless they are
// mounted.
func (s *storage) drop(ctx context.Context, which func(aws.Volume) bool) error {
	views, err := s.aws.VolumesWith(ctx, tagView)
	if err != nil {
		return err
	}
	for _, v := range views {
		if v.Tags[tagOwner] != s.owner || !which(v) {
			continue
		}
		if err := s.dropOne(ctx, v); err != nil {
			return err
		}
	}
	return nil
}

func (s *storage) dropOne(ctx context.Context, v aws.Volume) error {
	d, here, err := s.disks.ofVolume(v.ID)
	if err != nil {
		return err
	}
	if here {
		used, err := mounted(d.device())
		if err != nil || used {
			return err
		}
	}
	if v.Instance != "" {
		if err := s.aws.Detach(ctx, v.ID); err != nil {
			return err
		}
		if err := s.until(ctx, v.ID, func(v aws.Volume) bool { return v.State == "available" }); err != nil {
			return err
		}
	}
	return s.aws.DeleteVolume(ctx, v.ID)
}

// lock is held, shared, by who makes a volume, until it is mounted.
func (s *storage) lock(ctx context.Context) (*flock.Flock, error) {
	if err := os.MkdirAll(s.env.WorkDir, 0o700); err != nil {
		return nil, problem.Wrap(err, "state folder not writable", "set state_dir to a folder that this user may write to")
	}
	lock := s.flock()
	if _, err := lock.TryRLockContext(ctx, firstPause); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return lock, nil
}

func (s *storage) flock() *flock.Flock {
	return flock.New(filepath.Join(s.env.WorkDir, "volumes.lock"), flock.SetPermissions(0o600))
}
