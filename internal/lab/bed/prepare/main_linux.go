// Command prepare makes the stages of internal/lab/bed: the guests of
// internal/lab/vm, which are their root disk, the user-mode kernel, and a whole
// machine's kernel with the modules of ZFS; programs in pinned versions; search
// servers; and what shows reports and figures to people.
//
// The guests need root on Debian 12, and are made from the machine's own Debian
// mirror; `contrib`, where ZFS is, is asked for in a configuration of its own.
// Each stage is a folder of the cache that appears when it is whole, with a digest
// of what it was made from, so that a run that was interrupted goes on, and one with
// nothing to do returns at once. Two at the same time take turns.
//
// `prepare run -lane zfs -disk 1GiB -- COMMAND` runs a command in a guest.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"bkp/internal/lab/bed"
	"bkp/internal/lab/vm"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code, err := command(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "beds:", err)
		code = 1
	}
	os.Exit(code)
}

func command(ctx context.Context, args []string) (code int, err error) {
	if len(args) > 0 && args[0] == "run" {
		return inGuest(ctx, args[1:])
	}
	flags := flag.NewFlagSet("beds", flag.ContinueOnError)
	lanes := flags.String("lanes", "programs,desk,search,lvm,zfs", "what to make")
	if err := flags.Parse(args); err != nil {
		return 0, err
	}
	return 0, prepare(ctx, strings.Split(*lanes, ","))
}

// prepare makes what is not there of some lanes.
func prepare(ctx context.Context, lanes []string) error {
	cache, err := bed.Cache()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return err
	}
	lock, err := lockCache(ctx, filepath.Join(cache, "lock"))
	if err != nil {
		return err
	}
	defer func() { _ = lock.Close() }()
	w := &workshop{cache: cache, lock: lock}
	for _, lane := range lanes {
		switch vm.Lane(lane) {
		case vm.LVM:
			err = w.userMode(ctx)
		case vm.ZFS:
			err = w.machine(ctx)
		case programs:
			err = w.programs(ctx)
		case desk:
			err = w.desk(ctx)
		case wine:
			err = w.wine(ctx)
		case search:
			err = w.searchServers(ctx)
		default:
			err = fmt.Errorf("nothing is called %q: %s, %s, %s, %s, lvm, zfs", lane, programs, desk, search, wine)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
