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

// TestAmazon runs the scripts that need the stand-in for Amazon, and root for its disks.
func TestAmazon(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("a volume can be attached by root only; run the tests as root")
	}
	p, w := scripts("../../testdata/script/aws"), worlds{}
	p.Cmds["amazon"], p.Cmds["left"], p.Cmds["disturb"] = w.start, w.left, w.disturb
	testscript.Run(t, p)
}
