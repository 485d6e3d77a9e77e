package btrfs

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/providers/home"
	"bkp/providers/home/internal/snapshot"
)

// rootInode is the inode of the root of every subvolume.
const rootInode = 256

const fsType = "btrfs"

// sameSystem reports whether two mounts are of one file system, whatever
// subvolumes of it.
func sameSystem(a, b snapshot.Holder) bool {
	return a.FSType == b.FSType && a.Major == b.Major && a.Minor == b.Minor
}

// isRoot reports whether dir is the root of a subvolume.
func isRoot(dir string) (bool, error) {
	var st unix.Stat_t
	if err := unix.Lstat(dir, &st); err != nil {
		return false, &os.PathError{Op: "lstat", Path: dir, Err: err}
	}
	return st.Ino == rootInode && st.Mode&unix.S_IFMT == unix.S_IFDIR, nil
}

// Find implements snapshot.Storage.
func (s *storage) Find(ctx context.Context, dir string) (snapshot.Volume, string, error) {
	dir = host.Resolve(dir)
	m, err := snapshot.HolderOf(dir)
	if err != nil {
		return snapshot.Volume{}, "", err
	}
	if m.FSType != fsType {
		return snapshot.Volume{}, "", problem.New("folder is not on btrfs", fmt.Sprintf("%s lies on %s, which is %s", dir, m.Mountpoint, m.FSType),
			`use home "mirror", which needs no snapshots, or correct the path`)
	}
	if os.Geteuid() != 0 {
		return snapshot.Volume{}, "", problem.New("btrfs needs root", "bkp does not run as root, so it can neither remove snapshots nor mount them", `run bkp as root, or use home "mirror"`)
	}
	root, err := rootOf(dir, m.Mountpoint)
	if err != nil {
		return snapshot.Volume{}, "", err
	}
	sub, err := s.tool.show(ctx, root)
	if err != nil {
		return snapshot.Volume{}, "", err
	}
	if sub.uuid == "-" {
		return snapshot.Volume{}, "", problem.New("subvolume has no UUID", root+" was made by a version of btrfs that gave none", "move the home to a subvolume of its own")
	}
	rel, err := filepath.Rel(root, dir)
	if rel == "." {
		rel = ""
	}
	return snapshot.Volume{ID: sub.uuid, Name: root, Root: root}, filepath.ToSlash(rel), err
}

// rootOf is the root of the subvolume that holds dir.
func rootOf(dir, mount string) (string, error) {
	for at := dir; ; at = filepath.Dir(at) {
		is, err := isRoot(at)
		if err != nil {
			return "", problem.Wrap(err, "home cannot be read", "run bkp as root")
		}
		if is {
			return at, nil
		}
		if at == mount || at == filepath.Dir(at) {
			return "", problem.New("subvolume is not mounted", fmt.Sprintf("%s shows a folder of a subvolume, as a bind mount does, and not its root", mount),
				"mount the subvolume itself, and give the home's path there")
		}
	}
}

// Nested implements snapshot.Storage.
func (s *storage) Nested(ctx context.Context, v snapshot.Volume, dir string) ([]string, error) {
	top, err := s.tool.show(ctx, v.Root)
	if err != nil {
		return nil, err
	}
	paths, err := s.tool.nested(ctx, v.Root)
	if err != nil {
		return nil, err
	}
	real := host.Resolve(dir)
	var out []string
	for _, p := range paths {
		rel := strings.TrimPrefix(strings.TrimPrefix(p, top.path), "/")
		at := filepath.Join(v.Root, filepath.FromSlash(rel))
		inside, err := filepath.Rel(real, at)
		if err == nil && inside != "." && home.Within(at, real) {
			out = append(out, filepath.Join(dir, inside))
		}
	}
	return out, nil
}

// usualDir is the folder for snapshots in the file system around a folder.
const usualDir = ".bkp-snapshots"

// places are the folders that may hold snapshots, each once. They need not exist,
// and neither need the home.
func (s *storage) places() ([]string, error) {
	var out []string
	for _, dir := range s.configured {
		out = append(out, host.Resolve(dir))
	}
	for _, path := range s.live {
		around, err := snapshot.HolderOf(filepath.Dir(host.Resolve(path)))
		if err != nil {
			return nil, err
		}
		if around.FSType == fsType {
			out = append(out, filepath.Join(around.Mountpoint, usualDir))
		}
	}
	var once []string
	for _, dir := range out {
		if !slices.Contains(once, dir) {
			once = append(once, dir)
		}
	}
	return once, nil
}

// place is the folder for the snapshots of what lies at path.
func (s *storage) place(path string) (string, error) {
	here, err := snapshot.HolderOf(path)
	if err != nil {
		return "", err
	}
	all, err := s.places()
	if err != nil {
		return "", err
	}
	for _, dir := range all {
		if m, err := snapshot.HolderOf(dir); err == nil && sameSystem(m, here) {
			return dir, nil
		}
	}
	return "", problem.New("no folder for snapshots", "of the file system of "+path+" nothing is mounted outside the home",
		"mount it once more, such as its top with -o subvolid=5, and name a folder there in snapshots")
}

// readOnly reports whether nothing can be written at dir.
func readOnly(dir string) (bool, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return false, &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	return st.Flags&unix.ST_RDONLY != 0, nil
}
