package trouble_test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"bkp/internal/cli"
	"bkp/providers/providertest"
)

// strange fills a folder with all that a home should not have and may.
func strange(t *testing.T, dir string, entries int) {
	t.Helper()
	path := func(name string) string { return filepath.Join(dir, name) }
	must(t, os.MkdirAll(dir, 0o750))
	must(t, unix.Mkfifo(path("fifo"), 0o640))
	l, err := net.Listen("unix", path("s"))
	must(t, err)
	t.Cleanup(func() { _ = l.Close() })
	if os.Geteuid() == 0 {
		must(t, unix.Mknod(path("device"), unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3))))
	}
	for _, name := range []string{"no\xffutf8", "new\nline", " space ", "-rf", "*", strings.Repeat("n", 255), "\x01\x7f"} {
		must(t, os.WriteFile(path(name), []byte(name), 0o600))
	}
	must(t, os.WriteFile(path("unreadable"), []byte("for others"), 0))
	must(t, os.Symlink("/nowhere/outside", path("out")))
	must(t, os.Symlink("../../../../../../nowhere", path("up")))
	must(t, os.Link(path("-rf"), path("linked")))
	hole, err := os.Create(path("hole"))
	must(t, err)
	_, err = hole.WriteAt([]byte("end"), 256<<20)
	must(t, err)
	must(t, hole.Close())
	must(t, os.Mkdir(path("many"), 0o750))
	many, err := os.OpenRoot(path("many"))
	must(t, err)
	for n := range entries {
		must(t, many.WriteFile(fmt.Sprintf("%06d", n), nil, 0o600))
	}
	must(t, many.Close())
}

// deep makes a path of 4,096 bytes and more below dir.
func deep(t *testing.T, dir string) string {
	t.Helper()
	name := strings.Repeat(strings.Repeat("d", 250)+"/", 17)
	root, err := os.OpenRoot(dir)
	must(t, err)
	must(t, root.MkdirAll(name, 0o750))
	must(t, root.WriteFile(name+"file", []byte("deep"), 0o600))
	must(t, root.Close())
	return name + "file"
}

// restored brings the newest backup back beside, and returns the folder.
func (r *rig) restored(t *testing.T, name string) (to, said string) {
	t.Helper()
	to = filepath.Join(r.dir, name)
	code, said := r.run(t, "list")
	id := backupIDs.FindString(said)
	if code != 0 || id == "" {
		t.Fatalf("list ended with %d:\n%s", code, said)
	}
	if code, said = r.run(t, "restore", id, "--home", to, "--database", name, "--auto-approve"); code != 0 {
		t.Fatalf("restore ended with %d:\n%s", code, said)
	}
	return to, said
}

// TestStrangeHomes go through backup and restore, and come back as they were.
func TestStrangeHomes(t *testing.T) {
	r := newRig(t)
	attachments := filepath.Join("shared", "data", "attachments")
	entries := 5_000
	if everything() {
		entries = 100_000
	}
	strange(t, filepath.Join(r.dir, "home", attachments), entries)
	for _, strategy := range []string{"mirror", "rsync"} {
		t.Run(strategy, func(t *testing.T) {
			r.strategy = strategy
			for range 2 { // also with everything in the working copy
				if code, said := r.apply(t, nil).wait(t); code != 0 {
					t.Fatalf("exit code %d:\n%s", code, said)
				}
			}
			to, said := r.restored(t, "back_"+strategy)
			// A restore makes no devices, and says so.
			device := func(rel string) bool { return rel == "device" }
			providertest.SameTrees(t, providertest.Tree(t, filepath.Join(r.dir, "home", attachments)), providertest.Tree(t, filepath.Join(to, attachments)), device)
			if os.Geteuid() == 0 && !strings.Contains(said, "devices could not be kept") {
				t.Errorf("it does not say that the device is left out:\n%s", said)
			}
			var st unix.Stat_t
			must(t, unix.Stat(filepath.Join(to, attachments, "hole"), &st))
			if st.Blocks*512 > 16<<20 {
				t.Errorf("the hole takes %d bytes", st.Blocks*512)
			}
		})
	}
}

// TestPathsLongerThanTheSystemTakes: the mirror brings them through, and rsync,
// which cannot, says so and makes no backup.
func TestPathsLongerThanTheSystemTakes(t *testing.T) {
	r := newRig(t)
	attachments := filepath.Join("shared", "data", "attachments")
	must(t, os.MkdirAll(filepath.Join(r.dir, "home", attachments), 0o750))
	name := deep(t, filepath.Join(r.dir, "home", attachments))
	if code, said := r.apply(t, nil).wait(t); code != 0 {
		t.Fatalf("exit code %d:\n%s", code, said)
	}
	to, _ := r.restored(t, "back")
	root, err := os.OpenRoot(filepath.Join(to, attachments))
	must(t, err)
	defer func() { _ = root.Close() }()
	if text, err := root.ReadFile(name); err != nil || !bytes.Equal(text, []byte("deep")) {
		t.Errorf("came back as %q, %v", text, err)
	}
	r.strategy = "rsync"
	before := r.listed(t)
	code, said := r.apply(t, nil).wait(t)
	r.free(t, said)
	if code != cli.ExitFailed || !strings.Contains(said, "File name too long") && !strings.Contains(said, "file name too long") && !strings.Contains(said, "overflow") {
		t.Errorf("exit code %d:\n%s", code, said)
	}
	if after := r.listed(t); after != before {
		t.Errorf("%d backups are listed, %d were before", after, before)
	}
}
