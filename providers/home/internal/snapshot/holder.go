package snapshot

import (
	"path/filepath"

	"github.com/moby/sys/mountinfo"

	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/providers/home"
)

// Holder is the mount that a folder lies on.
type Holder struct {
	*mountinfo.Info
	// Rel is where the folder lies in the file system, with slashes, "" for its root.
	Rel string
	// Root is where the file system's root is mounted, "" if no more than a folder of
	// it is.
	Root string
}

// HolderOf finds the mount that a folder lies on. Of mounts on one folder the last is
// what is seen there.
func HolderOf(dir string) (Holder, error) {
	all, err := mountinfo.GetMounts(nil)
	if err != nil {
		return Holder{}, problem.Wrap(err, "mounts cannot be listed", "snapshots need Linux, with /proc mounted")
	}
	dir = host.Resolve(dir)
	var best *mountinfo.Info
	for _, m := range all {
		if m.FSType == "autofs" || !home.Within(dir, m.Mountpoint) {
			continue
		}
		if best == nil || len(m.Mountpoint) >= len(best.Mountpoint) {
			best = m
		}
	}
	if best == nil {
		return Holder{}, problem.New("file system is not known", dir+" lies on no mount that the system lists", "mount its file system")
	}
	h := Holder{Info: best, Rel: inFileSystem(best, dir)}
	for _, m := range all {
		if m.Major == best.Major && m.Minor == best.Minor && m.Root == "/" && m.FSType == best.FSType {
			h.Root = m.Mountpoint
			break
		}
	}
	return h, nil
}

// inFileSystem is where a folder below a mount lies in the mounted file system.
func inFileSystem(m *mountinfo.Info, dir string) string {
	rel, err := filepath.Rel(m.Mountpoint, dir)
	if err != nil {
		return ""
	}
	rel = filepath.ToSlash(filepath.Join("/", m.Root, rel))
	return rel[1:]
}
