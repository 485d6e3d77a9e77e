package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"bkp/internal/lab/aws"
)

// ebsSize is that of the volume of a script, in bytes.
const ebsSize = 512 << 20

// worlds are those of the scripts that run, by their folders.
type worlds map[string]*aws.World

// start starts an Amazon whose machine has a volume mounted on a new folder: amazon FOLDER.
// It sets AMAZON, SYSFS and what the SDK reads.
func (w worlds) start(ts *testscript.TestScript, neg bool, args []string) {
	dir, point := ts.MkAbs("amazon"), ts.MkAbs(args[0])
	ts.Check(os.Mkdir(dir, 0o700))
	ts.Check(os.Mkdir(point, 0o755))
	world := aws.New(dir)
	ts.Defer(func() { ts.Check(world.Close()) })
	w[dir] = world
	const days = 7
	world.NewDatabase("bitbucket", days)
	_, err := world.NewVolume(point, "xfs", ebsSize)
	ts.Check(err)
	for name, value := range world.Env() {
		ts.Setenv(name, value)
	}
	ts.Setenv("AMAZON", world.Endpoint)
	ts.Setenv("SYSFS", world.Sysfs)
}

// left counts what the account has: left SNAPSHOTS VOLUMES.
func (w worlds) left(ts *testscript.TestScript, neg bool, args []string) {
	snapshots, volumes := w[ts.MkAbs("amazon")].Left()
	if got := []int{len(snapshots), len(volumes)}; strings.Join(args, " ") != fmt.Sprintf("%d %d", got[0], got[1]) {
		ts.Fatalf("the account has %d snapshots and %d volumes, not %v:\n%s\n%s", got[0], got[1], args, strings.Join(snapshots, "\n"), strings.Join(volumes, "\n"))
	}
}

// copies counts what a region has: copies VOLUMES DATABASES REGION [ACCOUNT].
func (w worlds) copies(ts *testscript.TestScript, neg bool, args []string) {
	world, account := w[ts.MkAbs("amazon")], aws.Account
	if len(args) > 3 {
		account = args[3]
	}
	volumes, _ := world.LeftIn(account, args[2])
	_, databases := world.DatabasesIn(account, args[2])
	if got := fmt.Sprint(len(volumes), " ", len(databases)); got != strings.Join(args[:2], " ") {
		ts.Fatalf("there are %s copies:\n%s\n%s", got, strings.Join(volumes, "\n"), strings.Join(databases, "\n"))
	}
	if shared := world.Shared(); len(shared) > 0 {
		ts.Fatalf("shared: %v", shared)
	}
}

// disturb disturbs calls: disturb ACTION lost|CODE [SKIP].
func (w worlds) disturb(ts *testscript.TestScript, neg bool, args []string) {
	f := aws.Fault{Action: args[0]}
	if args[1] == "lost" {
		f.Lost = true
	} else {
		f.Code = args[1]
	}
	w[ts.MkAbs("amazon")].Disturb(f)
}

// tagged refuses snapshots without a tag: tagged KEY=VALUE.
func (w worlds) tagged(ts *testscript.TestScript, neg bool, args []string) {
	snapshots, _ := w[ts.MkAbs("amazon")].Left()
	for _, s := range snapshots {
		if !strings.Contains(s+" ", " "+args[0]+" ") {
			ts.Fatalf("it is not tagged %s: %s", args[0], s)
		}
	}
}

// rds writes a database, compares what one has, or makes a cluster: rds write NAME TEXT, rds
// has NAME TEXT, rds cluster NAME.
func (w worlds) rds(ts *testscript.TestScript, neg bool, args []string) {
	world := w[ts.MkAbs("amazon")]
	if args[0] == "cluster" {
		const days = 7
		world.NewCluster(args[1], days)
		return
	}
	if args[0] == "write" {
		world.Write(args[1], args[2])
		return
	}
	if text := world.Read(args[1]); text != args[2] {
		ts.Fatalf("%s has %q", args[1], text)
	}
}

// TestAmazon runs the scripts that need the stand-in for Amazon, and root for its disks.
func TestAmazon(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("a volume can be attached by root only; run the tests as root")
	}
	p, w := scripts("../../testdata/script/aws"), worlds{}
	p.Cmds["copies"], p.Cmds["tagged"] = w.copies, w.tagged
	p.Cmds["amazon"], p.Cmds["left"], p.Cmds["disturb"], p.Cmds["rds"] = w.start, w.left, w.disturb, w.rds
	testscript.Run(t, p)
}
