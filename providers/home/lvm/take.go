package lvm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/home/internal/snapshot"
)

// The tags by which snapshots are found again; no name says anything.
const (
	tagAll     = "bkp"
	tagBackup  = "bkp.backup="
	tagAddress = "bkp.address="
	tagOwner   = "bkp.owner="
	tagOrigin  = "bkp.origin="
	tagDoomed  = "bkp.doomed"
	// tagManifest begins the tags with the manifest of a kept backup, in pieces, and
	// tagLimit is what fits into one with room for the number of a piece.
	tagManifest = "bkp.manifest."
	tagLimit    = 900
)

// tagOf is the tag of a volume that bkp made.
func (v volume) tagOf() (snapshot.Tag, bool) {
	tag := snapshot.Tag{Backup: providers.BackupID(v.firstTag(tagBackup)), Address: v.firstTag(tagAddress), Owner: v.firstTag(tagOwner)}
	return tag, tag.Backup != "" && slices.Contains(v.Tags, tagAll)
}

// doomed reports whether the volume is being removed.
func (v volume) doomed() bool { return slices.Contains(v.Tags, tagDoomed) }

// snapshotName is a name for the snapshot of a volume: a valid one, whatever the
// names of instance and volume are.
func snapshotName(tag snapshot.Tag, origin volume) string {
	sum := sha256.Sum256([]byte(string(tag.Backup) + "\x00" + tag.Address + "\x00" + tag.Owner + "\x00" + origin.UUID))
	return "bkp-" + tag.Backup.Time().Format("20060102T150405Z") + "-" + hex.EncodeToString(sum[:6])
}

// Take implements snapshot.Storage.
func (s *storage) Take(ctx context.Context, tag snapshot.Tag, volumes []snapshot.Volume) ([]snapshot.Snapshot, error) {
	made := map[string]time.Time{}
	for _, wanted := range volumes {
		v, ok := s.prepared[wanted.ID]
		if !ok {
			return nil, problem.New(volumeGone, wanted.Name+" was not there before the lock", "run again")
		}
		if err := s.take(ctx, tag, v); err != nil {
			return nil, err
		}
		made[v.UUID] = time.Now().UTC()
	}
	sets, _, err := s.Sets(ctx)
	if err != nil {
		return nil, err
	}
	var out []snapshot.Snapshot
	for _, wanted := range volumes {
		at := slices.IndexFunc(sets, func(s snapshot.Set) bool { return s.Tag == tag })
		if at < 0 {
			return nil, problem.New(missing, "of "+wanted.Name, "see what lvs prints, and run again")
		}
		i := slices.IndexFunc(sets[at].Snapshots, func(sn snapshot.Snapshot) bool { return sn.Volume.ID == wanted.ID })
		if i < 0 {
			return nil, problem.New(missing, "of "+wanted.Name, "see what lvs prints, and run again")
		}
		sn := sets[at].Snapshots[i]
		sn.At = made[wanted.ID]
		out = append(out, sn)
	}
	return out, nil
}

// take makes the snapshot of one volume, with its tag. A thin one is not activated.
func (s *storage) take(ctx context.Context, tag snapshot.Tag, origin volume) error {
	args := []string{"--yes", "--snapshot", "--name", snapshotName(tag, origin), "--addtag", tagAll}
	for _, t := range []string{tagBackup + string(tag.Backup), tagAddress + tag.Address, tagOwner + tag.Owner, tagOrigin + origin.UUID} {
		args = append(args, "--addtag", t)
	}
	if origin.Pool == "" {
		size, err := s.config.size(origin.Size)
		if err != nil {
			return err
		}
		// A snapshot that is watched is unmounted when it is full, and then the folder
		// below it reads as an empty home. Unwatched, reading it fails.
		// LVM takes whole sectors only, and makes whole extents of them.
		const sector = 512
		args = append(args, "--monitor", "n", "--size", fmt.Sprint(size/sector*sector, "b"))
	}
	if err := s.run(ctx, "lvcreate", append(args, origin.String())...); err != nil {
		return problem.Wrapf(err, cannotTake, "see what lvs and vgs print of "+origin.Group, "%s", origin)
	}
	return nil
}
