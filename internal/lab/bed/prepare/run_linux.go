package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/dustin/go-humanize"

	"bkp/internal/lab/bed"
	"bkp/internal/lab/vm"
)

// list is a flag that may be given several times.
type list []string

func (l *list) String() string { return fmt.Sprint(*l) }

// Set implements flag.Value.
func (l *list) Set(v string) error { *l = append(*l, v); return nil }

// inGuest runs one command in a guest, to look at something by hand. It
// returns the command's exit code.
func inGuest(ctx context.Context, args []string) (code int, err error) {
	flags := flag.NewFlagSet("run", flag.ContinueOnError)
	var disks, shares list
	lane := flags.String("lane", string(vm.LVM), "the guest: lvm or zfs")
	flags.Var(&disks, "disk", "size of an empty disk, such as 1GiB; may be repeated")
	flags.Var(&shares, "share", "folder to see at the same path, read-only; may be repeated")
	if err := flags.Parse(args); err != nil {
		return 0, err
	}
	if flags.NArg() == 0 {
		return 0, errors.New("no command: run -lane zfs -disk 1GiB -- zpool list")
	}
	cache, err := bed.Cache()
	if err != nil {
		return 0, err
	}
	dir, err := os.MkdirTemp("", "vm")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	g := vm.Guest{Bed: vm.Bed{Dir: cache}, Lane: vm.Lane(*lane), Dir: dir, Command: flags.Args()}
	for i, text := range disks {
		size, err := humanize.ParseBytes(text)
		if err != nil {
			return 0, err
		}
		g.Disks = append(g.Disks, filepath.Join(dir, fmt.Sprint("disk", i)))
		if err := vm.Disk(g.Disks[i], int64(size)); err != nil {
			return 0, err
		}
	}
	for _, path := range shares {
		g.Shares = append(g.Shares, vm.Share{Path: path})
	}
	out, code, err := g.Run(ctx)
	_, errOut := os.Stdout.Write(out)
	return code, errors.Join(err, errOut)
}
