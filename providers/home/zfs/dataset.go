package zfs

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"bkp/internal/host"
	"bkp/internal/problem"
)

// dataset is a file system of ZFS.
type dataset struct {
	Name string
	// GUID stays when it is renamed.
	GUID string
	// Mountpoint is where it belongs, "" for one that is mounted nowhere or by
	// others: legacy, none.
	Mountpoint string
	Mounted    bool
	// CanMount is on, off or noauto.
	CanMount string
	// KeyStatus is available, unavailable, or "" for what is not encrypted.
	KeyStatus string
	// Used is what it takes with its snapshots, and Quota what that may be, 0 for no
	// limit; in bytes.
	Used, Quota int64
	// Limit is how many snapshots it may have, and Count how many count towards it;
	// negative for none.
	Limit, Count int64
}

// pool returns the pool that a dataset lies in.
func pool(name string) string {
	name, _, _ = strings.Cut(name, "/")
	return name
}

const datasetFields = "name,mountpoint,mounted,canmount,keystatus,used,quota,snapshot_limit,snapshot_count,guid"

// tool runs the commands of ZFS.
type tool struct{ host *host.Host }

// zfs runs a command of zfs.
func (t tool) zfs(ctx context.Context, args ...string) error {
	_, err := t.host.Run(ctx, host.Command{Name: "zfs", Args: args})
	return err
}

// rows runs a command whose output is a table without headings, of columns parted
// by tabs.
func (t tool) rows(ctx context.Context, columns int, name string, args ...string) ([][]string, error) {
	out, err := t.host.Output(ctx, host.Command{Name: name, Args: args})
	if err != nil {
		return nil, err
	}
	var rows [][]string
	for line := range strings.Lines(out) {
		row := strings.Split(strings.TrimRight(line, "\n"), "\t")
		if len(row) != columns {
			return nil, fmt.Errorf("%s printed %d columns, want %d: %q", name, len(row), columns, line)
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// datasets lists all datasets of the machine.
func (t tool) datasets(ctx context.Context) ([]dataset, error) {
	args := []string{"list", "-Hp", "-t", "filesystem", "-o", datasetFields}
	rows, err := t.rows(ctx, strings.Count(datasetFields, ",")+1, "zfs", args...)
	if err != nil {
		return nil, problem.Wrap(err, "datasets cannot be listed", "install zfsutils-linux, and see what zfs list prints for the user that runs bkp")
	}
	out := make([]dataset, len(rows))
	for i, row := range rows {
		out[i] = newDataset(row)
	}
	return out, nil
}

func newDataset(row []string) dataset {
	d := dataset{
		Name: row[0], Mounted: row[2] == "yes", CanMount: row[3],
		Used: number(row[5], 0), Quota: number(row[6], 0), Limit: number(row[7], -1), Count: number(row[8], -1), GUID: row[9],
	}
	if filepath.IsAbs(row[1]) {
		d.Mountpoint = row[1]
	}
	if row[4] != "-" {
		d.KeyStatus = row[4]
	}
	return d
}

// number reads what zfs prints with -p: digits, or a word for nothing.
func number(text string, none int64) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil { // none, -, or the largest number of all, which stands for none
		return none
	}
	return n
}

// poolState is what is known of a pool.
type poolState struct {
	Name string
	// Capacity is how full it is in percent.
	Capacity int64
	// Health is ONLINE, DEGRADED or worse.
	Health   string
	ReadOnly bool
}

func (t tool) pool(ctx context.Context, name string) (poolState, error) {
	rows, err := t.rows(ctx, 4, "zpool", "list", "-Hp", "-o", "name,capacity,health,readonly", name)
	if err != nil {
		return poolState{}, err
	}
	if len(rows) != 1 {
		return poolState{}, fmt.Errorf("zpool list prints %d lines for %s", len(rows), name)
	}
	return poolState{Name: name, Capacity: number(rows[0][1], 0), Health: rows[0][2], ReadOnly: rows[0][3] == "on"}, nil
}

// absent reports whether the dataset belongs to a folder, and is not mounted there.
func (d dataset) absent() bool { return !d.Mounted && d.Mountpoint != "" && d.CanMount == "on" }

// whyAbsent says why a dataset that is absent may be.
func (d dataset) whyAbsent() *problem.Problem {
	if d.KeyStatus == "unavailable" {
		return problem.New(notMounted, fmt.Sprintf("%s belongs at %s; it is encrypted, and its key is not loaded", d.Name, d.Mountpoint),
			fmt.Sprintf("load the key and mount it:\n\n    zfs load-key %s\n    zfs mount %s", d.Name, d.Name))
	}
	return problem.New(notMounted, fmt.Sprintf("%s belongs at %s", d.Name, d.Mountpoint), "mount it:\n\n    zfs mount "+d.Name)
}
