package zfs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/home/internal/snapshot"
	"bkp/providers/internal/mark"
)

// The properties by which snapshots are found again; no name says anything.
const (
	propBackup  = "bkp:backup"
	propAddress = "bkp:address"
	propOwner   = "bkp:owner"
	propDoomed  = "bkp:doomed"
	// propManifest begins the names of the properties with the manifest of a kept
	// backup, in pieces.
	propManifest = "bkp:manifest."
)

const (
	// holdTag is the hold on a kept snapshot.
	holdTag = "bkp"
	// valueLimit is what fits into a property, in bytes, with room for the number of
	// a piece.
	valueLimit = 8000
	// maxPieces are more than the manifest of any backup takes, compressed.
	maxPieces  = 8
	cannotTake = "snapshot cannot be taken"
)

// tagged is a snapshot that bkp made.
type tagged struct {
	name, dataset   string
	guid, createtxg string
	created         time.Time
	tag             snapshot.Tag
	// manifest is nil unless the snapshot is kept. A doomed one is being removed.
	manifest []byte
	doomed   bool
}

// tagged lists what bkp made, by the properties that are set on the snapshots
// themselves: those that were received from elsewhere are copies, and not bkp's.
func (t tool) tagged(ctx context.Context) ([]tagged, error) {
	properties := []string{propBackup, propAddress, propOwner, propDoomed}
	for i := range maxPieces {
		properties = append(properties, fmt.Sprint(propManifest, i))
	}
	rows, err := t.rows(ctx, 3, "zfs", "get", "-Hp", "-s", "local", "-t", "snapshot", "-o", "name,property,value", strings.Join(properties, ","))
	if err != nil {
		return nil, problem.Wrap(err, "snapshots cannot be listed", "see what zfs list -t snapshot prints for the user that runs bkp")
	}
	values := map[string]map[string]string{}
	var names []string
	for _, row := range rows {
		if values[row[0]] == nil {
			values[row[0]] = map[string]string{}
			names = append(names, row[0])
		}
		values[row[0]][row[1]] = row[2]
	}
	names = slices.DeleteFunc(names, func(name string) bool { return values[name][propBackup] == "" })
	if len(names) == 0 {
		return nil, nil
	}
	rows, err = t.rows(ctx, 4, "zfs", append([]string{"list", "-Hp", "-t", "snapshot", "-o", "name,guid,createtxg,creation"}, names...)...)
	if err != nil {
		return nil, err
	}
	var out []tagged
	for _, row := range rows {
		one := newTagged(row[0], values[row[0]])
		one.guid, one.createtxg, one.created = row[1], row[2], when(row[3])
		out = append(out, one)
	}
	return out, nil
}

func newTagged(name string, values map[string]string) tagged {
	one := tagged{name: name, doomed: values[propDoomed] != ""}
	one.dataset, _, _ = strings.Cut(name, "@")
	one.tag = snapshot.Tag{Backup: providers.BackupID(values[propBackup]), Address: values[propAddress], Owner: values[propOwner]}
	var pieces []string
	for property, value := range values {
		if strings.HasPrefix(property, propManifest) {
			pieces = append(pieces, value)
		}
	}
	one.manifest = mark.Join(pieces)
	return one
}

// snapshotName is the part of the name that snapshots of a tag have in common.
func snapshotName(tag snapshot.Tag) string {
	sum := sha256.Sum256([]byte(tag.Address + "\x00" + tag.Owner))
	return "bkp-" + string(tag.Backup) + "-" + hex.EncodeToString(sum[:4])
}

// take makes snapshots of several datasets, with their tag. Those of one pool come
// from one call, which is one instant.
func (t tool) take(ctx context.Context, name string, tag snapshot.Tag, datasets []string) error {
	for _, group := range byPool(datasets) {
		args := []string{"snapshot", "-o", propBackup + "=" + string(tag.Backup), "-o", propAddress + "=" + tag.Address, "-o", propOwner + "=" + tag.Owner}
		for _, d := range group {
			args = append(args, d+"@"+name)
		}
		if err := t.zfs(ctx, args...); err != nil {
			return problem.Wrapf(err, cannotTake, "see zpool list and zfs list -o space for what is full, and zpool status for what is broken", "%s", strings.Join(group, ", "))
		}
	}
	return nil
}

// taken describes the snapshots of a name, and checks that those of each pool have
// one transaction group.
func (t tool) taken(ctx context.Context, name string, volumes []snapshot.Volume) ([]snapshot.Snapshot, error) {
	args := []string{"list", "-Hp", "-t", "snapshot", "-o", "name,guid,createtxg,creation"}
	for _, v := range volumes {
		args = append(args, v.Name+"@"+name)
	}
	rows, err := t.rows(ctx, 4, "zfs", args...)
	if err != nil {
		return nil, err
	}
	groups := map[string]string{}
	var out []snapshot.Snapshot
	for _, v := range volumes {
		i := slices.IndexFunc(rows, func(row []string) bool { return row[0] == v.Name+"@"+name })
		if i < 0 {
			return nil, problem.New(notThere, v.Name+"@"+name+" was taken and is not there", "find out who removed it, and run again")
		}
		group := rows[i][2]
		if before := groups[pool(v.Name)]; before != "" && before != group {
			return nil, problem.New("snapshots are not of one instant", fmt.Sprintf("%s is of transaction group %s, and another of the pool of %s", rows[i][0], group, before),
				"run again; if it stays so, report it with the version of ZFS")
		}
		groups[pool(v.Name)] = group
		v.Root = ""
		out = append(out, snapshot.Snapshot{Volume: v, ID: rows[i][1], Name: rows[i][0], Generation: group, At: time.Now().UTC()})
	}
	return out, nil
}

// byPool parts datasets by their pools, in the order of the names.
func byPool(datasets []string) [][]string {
	var out [][]string
	sorted := slices.Sorted(slices.Values(datasets))
	for i, d := range sorted {
		if i == 0 || pool(d) != pool(sorted[i-1]) {
			out = append(out, nil)
		}
		out[len(out)-1] = append(out[len(out)-1], d)
	}
	return out
}

// remove releases and destroys a snapshot; one that is gone is removed. Why it cannot
// be removed is in the remedy: ZFS says no more than that it is busy.
func (t tool) remove(ctx context.Context, name string) error {
	held, err := t.isHeld(ctx, name)
	if err == nil && held {
		err = t.zfs(ctx, "release", holdTag, name)
	}
	if err == nil {
		err = t.zfs(ctx, "destroy", name)
	}
	if err == nil || doesNotExist(err) {
		return nil
	}
	return problem.Wrapf(err, "snapshot cannot be removed", t.busyRemedy(ctx, name), "%s", name)
}

// doesNotExist reports whether a command failed because there is no such snapshot.
func doesNotExist(err error) bool {
	var exit *host.ExitError
	return errors.As(err, &exit) && (strings.Contains(exit.Stderr, "does not exist") || strings.Contains(exit.Stderr, "could not find any snapshots"))
}

// holds are the holds on a snapshot: its name, the tag and the time.
func (t tool) holds(ctx context.Context, name string) ([][]string, error) {
	return t.rows(ctx, 3, "zfs", "holds", "-H", name)
}

// isHeld reports whether bkp holds a snapshot.
func (t tool) isHeld(ctx context.Context, name string) (bool, error) {
	rows, err := t.holds(ctx, name)
	return slices.ContainsFunc(rows, func(row []string) bool { return row[1] == holdTag }), err
}

// busyRemedy is what to do about a snapshot that is in use, by what uses it.
func (t tool) busyRemedy(ctx context.Context, name string) string {
	if rows, err := t.holds(ctx, name); err == nil && len(rows) > 0 {
		return fmt.Sprintf("somebody holds it with the tag %s; if it is not needed:\n\n    zfs release %s %s", rows[0][1], rows[0][1], name)
	}
	if rows, err := t.rows(ctx, 1, "zfs", "get", "-Hp", "-o", "value", "clones", name); err == nil && len(rows) > 0 && rows[0][0] != "" && rows[0][0] != "-" {
		return "it is needed by clones: " + rows[0][0] + "; destroy or promote them"
	}
	return "something has it mounted or open; find out what, and run again:\n\n    grep " + name + " /proc/*/mounts"
}
