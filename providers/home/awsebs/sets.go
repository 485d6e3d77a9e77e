package awsebs

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/home/internal/snapshot"
	"bkp/providers/internal/aws"
	"bkp/providers/internal/mark"
)

// The tags by which snapshots and volumes are found again; no name says anything.
const (
	tagName    = "Name"
	tagBackup  = aws.TagBackup
	tagAddress = "bkp:address"
	tagOwner   = "bkp:owner"
	tagVolume  = "bkp:volume"
	tagDoomed  = "bkp:doomed"
	// tagView is of a volume that is made to be read for a while: its snapshot.
	tagView = "bkp:view"
	// tagManifest begins the tags with the manifest of a kept backup, in pieces; tagLimit is
	// what fits into one with room for its number, and mostPieces what fits beside the other tags.
	tagManifest = "bkp:manifest."
	tagLimit    = 240
	mostPieces  = 32
)

func (s *storage) tags(t snapshot.Tag) map[string]string {
	return map[string]string{tagName: string(t.Backup), tagBackup: string(t.Backup), tagAddress: t.Address, tagOwner: t.Owner}
}

func tagOf(tags map[string]string) snapshot.Tag {
	return snapshot.Tag{Backup: providers.BackupID(tags[tagBackup]), Address: tags[tagAddress], Owner: tags[tagOwner]}
}

// Sets implements snapshot.Storage.
func (s *storage) Sets(ctx context.Context) ([]snapshot.Set, []providers.Finding, error) {
	found, err := s.aws.Snapshots(ctx, tagBackup)
	if err != nil {
		return nil, nil, err
	}
	var out []snapshot.Set
	doomed := map[snapshot.Tag]bool{}
	for _, one := range found {
		tag := tagOf(one.Tags)
		if _, err := providers.ParseBackupID(string(tag.Backup)); err != nil || tag.Address == "" {
			continue // somebody else's tag
		}
		at := slices.IndexFunc(out, func(s snapshot.Set) bool { return s.Tag == tag })
		if at < 0 {
			at = len(out)
			out = append(out, snapshot.Set{Tag: tag})
		}
		out[at].Snapshots = append(out[at].Snapshots, snapshotOf(one))
		if manifest := mark.Join(pieces(one.Tags)); manifest != nil {
			out[at].Manifest = manifest
		}
		doomed[tag] = doomed[tag] || one.Tags[tagDoomed] != ""
	}
	// One that is being removed is not kept, whatever is left of it.
	for i := range out {
		if doomed[out[i].Tag] {
			out[i].Manifest, out[i].Doomed = nil, true
		}
	}
	return s.replaced(out), nil, nil
}

func pieces(tags map[string]string) []string {
	var out []string
	for key, value := range tags {
		if strings.HasPrefix(key, tagManifest) {
			out = append(out, value)
		}
	}
	return out
}

// snapshotOf is one as homes know it. A copy has an arbitrary volume, so the tag counts
// if it is there.
func snapshotOf(one aws.Snapshot) snapshot.Snapshot {
	volume := one.Volume
	if v := one.Tags[tagVolume]; v != "" {
		volume = v
	}
	return snapshot.Snapshot{Volume: snapshot.Volume{ID: volume, Name: volume}, ID: one.ID, Name: one.ID, At: one.Started.UTC()}
}

// find returns a snapshot as Amazon has it now.
func (s *storage) find(ctx context.Context, sn snapshot.Snapshot) (aws.Snapshot, error) {
	one, there, err := s.aws.Snapshot(ctx, sn.ID)
	if err == nil && !there {
		err = problem.New(missing, sn.Name+" is not there any more", "find out who removed it, such as a policy of the account; restore another backup, or make a new one")
	}
	return one, err
}

// Intact implements snapshot.Storage.
func (s *storage) Intact(ctx context.Context, sn snapshot.Snapshot) error {
	if s.isAbroad() {
		return nil // looked at where it is
	}
	one, err := s.find(ctx, sn)
	if err != nil {
		return err
	}
	return usable(one)
}

// usable returns a problem for a snapshot that failed, as Amazon has it.
func usable(one aws.Snapshot) error {
	if one.State == aws.Pending || one.State == aws.Completed {
		return nil
	}
	return problem.New(failed, strings.TrimSpace(fmt.Sprintf("%s of %s is in the state %s %s", one.ID, one.Volume, one.State, one.Why)),
		"see whether the key of the volume can be used and the volume is healthy, and make another backup")
}

// Keep implements snapshot.Storage: one call tags all of the set.
func (s *storage) Keep(ctx context.Context, set snapshot.Set, manifest []byte) error {
	cut := mark.Pieces(manifest, tagLimit)
	if len(cut) > mostPieces {
		return problem.New("manifest is too large for tags", fmt.Sprintf("it takes %d tags, and %d are free", len(cut), mostPieces), "leave fewer patterns in exclude, and fewer data stores")
	}
	tags := map[string]string{}
	for i, piece := range cut {
		tags[fmt.Sprintf("%s%02d", tagManifest, i)] = piece
	}
	var of []string
	for _, sn := range set.Snapshots {
		of = append(of, sn.ID)
	}
	maps.Copy(tags, s.config.Lock.Due())
	if err := s.aws.Tag(ctx, of, tags); err != nil {
		return err
	}
	return s.aws.LockSnapshots(ctx, of, s.config.Lock)
}

// lockDue locks the snapshots of a process that was killed after it had kept them.
func (s *storage) lockDue(ctx context.Context) error {
	if s.config.Lock == nil {
		return nil
	}
	found, err := s.aws.Snapshots(ctx, aws.TagLock)
	if err != nil {
		return err
	}
	due := map[string]map[string]string{}
	for _, one := range found {
		if tag := tagOf(one.Tags); tag.Address == s.env.Address && tag.Owner == s.owner && one.Tags[tagDoomed] == "" {
			due[one.ID] = one.Tags
		}
	}
	if err := s.aws.LockDue(ctx, due); err != nil && ctx.Err() == nil {
		s.env.Warning(fmt.Sprintf("snapshots of an interrupted run could not be locked, which the next run tries again: %v", err))
	}
	return ctx.Err()
}

// Delete implements snapshot.Storage. A kept set is marked first, all of it in one call,
// so that what an interrupted Delete leaves counts as no backup.
func (s *storage) Delete(ctx context.Context, set snapshot.Set) error {
	found, err := s.aws.Snapshots(ctx, tagBackup)
	if err != nil {
		return err
	}
	var of []string
	for _, one := range found {
		if tagOf(one.Tags) == set.Tag {
			of = append(of, one.ID)
		}
	}
	if len(of) == 0 {
		return nil
	}
	if set.Kept() {
		if err := s.aws.Unlocked(ctx, of); err != nil {
			return err
		}
		if err := s.aws.Tag(ctx, of, map[string]string{tagDoomed: "yes"}); err != nil {
			return err
		}
	}
	for _, id := range of {
		if err := s.aws.DeleteSnapshot(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// Await implements snapshot.Completer.
func (s *storage) Await(ctx context.Context, tag snapshot.Tag, volumes []snapshot.Volume) error {
	var unseen aws.Unseen
	return aws.Wait(ctx, func() (bool, error) {
		sets, _, err := s.Sets(ctx)
		if err != nil {
			return false, err
		}
		i := slices.IndexFunc(sets, func(one snapshot.Set) bool { return one.Tag == tag })
		shown := i >= 0 && len(sets[i].Snapshots) >= len(volumes)
		return shown || unseen.Missing(shown), nil
	})
}

// Complete implements snapshot.Completer: it waits for all of the set, and tags each with
// the volume that it is of.
func (s *storage) Complete(ctx context.Context, set snapshot.Set) error {
	wanted := map[string]bool{}
	for _, sn := range set.Snapshots {
		wanted[sn.ID] = true
	}
	var unseen aws.Unseen
	err := aws.Wait(ctx, func() (bool, error) {
		found, err := s.aws.Snapshots(ctx, tagBackup)
		if err != nil {
			return false, err
		}
		ready := map[string]string{}
		for _, one := range found {
			if !wanted[one.ID] {
				continue
			}
			if err := usable(one); err != nil {
				return false, err
			}
			ready[one.ID] = one.State
		}
		if len(ready) < len(wanted) && !unseen.Missing(false) {
			return false, nil
		}
		for id := range wanted {
			if ready[id] == "" {
				return false, problem.New(missing, id+" is not there any more", "find out who removed it, such as a policy of the account, and make another backup")
			}
		}
		return !slices.Contains(slices.Collect(maps.Values(ready)), aws.Pending), nil
	})
	if err != nil {
		return err
	}
	for _, sn := range set.Snapshots {
		if err := s.aws.Tag(ctx, []string{sn.ID}, map[string]string{tagVolume: sn.Volume.ID}); err != nil {
			return err
		}
	}
	return nil
}
