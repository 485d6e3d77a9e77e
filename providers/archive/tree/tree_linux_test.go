package tree

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"bkp/internal/lab/loopfs"
	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/archive/internal/shelf"
	"bkp/providers/providertest"
)

// disk is a file system with a home on it, and where trees are kept there.
func disk(t *testing.T, kind string) (tree, destination string) {
	t.Helper()
	at := loopfs.Mount(t, kind)
	home(t, filepath.Join(at, "home"))
	return filepath.Join(at, "home"), filepath.Join(at, "trees")
}

func stores(t *testing.T, a *archive, m providers.Manifest) {
	t.Helper()
	_, err := a.Store(t.Context(), m, nil)
	must(t, err)
}

func whole(t *testing.T, a *archive, b providers.BackupID) {
	t.Helper()
	if bad, err := a.Verify(t.Context(), b); err != nil || len(bad) > 0 {
		t.Errorf("%s: %v, %v", b, bad, err)
	}
}

// TestATreeIsExact: what lies in the archive, and what comes back from it to the same
// or another file system, is what was captured, holes included.
func TestATreeIsExact(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			tree, destination := disk(t, kind)
			a := open(t, destination, nil)
			stores(t, a, manifest(map[string]string{artifact: tree}))
			want := providertest.Tree(t, tree)
			kept := filepath.Join(destination, string(id), artifact)
			providertest.SameTrees(t, want, providertest.Tree(t, kept), nil)
			for _, to := range []string{filepath.Join(filepath.Dir(tree), "back"), filepath.Join(t.TempDir(), "back")} {
				_, err := a.Fetch(t.Context(), id, func(providers.Artifact) string { return to })
				must(t, err)
				providertest.SameTrees(t, want, providertest.Tree(t, to), nil)
				var st unix.Stat_t
				must(t, unix.Stat(filepath.Join(to, "sparse"), &st))
				if st.Blocks*512 > 1<<20 {
					t.Errorf("the sparse file takes %d bytes in %s", st.Blocks*512, to)
				}
			}
			// The working copy goes on, and the backup stays.
			must(t, os.WriteFile(filepath.Join(tree, "large"), []byte("new"), 0o600))
			whole(t, a, id)
		})
	}
}

// TestTenBackupsOfAnUnchangedHome take hardly more space than one.
func TestTenBackupsOfAnUnchangedHome(t *testing.T) {
	const (
		files, size = 400, 256 << 10
		backups     = 10
	)
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			at := loopfs.MountSize(t, kind, 640<<20)
			for i := range files {
				write(t, filepath.Join(at, "home", fmt.Sprint(i%7), fmt.Sprint(i)), strings.Repeat(fmt.Sprintf("%08d", i), size/8))
			}
			used := func() int64 {
				t.Helper()
				var st unix.Statfs_t
				must(t, syncAllOf(at), unix.Statfs(at, &st))
				return int64(st.Blocks-st.Bfree) * st.Bsize
			}
			before := used()
			a := open(t, filepath.Join(at, "trees"), nil)
			for i := range backups {
				m := manifest(map[string]string{artifact: filepath.Join(at, "home")})
				m.ID = providers.NewBackupID("prod", id.Time().Add(time.Duration(i)*time.Hour))
				stores(t, a, m)
			}
			took := used() - before
			t.Logf("%d backups of %d MB in %d files took %d kB", backups, files*size>>20, files, took>>10)
			if took > files*size/5 {
				t.Errorf("%d backups of %d bytes take %d", backups, files*size, took)
			}
		})
	}
}

func syncAllOf(dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	return errors.Join(syncAll(root), root.Close())
}

// TestWhereBlocksCannotBeShared, nothing is copied unless that was said.
func TestWhereBlocksCannotBeShared(t *testing.T) {
	tree, destination := disk(t, "ext4")
	a := open(t, destination, nil)
	r, err := a.Check(t.Context(), providers.Estimate{Files: 10, Bytes: 1e9})
	must(t, err)
	if !r.Failed() || r.Findings[0].Summary != notSharedFrom || !strings.Contains(r.Findings[0].Detail, "1.0 GB") {
		t.Errorf("found %v", r.Findings)
	}
	_, err = a.Store(t.Context(), manifest(map[string]string{artifact: tree}), nil)
	var p *problem.Problem
	if !errors.As(err, &p) || p.Summary != notShared || p.Remedy == "" {
		t.Errorf("stored: %v", err)
	}
	if left, err := os.ReadDir(destination); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	a = open(t, destination, func(c *Config) { c.Copy = true })
	r, err = a.Check(t.Context(), providers.Estimate{Files: 10, Bytes: 1e9})
	must(t, err)
	if r.Failed() || !strings.Contains(r.Does[providers.Store], "copy all files in full") || r.Space[0].Bytes < 1e9 {
		t.Errorf("%+v", r)
	}
}

func TestCheckChangesNothing(t *testing.T) {
	tree, destination := disk(t, "xfs")
	before := providertest.Tree(t, filepath.Dir(tree))
	a := open(t, destination, nil)
	r, err := a.Check(t.Context(), providers.Estimate{Files: 10, Bytes: 1e9})
	must(t, err)
	if len(r.Findings) > 0 || r.Space[0].Bytes > 1e8 {
		t.Errorf("%+v", r)
	}
	providertest.SameTrees(t, before, providertest.Tree(t, filepath.Dir(tree)), nil)
}

// TestTreesOfOneArtifact lie at their places.
func TestTreesOfOneArtifact(t *testing.T) {
	tree, destination := disk(t, "btrfs")
	m := manifest(map[string]string{artifact: tree})
	m.Artifacts[0].Trees = []providers.Tree{
		{Place: "stores/b", Path: filepath.Join(tree, "a")}, {Place: "home", Path: tree, LeaveOut: providers.Rules{"/large"}}, {Place: "stores/a", Path: filepath.Join(tree, "data")},
	}
	a := open(t, destination, nil)
	stores(t, a, m)
	whole(t, a, id)
	to := filepath.Join(t.TempDir(), "to")
	_, err := a.Fetch(t.Context(), id, func(providers.Artifact) string { return to })
	must(t, err)
	isLarge := func(rel string) bool { return rel == "large" }
	providertest.SameTrees(t, providertest.Tree(t, tree), providertest.Tree(t, filepath.Join(to, "home")), isLarge)
	providertest.SameTrees(t, providertest.Tree(t, filepath.Join(tree, "data")), providertest.Tree(t, filepath.Join(to, "stores/a")), nil)
	providertest.SameTrees(t, providertest.Tree(t, filepath.Join(tree, "a")), providertest.Tree(t, filepath.Join(to, "stores/b")), nil)
	if _, err := os.Lstat(filepath.Join(to, "home/large")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what is left out came, too: %v", err)
	}
}

// TestAnInterruptedDelete: the backup is gone from the list at once, and the rest goes
// with the next backup.
func TestAnInterruptedDelete(t *testing.T) {
	tree, destination := disk(t, "xfs")
	a := open(t, destination, nil)
	stores(t, a, manifest(map[string]string{artifact: tree}))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.Delete(ctx, id); !errors.Is(err, context.Canceled) {
		t.Errorf("delete with an ended context: %v", err)
	}
	list, findings, err := a.List(t.Context())
	if err != nil || len(list)+len(findings) > 0 {
		t.Errorf("listed: %v, %v, %v", list, findings, err)
	}
	if made, findings, err := a.Rebuild(t.Context()); err != nil || len(made)+len(findings) > 0 {
		t.Errorf("made %v, %v, %v", made, findings, err)
	}
	if _, err := a.Verify(t.Context(), id); !errors.Is(err, providers.ErrNotFound) {
		t.Errorf("verify: %v", err)
	}
	later := manifest(map[string]string{artifact: tree})
	later.ID = providers.NewBackupID("prod", id.Time().Add(time.Hour))
	stores(t, a, later)
	left, err := os.ReadDir(destination)
	if err != nil || len(left) != 1 || left[0].Name() != string(later.ID) {
		t.Errorf("left: %v, %v", left, err)
	}
}

// TestADeleteThatWasKilled between two parts: what is left counts for nothing, and goes.
func TestADeleteThatWasKilled(t *testing.T) {
	tree, destination := disk(t, "xfs")
	a := open(t, destination, nil)
	stores(t, a, manifest(map[string]string{artifact: tree, "database.postgresql.main": filepath.Join(tree, "a")}))
	at := filepath.Join(destination, string(id))
	must(t, os.Remove(filepath.Join(at, shelf.ManifestObject)), os.Rename(filepath.Join(at, artifact), filepath.Join(at, "."+artifact+removedSuffix)))
	list, findings, err := a.List(t.Context())
	if err != nil || len(list)+len(findings) > 0 {
		t.Errorf("listed: %v, %v, %v", list, findings, err)
	}
	if made, findings, err := a.Rebuild(t.Context()); err != nil || len(made)+len(findings) > 0 {
		t.Errorf("made %v, %v, %v", made, findings, err)
	}
	later := manifest(map[string]string{artifact: tree})
	later.ID = providers.NewBackupID("prod", id.Time().Add(time.Hour))
	stores(t, a, later)
	if _, err := os.Stat(at); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what was left is still there: %v", err)
	}
}

// TestSweepingLeavesAloneWhatIsBeingStored by another state folder.
func TestSweepingLeavesAloneWhatIsBeingStored(t *testing.T) {
	tree, destination := disk(t, "xfs")
	a, other := open(t, destination, nil), open(t, destination, nil)
	other.env.WorkDir = "/elsewhere"
	theirs := providers.NewBackupID("prod", id.Time().Add(time.Hour))
	must(t, other.Reserve(t.Context(), theirs))
	half := filepath.Join(destination, string(theirs), ".x.removed", "half")
	write(t, half, "half")
	stores(t, a, manifest(map[string]string{artifact: tree}))
	if _, err := os.Stat(half); err != nil {
		t.Error(err)
	}
	// Nor is it missed while its manifest is not there yet.
	must(t, os.Rename(filepath.Dir(half), filepath.Join(destination, string(theirs), artifact)))
	if list, findings, err := a.List(t.Context()); err != nil || len(list) != 1 || len(findings) > 0 {
		t.Errorf("listed: %v, %v, %v", list, findings, err)
	}
}

// TestAFileThatChangesIsNotStored: nobody knows what of it is from when.
func TestAFileThatChangesIsNotStored(t *testing.T) {
	for kind, copies := range map[string]bool{"xfs": false, "ext4": true} {
		t.Run(kind, func(t *testing.T) {
			tree, destination := disk(t, kind)
			a := open(t, destination, func(c *Config) { c.Copy = copies })
			a.fault = func(name string) error {
				if name != "large" {
					return nil
				}
				must(t, os.WriteFile(filepath.Join(tree, name), make([]byte, 3*chunkSize+17), 0o600)) // as long as it was
				return nil
			}
			_, err := a.Store(t.Context(), manifest(map[string]string{artifact: tree}), nil)
			var p *problem.Problem
			if !errors.As(err, &p) || p.Summary != treeChanged {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestAPathLongerThanTheSystemTakes(t *testing.T) {
	tree, destination := disk(t, "xfs")
	dir, err := os.OpenRoot(tree)
	must(t, err)
	for range 30 {
		name := strings.Repeat("d", 200)
		must(t, dir.Mkdir(name, 0o755))
		sub, err := dir.OpenRoot(name)
		must(t, err, dir.Close())
		dir = sub
	}
	must(t, dir.WriteFile("deep", []byte("content"), 0o644), dir.Close())
	a := open(t, destination, nil)
	stores(t, a, manifest(map[string]string{artifact: tree}))
	whole(t, a, id)
	_, err = a.Fetch(t.Context(), id, func(providers.Artifact) string { return filepath.Join(filepath.Dir(tree), "back") })
	must(t, err, a.Delete(t.Context(), id))
	if left, _ := os.ReadDir(destination); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// TestOthersCannotReadATree, whatever modes are in it.
func TestOthersCannotReadATree(t *testing.T) {
	tree, destination := disk(t, "xfs")
	stores(t, open(t, destination, nil), manifest(map[string]string{artifact: tree}))
	for _, dir := range []string{destination, filepath.Join(destination, string(id))} {
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v", dir, info.Mode(), err)
		}
	}
}

// TestAllThatIsStoredIsTried: one of them that cannot share is enough.
func TestAllThatIsStoredIsTried(t *testing.T) {
	tree, destination := disk(t, "xfs")
	a := open(t, destination, nil)
	for what, trees := range map[string][]string{"another disk": {tree, t.TempDir()}, "snapshot of a volume": {tree, ""}} {
		r, err := a.CheckFrom(t.Context(), trees, providers.Estimate{})
		if err != nil || !r.Failed() {
			t.Errorf("%s: %+v, %v", what, r, err)
		}
	}
	r, err := a.CheckFrom(t.Context(), []string{filepath.Join(tree, "not", "yet")}, providers.Estimate{})
	if err != nil || r.Failed() {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestWithoutOwners: what cannot be kept is nowhere else, so nothing is stored.
func TestWithoutOwners(t *testing.T) {
	tree, destination := disk(t, "xfs")
	must(t, os.Mkdir(destination, 0o700), os.Chown(destination, nobody, nobody), os.Chmod(tree, 0o755))
	program := filepath.Join(filepath.Dir(tree), "test") // where nobody may come
	data, err := os.ReadFile(os.Args[0])
	must(t, err, os.WriteFile(program, data, 0o755))
	for dir := filepath.Dir(tree); dir != filepath.Clean(os.TempDir()) && dir != "/"; dir = filepath.Dir(dir) {
		must(t, os.Chmod(dir, 0o755))
	}
	cmd := exec.Command(program, "-test.run=^TestStoreAsNobody$", "-test.v")
	cmd.Env = append(os.Environ(), "BKP_TEST_TREE="+tree, "BKP_TEST_DESTINATION="+destination)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	cmd.Dir = "/"
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "PASS") {
		t.Errorf("%v: %s", err, out)
	}
	if left, err := os.ReadDir(destination); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

const nobody = 65534

// TestStoreAsNobody is what TestWithoutOwners runs as an ordinary user.
func TestStoreAsNobody(t *testing.T) {
	tree := os.Getenv("BKP_TEST_TREE")
	if tree == "" {
		t.Skip("is run by another test")
	}
	a := open(t, os.Getenv("BKP_TEST_DESTINATION"), nil)
	_, err := a.Store(t.Context(), manifest(map[string]string{artifact: filepath.Join(tree, "a")}), nil)
	var p *problem.Problem
	if !errors.As(err, &p) || p.Summary != "tree cannot be kept as it is" || !strings.Contains(p.Detail, "owners") {
		t.Errorf("got %v", err)
	}
}
