package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moby/sys/mountinfo"
	"github.com/rogpeppe/go-internal/testscript"

	"bkp/internal/pgserver"
	"bkp/internal/records/catalog"
)

// btrfsSize is that of the file system of a script, in bytes.
const btrfsSize = 512 << 20

// cmdBtrfs mounts a file system with btrfs on a new folder until the end of the
// script, and makes subvolumes in it: btrfs FOLDER [SUBVOLUME...].
func cmdBtrfs(ts *testscript.TestScript, neg bool, args []string) {
	image, point := ts.MkAbs(args[0]+".image"), ts.MkAbs(args[0])
	ts.Check(os.Mkdir(point, 0o755))
	f, err := os.Create(image)
	ts.Check(err)
	ts.Check(f.Truncate(btrfsSize))
	ts.Check(f.Close())
	ts.Check(ts.Exec("mkfs.btrfs", "-q", image))
	// A machine has few loop devices, and other tests use them.
	until(ts, func() bool { return exec.Command("mount", "-o", "loop", image, point).Run() == nil })
	ts.Defer(func() {
		until(ts, func() bool { return exec.Command("umount", point).Run() == nil })
	})
	for _, name := range args[1:] {
		ts.Check(ts.Exec("btrfs", "subvolume", "create", filepath.Join(point, name)))
	}
}

// cmdSnapshots counts the read-only subvolumes of a file system, and sees that
// nothing below the state folder is mounted: snapshots FOLDER NUMBER. The number
// "kept" is two for each backup that archive.snapshots.storage has, and "more" two
// more.
func cmdSnapshots(ts *testscript.TestScript, neg bool, args []string) {
	out, err := exec.Command("btrfs", "subvolume", "list", "-r", ts.MkAbs(args[0])).CombinedOutput()
	if err != nil {
		ts.Fatalf("%v: %s", err, out)
	}
	want := args[1]
	if want == "kept" || want == "more" {
		entries, bad := catalog.Catalog{Dir: ts.MkAbs("state/catalog")}.List()
		kept := 0
		for _, e := range entries {
			kept += strings.Count(fmt.Sprint(e.Manifest.Stored), "archive.snapshots.storage")
		}
		if kept == 0 || len(bad) > 0 {
			ts.Fatalf("no backup is kept: %v", bad)
		}
		if want == "more" {
			kept++
		}
		want = fmt.Sprint(2 * kept)
	}
	if n := strings.Count(string(out), "\n"); fmt.Sprint(n) != want {
		ts.Fatalf("there are %d snapshots, not %s:\n%s", n, want, out)
	}
	mounts, err := mountinfo.GetMounts(mountinfo.PrefixFilter(ts.MkAbs("state")))
	ts.Check(err)
	for _, m := range mounts {
		ts.Fatalf("%s is mounted", m.Mountpoint)
	}
}

// cmdAdopt starts a server on the files of another: adopt FOLDER DATA. It sets
// PG_COPY_URL.
func cmdAdopt(ts *testscript.TestScript, neg bool, args []string) {
	ctx := context.Background()
	bin, err := pgserver.BinDir()
	ts.Check(err)
	s, err := pgserver.Adopt(ctx, pgserver.Options{Dir: ts.MkAbs(args[0]), BinDir: bin}, ts.MkAbs(args[1]))
	ts.Check(err)
	ts.Defer(func() { _ = s.Stop() })
	ts.Setenv("PG_COPY_URL", s.URL("bitbucket"))
}

// TestBtrfs runs the scripts that need root and a file system of their own.
func TestBtrfs(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("a file system can be mounted by root only; run the tests as root")
	}
	if _, err := exec.LookPath("mkfs.btrfs"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%v; install it: make deps", err)
		}
		t.Skipf("%v; install it: make deps", err)
	}
	p := scripts("../../testdata/script/btrfs")
	p.Cmds["btrfs"], p.Cmds["snapshots"], p.Cmds["adopt"] = cmdBtrfs, cmdSnapshots, cmdAdopt
	testscript.Run(t, p)
}
