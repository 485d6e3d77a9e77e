package vm

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"bkp/internal/lab/bed"
)

// Options say what guest a test needs.
type Options struct {
	Lane Lane
	// Disks are the sizes of its empty disks in bytes.
	Disks []int64
	// Shares are folders of the host besides that of the test's own program.
	Shares []Share
	// Root, if not "", is a folder above the package's, which the guest sees read-only;
	// then the test starts in the package's folder, as it does outside.
	Root string
	// Timeout ends a guest that hangs; 0 stands for five minutes.
	Timeout time.Duration
	// Boots is how often the guest may be switched off by PowerCut and started again
	// with the same disks; the test finds the number of its boot by Boot.
	Boots int
}

// defaultTimeout is many times what a test takes, for machines under load.
const defaultTimeout = 5 * time.Minute

// Inside reports whether the test runs in a guest, as root, with the disks that
// Disks names. If it does not, Inside starts the program of this test in a guest,
// to run this test alone there, and fails, skips or logs as it did:
//
//	if !vm.Inside(t, vm.Options{Lane: vm.LVM, Disks: []int64{1 << 30}}) {
//		return
//	}
//
// The test is skipped unless BKP_BEDS=1 (make test-beds). Then a guest that is not
// there fails it, and with CI=true also one that was skipped inside.
func Inside(t *testing.T, o Options) bool {
	t.Helper()
	if os.Getenv("VM_LANE") == string(o.Lane) {
		return true
	}
	g := outside(t, o)
	for boot := range max(o.Boots, 1) {
		g.Env = append(inherited(), fmt.Sprintf("VM_BOOT=%d", boot))
		if once(t, g, o) {
			return false
		}
	}
	t.Error("the guest was switched off by the last of its boots, too")
	return false
}

// outside prepares the guest of a test.
func outside(t *testing.T, o Options) Guest {
	t.Helper()
	bed.Needed(t)
	cache, err := bed.Cache()
	if err != nil {
		t.Fatal(err)
	}
	parts := Bed{Dir: cache}
	if err := parts.Ready(o.Lane); err != nil {
		t.Fatalf("%v; make it: make beds", err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	g := Guest{
		Bed: parts, Lane: o.Lane, Dir: folder(t), Shares: append([]Share{{Path: filepath.Dir(self)}}, o.Shares...),
		Command: []string{self, "-test.run", "^" + regexp.QuoteMeta(t.Name()) + "$", "-test.v", "-test.count=1", "-test.timeout=0"},
	}
	if o.Root != "" {
		root, err := filepath.Abs(o.Root)
		here, err2 := os.Getwd()
		if err := errors.Join(err, err2); err != nil {
			t.Fatal(err)
		}
		g.Shares = append(g.Shares, Share{Path: root})
		g.Command = append([]string{"sh", "-c", `cd "$0" && exec "$@"`, here}, g.Command...)
	}
	for i, size := range o.Disks {
		path := filepath.Join(g.Dir, "disk"+letter(i))
		if err := Disk(path, size); err != nil {
			t.Fatal(err)
		}
		g.Disks = append(g.Disks, path)
	}
	return g
}

// folder is one with a short path and no strange letters, as kernel arguments and
// sockets of user-mode Linux need it; t.TempDir has the test's name in it.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "vm")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// inherited is what a guest's tests see of the environment.
func inherited() []string {
	var out []string
	for _, name := range []string{"CI", "BKP_BEDS", "BKP_BEDS_RUNS"} {
		if v, ok := os.LookupEnv(name); ok {
			out = append(out, name+"="+v)
		}
	}
	return out
}

// once boots the guest, and reports whether the test came to its end there.
func once(t *testing.T, g Guest, o Options) bool {
	t.Helper()
	limit := o.Timeout
	if limit == 0 {
		limit = defaultTimeout
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	out, code, err := g.Run(ctx)
	t.Logf("in the guest:\n%s", out)
	cut := errors.Is(err, ErrNoResult) && strings.Contains(string(out), cutting)
	switch {
	case cut && ctx.Err() == nil && o.Boots > 1:
		return false
	case err != nil:
		t.Fatal(err)
	case code != 0:
		t.Fatalf("failed in the guest, exit code %d", code)
	case !strings.Contains(string(out), "--- "):
		t.Fatal("the guest ran no test: Inside must be called by a test, not by one of its parts")
	case os.Getenv("CI") == "true" && strings.Contains(string(out), "--- SKIP"):
		t.Fatal("skipped in the guest, and CI=true")
	}
	return true
}

// Disks are the devices of the guest's disks.
func Disks() []string { return strings.Fields(os.Getenv("VM_DISKS")) }

// Boot is how often the guest of this test was started before, with the same disks.
func Boot(t testing.TB) int {
	t.Helper()
	var n int
	if _, err := fmt.Sscan(os.Getenv("VM_BOOT"), &n); err != nil {
		t.Fatalf("not in a guest: %v", err)
	}
	return n
}

// cutting is the last line of a test that cuts the power.
const cutting = "the power is cut"

// PowerCut ends the guest at once, from inside: what has not reached its disks is
// lost. The test runs again in the next of its boots.
func PowerCut(t testing.TB) {
	t.Helper()
	fmt.Println(cutting)
	err := os.WriteFile("/proc/sysrq-trigger", []byte("o"), 0)
	if errors.Is(err, fs.ErrNotExist) {
		t.Fatal("not in a guest")
	}
	if err != nil {
		t.Fatal(err)
	}
	for {
		_ = unix.Pause() // the power goes in a moment
	}
}
