package main

import (
	"archive/tar"
	"bytes"
	"context"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"bkp/internal/cli"
	"bkp/internal/lab/loopfs"
	"bkp/providers"
	"bkp/providers/providertest"
)

// restoreTo restores a forgery to a folder on a file system of its own.
func restoreTo(t *testing.T, f forgery, target string) (code int, said string) {
	t.Helper()
	dir := t.TempDir()
	check(t, os.Mkdir(filepath.Join(dir, "archives"), 0o700), os.WriteFile(filepath.Join(dir, "main.bkp.hcl"), []byte(forgedConfig), 0o600))
	f.write(t, filepath.Join(dir, "archives"))
	var out bytes.Buffer
	t.Chdir(dir)
	code = cli.Run(t.Context(), []string{"restore", string(forgedID), "--home", target, "--auto-approve", "--no-color"},
		cli.IO{In: &bytes.Buffer{}, Out: &out, Err: &out, Hurry: context.Background()})
	return code, strings.Join(strings.Fields(out.String()), " ")
}

// noise is content that no file system can make smaller.
func noise(size int) string {
	source := rand.NewChaCha8([32]byte{})
	b := make([]byte, size)
	_, _ = source.Read(b)
	return string(b)
}

func TestRestoreWantsEnoughSpace(t *testing.T) {
	disk := loopfs.MountSize(t, "ext4", 16<<20)
	before := providertest.Tree(t, disk)
	large := forgery{entries: []forgedEntry{folder(top), folder(top + "/home"), file(top+"/home/a", noise(32<<20))}}
	code, said := restoreTo(t, large, filepath.Join(disk, "new", "home"))
	if want := "Not enough disk space"; code != cli.ExitFailed || !strings.Contains(said, want) || !strings.Contains(said, "needs 34 MB, free ") {
		t.Errorf("exit code %d, want %q: %s", code, want, said)
	}
	providertest.SameTrees(t, before, providertest.Tree(t, disk), nil)

	// Holes take none.
	sparse := forgery{suffix: ".tar.zst", pack: packZstd, part: func(p *providers.Part) { p.Holes = p.Bytes },
		entries: []forgedEntry{folder(top), folder(top + "/home"), file(top+"/home/a", string(make([]byte, 64<<20)))}}
	if code, said := restoreTo(t, sparse, filepath.Join(disk, "new", "home")); code != cli.ExitDone {
		t.Errorf("exit code %d: %s", code, said)
	}
}

func TestRestoreOnAFullDiskSaysSo(t *testing.T) {
	disk := loopfs.MountSize(t, "ext4", 16<<20)
	before := providertest.Tree(t, disk)
	f := forgery{
		part:    func(p *providers.Part) { p.Holes = p.Bytes }, // so that it begins
		entries: []forgedEntry{folder(top), folder(top + "/home"), file(top+"/home/a", noise(32<<20))},
	}
	code, said := restoreTo(t, f, filepath.Join(disk, "new", "home"))
	_, said, _ = strings.Cut(said, "bkp: error:")
	for _, want := range []string{"no space left on device", "free some space", "the backup itself is not to blame"} {
		if code != cli.ExitFailed || !strings.Contains(said, want) {
			t.Errorf("exit code %d, want %q: %s", code, want, said)
		}
	}
	if strings.Contains(said, "verify") {
		t.Errorf("it points to damage: %s", said)
	}
	providertest.SameTrees(t, before, providertest.Tree(t, disk), func(rel string) bool { return rel == "." })
}

// What a file system's image holds when the restore returns is what a power
// cut would leave.
func TestRestoredHomeOutlivesAPowerCut(t *testing.T) {
	disk := loopfs.MountSize(t, "ext4", 64<<20)
	f := forgery{entries: []forgedEntry{
		folder(top), folder(top + "/home"), file(top+"/home/a", noise(1<<20)), link(tar.TypeSymlink, top+"/home/link", "a"), file(top+"/home/small", "x"),
	}}
	target := filepath.Join(disk, "new", "home")
	if code, said := restoreTo(t, f, target); code != cli.ExitDone {
		t.Fatalf("exit code %d: %s", code, said)
	}
	want := providertest.Tree(t, target)

	image, err := os.ReadFile(filepath.Join(filepath.Dir(disk), "image"))
	check(t, err)
	dir := t.TempDir()
	left, point := filepath.Join(dir, "image"), filepath.Join(dir, "mount")
	check(t, os.WriteFile(left, image, 0o600), os.Mkdir(point, 0o755))
	if out, err := exec.Command("mount", "-o", "loop", left, point).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", point).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	})
	providertest.SameTrees(t, want, providertest.Tree(t, filepath.Join(point, "new", "home")), nil)
}
