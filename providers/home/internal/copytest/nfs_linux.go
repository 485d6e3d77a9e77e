package copytest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bkp/internal/host"
	"bkp/internal/lab/nfs"
	"bkp/internal/lab/vm"
	"bkp/providers"
)

// AnotherClient captures a home on NFS, which another client of the server changes a
// moment before the lock: the kernel still believes what it saw in the live pass. It
// runs in a guest.
func AnotherClient(t *testing.T, open Open) {
	if !vm.Inside(t, vm.Options{Lane: vm.LVM, Disks: []int64{1 << 30}}) {
		return
	}
	exported := disk(t)
	server := nfs.Serve(t, exported)
	const ours, theirs = "/mnt/ours", "/mnt/theirs"
	// Ten minutes, so that the kernel still believes what it saw on a slow machine too.
	const believing = "actimeo=600"
	server.Mount(t, ours, "4.2", 0, believing)
	server.Mount(t, theirs, "4.0", 0, "actimeo=0")
	const repository = "shared/data/repositories/1/"
	at := func(name string) string { return filepath.Join(theirs, repository, name) }
	for _, name := range []string{"logs/HEAD", "a/removed", "mode/file", "c/d/replaced/old", "c/stays"} {
		put(t, at(name), "before")
	}
	put(t, filepath.Join(theirs, "shared/bitbucket.properties"), "#")
	grown(t, exported)
	// The night before opened every file. This one's live pass looks at them alone.
	work := filepath.Join(t.TempDir(), "work")
	m, copied := onServer(t, open, ours, work)
	ok(t, m.Prepare(t.Context(), "x"))
	_, err := m.Capture(t.Context(), "x")
	ok(t, err)
	ok(t, m.Close())
	nfs.Unmount(t, ours)
	server.Mount(t, ours, "4.2", 0, believing)
	m, _ = onServer(t, open, ours, work)
	ok(t, m.Prepare(t.Context(), "x"))
	equal(t, theirs, copied)

	// The first two change no folder: nothing but the file itself shows them.
	put(t, at("logs/HEAD"), "before and more")
	ok(t, os.Chmod(at("mode/file"), 0o600))
	put(t, at("b/new"), "new")
	put(t, at("e/f/new"), "new")
	ok(t, os.Remove(at("a/removed")))
	ok(t, os.RemoveAll(at("c/d/replaced")))
	put(t, at("c/d/replaced/new"), "another")
	_, err = m.Capture(t.Context(), "x")
	ok(t, err)
	equal(t, theirs, copied)
	ok(t, m.Close())
}

// OnNFS measures the pass under the lock of a home on NFS, over ways of several
// lengths, beside the second pass of the rsync in Atlassian's scripts. It runs in a guest.
func OnNFS(t *testing.T, open Open) {
	if !vm.Inside(t, vm.Options{Lane: vm.LVM, Disks: []int64{3 << 30}, Timeout: time.Hour}) {
		return
	}
	exported := disk(t)
	server := nfs.Serve(t, exported)
	const folders, files = 1000, 6
	for i := range folders {
		for j := range files {
			put(t, filepath.Join(exported, fmt.Sprintf("shared/data/repositories/%d/objects/%02x/%d", i/50, i%50, j)), "x")
		}
	}
	for _, way := range []time.Duration{0, 500 * time.Microsecond, 2500 * time.Microsecond} {
		// A mount that is still there when the next one comes would lend it its
		// connection, and so its way: to the kernel both are one server.
		t.Run((2 * way).String(), func(t *testing.T) {
			pass, second := overWay(t, open, server, exported, way)
			t.Logf("%d files: pass under the lock %v, second pass of rsync %v, %.1f times", folders*files,
				pass.Round(time.Millisecond), second.Round(time.Millisecond), second.Seconds()/pass.Seconds())
		})
	}
}

// overWay is how long the two passes take.
func overWay(t *testing.T, open Open, server *nfs.Server, exported string, way time.Duration) (pass, second time.Duration) {
	t.Helper()
	const ours, theirs = "/mnt/ours", "/mnt/theirs"
	server.Mount(t, ours, "4.2", way, "nconnect=4")
	m, _ := onServer(t, open, ours, filepath.Join(t.TempDir(), "work"))
	ok(t, m.Prepare(t.Context(), "x"))
	began := time.Now()
	_, err := m.Capture(t.Context(), "x")
	ok(t, err)
	pass = time.Since(began)
	ok(t, m.Close())

	// The kernel has forgotten by the second pass what it saw in the first: on a
	// home of any size that one takes longer than a minute.
	server.Mount(t, theirs, "4.2", way, "nconnect=4,actimeo=1")
	to := t.TempDir()
	shell(t, "rsync -a "+exported+"/ "+to+"/") // the first pass, without its way
	script := "rsync -a --delete " + theirs + "/ " + to + "/"
	shell(t, script)
	grown(t, exported)
	began = time.Now()
	shell(t, script)
	return pass, time.Since(began)
}

// grown waits until all files of a folder are so old that a pass believes their times.
func grown(t *testing.T, dir string) {
	t.Helper()
	began := time.Now()
	for probe := filepath.Join(dir, "probe"); ; {
		put(t, probe, time.Now().String())
		info, err := os.Stat(probe)
		ok(t, err)
		if info.ModTime().Sub(began) > 3*time.Second {
			ok(t, os.Remove(probe))
			return
		}
	}
}

// onServer opens a strategy for a home, and returns the working copy of that.
func onServer(t *testing.T, open Open, path, work string) (Strategy, string) {
	t.Helper()
	m, err := open(path, nil, providers.Env{Address: "home.copy.x", WorkDir: work, Host: &host.Host{}, Parallelism: 2, Warn: func(string) {}})
	ok(t, err)
	return m, filepath.Join(work, "copy", "home")
}

// disk is a file system on the guest's first disk.
func disk(t *testing.T) string {
	t.Helper()
	const at = "/srv/export"
	ok(t, os.MkdirAll(at, 0o755))
	shell(t, "mkfs.xfs -q "+vm.Disks()[0]+" && mount "+vm.Disks()[0]+" "+at)
	t.Cleanup(func() { _ = exec.Command("umount", at).Run() }) //nolint:noctx // the test's own context has ended
	return at
}

func put(t *testing.T, path, text string) {
	t.Helper()
	ok(t, os.MkdirAll(filepath.Dir(path), 0o755))
	ok(t, os.WriteFile(path, []byte(text), 0o644))
}

// equal asks rsync what differs.
func equal(t *testing.T, want, got string) {
	t.Helper()
	if out := shell(t, "rsync -n -rlptgoD --checksum --delete --itemize-changes "+want+"/ "+got+"/"); strings.TrimSpace(out) != "" {
		t.Errorf("the copy differs:\n%s", out)
	}
}

func shell(t *testing.T, script string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "sh", "-c", script).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return string(out)
}
