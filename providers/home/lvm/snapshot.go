package lvm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"bkp/internal/problem"
	"bkp/providers"
)

// The tags by which volumes are found again; no name says anything.
const (
	tagAll       = "bkp"
	tagBackup    = "bkp.backup="
	tagComponent = "bkp.component="
	// tagManifest begins the tags with the manifest of a kept backup, in pieces.
	tagManifest = "bkp.manifest."
)

const (
	cannotTake   = "snapshot cannot be taken"
	cannotRemove = "snapshot cannot be removed"
	overflowed   = "snapshot overflowed"
)

// snapshotName is a name for the snapshot of a volume: a valid one, whatever the
// names of instance and volume are.
func snapshotName(b providers.BackupID, address string, origin volume) string {
	sum := sha256.Sum256([]byte(string(b) + "\x00" + address + "\x00" + origin.UUID))
	return "bkp-" + b.Time().Format("20060102T150405Z") + "-" + hex.EncodeToString(sum[:6])
}

// take makes the snapshot of one volume. A thin one is not activated: that took four
// times as long as the rest, and users wait.
func (t tool) take(ctx context.Context, b providers.BackupID, address string, origin volume, size int64) error {
	args := []string{
		"--yes", "--snapshot", "--name", snapshotName(b, address, origin), "--addtag", tagAll, "--addtag", tagBackup + string(b), "--addtag", tagComponent + address,
	}
	if origin.Pool == "" {
		// A snapshot that is watched is unmounted when it is full, and then the folder
		// below it reads as an empty home. Unwatched, reading it fails.
		args = append(args, "--monitor", "n", "--size", fmt.Sprint(size, "b"))
	}
	if err := t.run(ctx, "lvcreate", append(args, origin.String())...); err != nil {
		return problem.Wrapf(err, cannotTake, "see what lvs and vgs print of "+origin.Group, "%s", origin)
	}
	return nil
}

// taken are the snapshots that a component made for a backup, or for any if b is "".
func taken(all []volume, address string, b providers.BackupID) []volume {
	var out []volume
	for _, v := range all {
		of, ok := v.tag(tagBackup)
		by, _ := v.tag(tagComponent)
		if ok && by == address && (b == "" || of == string(b)) {
			out = append(out, v)
		}
	}
	return out
}

// remove removes a snapshot, and treats one that is gone as removed.
func (t tool) remove(ctx context.Context, v volume) error {
	err := t.run(ctx, "lvremove", "--yes", v.String())
	if err == nil {
		return nil
	}
	now, lerr := t.volumes(ctx, v.Group)
	if lerr != nil {
		return errors.Join(err, lerr)
	}
	for _, other := range now {
		if other.UUID == v.UUID {
			return problem.Wrapf(err, cannotRemove, "find out what has it mounted or open, and run again:\n\n    lsblk "+v.Path, "%s", v)
		}
	}
	return nil
}

// whole returns an error if a classic snapshot overflowed: from then on it is of no
// instant at all.
func whole(v volume) error {
	if !v.Invalid && (v.Pool != "" || v.Data < 100) {
		return nil
	}
	return problem.New(overflowed, fmt.Sprintf("%s of %s/%s took more changes than it has space for", v, v.Group, v.Origin),
		"give it more space with snapshot_size, or run when less is written")
}

// roomFor checks that a snapshot of a volume fits, and that nothing is so full that
// it would stop the home. limit is in percent.
func roomFor(r *providers.Report, v volume, all []volume, size int64, limit float64) {
	if v.Pool == "" {
		if size > v.Free {
			r.Add(problem.New("volume group has no space for a snapshot", fmt.Sprintf("%s: a snapshot of %s takes %d bytes, and %d are free", v.Group, v, size, v.Free),
				"add a disk to the group with vgextend, or make snapshot_size smaller"))
		}
		return
	}
	for _, p := range all {
		if p.Group != v.Group || p.Name != v.Pool {
			continue
		}
		for what, used := range map[string]float64{"data": p.Data, "metadata": p.Metadata} {
			if used >= limit {
				r.Add(problem.New("thin pool is nearly full", fmt.Sprintf("%s has used %.0f %% of its %s; when it is full, every volume in it fails", p, used, what),
					"make it larger with lvextend, or remove snapshots"))
			}
		}
	}
}

// hasXFS reports whether mounting a second time needs nouuid.
func mountOptions(fstype string) string {
	options := []string{"ro"}
	if fstype == "xfs" {
		// The snapshot has the UUID of the origin, which is mounted.
		options = append(options, "nouuid")
	}
	return strings.Join(options, ",")
}
