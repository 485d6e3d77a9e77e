package zfs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"bkp/internal/host"
	"bkp/internal/problem"
)

// The properties by which snapshots are found again; no name says anything.
const (
	propBackup    = "bkp:backup"
	propComponent = "bkp:component"
	// propManifest begins the names of the properties with the manifest of a kept
	// backup, in pieces.
	propManifest = "bkp:manifest."
)

// holdTag is the hold on a kept snapshot.
const holdTag = "bkp"

// snap is a snapshot of one dataset.
type snap struct {
	Dataset string
	Name    string
	Backup  string
	// Component is the address of the home that took it.
	Component string
}

func (s snap) String() string { return s.Dataset + "@" + s.Name }

const propertiesOfSnap = propBackup + "," + propComponent

// snapshots lists what bkp made in some pools, by property. Snapshots that were
// received from elsewhere are copies, and not bkp's.
func (t tool) snapshots(ctx context.Context, pools []string) ([]snap, error) {
	if len(pools) == 0 {
		return nil, nil
	}
	args := append([]string{"get", "-Hp", "-s", "local", "-t", "snapshot", "-o", "name,property,value", "-r", propertiesOfSnap}, pools...)
	rows, err := t.rows(ctx, 3, "zfs", args...)
	if err != nil {
		return nil, problem.Wrap(err, "snapshots cannot be listed", "see what zfs list -t snapshot prints for the user that runs bkp")
	}
	byName := map[string]*snap{}
	var order []string
	for _, row := range rows {
		s := byName[row[0]]
		if s == nil {
			dataset, name, _ := strings.Cut(row[0], "@")
			s = &snap{Dataset: dataset, Name: name}
			byName[row[0]] = s
			order = append(order, row[0])
		}
		switch row[1] {
		case propBackup:
			s.Backup = row[2]
		case propComponent:
			s.Component = row[2]
		}
	}
	var out []snap
	for _, name := range order {
		out = append(out, *byName[name])
	}
	return out, nil
}

// take makes snapshots of several datasets. Those of one pool come from one call,
// which is one instant; it returns the transaction groups by pool.
func (t tool) take(ctx context.Context, name, backup, component string, datasets []string) error {
	for _, group := range byPool(datasets) {
		args := []string{"snapshot", "-o", propBackup + "=" + backup, "-o", propComponent + "=" + component}
		for _, d := range group {
			args = append(args, d+"@"+name)
		}
		if err := t.zfs(ctx, args...); err != nil {
			return problem.Wrapf(err, cannotTake, "free space in the pool, or grant what is missing: zfs allow USER snapshot,mount,destroy,hold,release,userprop "+group[0],
				"%s", strings.Join(group, ", "))
		}
	}
	return nil
}

// oneInstant checks that the snapshots of each pool have one transaction group.
func (t tool) oneInstant(ctx context.Context, name string, datasets []string) error {
	for _, group := range byPool(datasets) {
		args := []string{"list", "-Hp", "-t", "snapshot", "-o", "name,createtxg"}
		for _, d := range group {
			args = append(args, d+"@"+name)
		}
		rows, err := t.rows(ctx, 2, "zfs", args...)
		if err != nil {
			return err
		}
		for _, row := range rows {
			if row[1] != rows[0][1] || len(rows) != len(group) {
				return problem.New("snapshots are not of one instant", fmt.Sprintf("%s is of transaction group %s, and %s of %s", rows[0][0], rows[0][1], row[0], row[1]),
					"run again; if it stays, report it with the version of ZFS")
			}
		}
	}
	return nil
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

// destroy removes a snapshot. Why it cannot be removed is in the error: ZFS says no
// more than that it is busy.
func (t tool) destroy(ctx context.Context, s snap) error {
	err := t.zfs(ctx, "destroy", s.String())
	if err == nil {
		return nil
	}
	if gone, e := t.gone(ctx, s); e == nil && gone {
		return nil
	}
	return problem.Wrapf(err, "snapshot cannot be removed", t.busyRemedy(ctx, s), "%s", s)
}

func (t tool) gone(ctx context.Context, s snap) (bool, error) {
	_, err := t.host.Output(ctx, host.Command{Name: "zfs", Args: []string{"list", "-H", "-t", "snapshot", s.String()}})
	var exit *host.ExitError
	if errors.As(err, &exit) && strings.Contains(exit.Stderr, "does not exist") {
		return true, nil
	}
	return false, err
}

// busyRemedy is what to do about a snapshot that is in use, by what uses it.
func (t tool) busyRemedy(ctx context.Context, s snap) string {
	if rows, err := t.rows(ctx, 3, "zfs", "holds", "-H", s.String()); err == nil && len(rows) > 0 {
		return fmt.Sprintf("somebody holds it with the tag %s; release it when it is not needed:\n\n    zfs release %s %s", rows[0][1], rows[0][1], s)
	}
	if rows, err := t.rows(ctx, 1, "zfs", "get", "-Hp", "-o", "value", "clones", s.String()); err == nil && len(rows) > 0 && rows[0][0] != "" && rows[0][0] != "-" {
		return "these file systems are clones of it, and need it: " + rows[0][0] + "; destroy or promote them"
	}
	return "something has it mounted or open; find out what, and run again:\n\n    grep " + s.Name + " /proc/*/mounts"
}

const cannotTake = "snapshot cannot be taken"
