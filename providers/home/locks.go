package home

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
)

// A capture may hold lock files of git commands that were waiting or dead. In
// a restored home nobody owns them, and each would block its repository. git
// makes all of them with O_EXCL and never takes one over. The names are those of
// git's source, up to 2.55, and those that Bitbucket adds.
var (
	// locked are files of a repository, or of a worktree, that have a lock.
	locked = []string{
		"HEAD", "config", "config.worktree", "index", "gc", "gc.pid", "gc.log", "packed-refs", "stash-packed-refs", "shallow",
		"AUTO_MERGE", "BISECT_EXPECTED_REV", "NOTES_MERGE_PARTIAL", "NOTES_MERGE_REF", "MERGE_AUTOSTASH", "MERGE_RR",
	}
	// exclusive are made like locks, and are none by their names.
	exclusive = []string{
		"packed-refs.new", "stash-packed-refs.new",
		"HEAD.pid", "config.pid", "index.pid", "gc.pid", "packed-refs.pid", "stash-packed-refs.pid",
	}
	// lockedBelow lie deeper. All else below objects is content.
	lockedBelow = []string{
		"info/sparse-checkout", "objects/maintenance", "objects/schedule", "objects/loose-object-idx", "objects/info/alternates",
		"objects/info/commit-graph", "objects/info/commit-graphs/commit-graph-chain", "objects/pack/multi-pack-index",
		"objects/pack/multi-pack-index.d/multi-pack-index-chain",
	}
	// lockFolders hold refs, their logs and tables, none of whose names can end
	// in .lock.
	lockFolders = []string{"refs", "stash-refs", "logs", "reftable"}
)

const (
	lockSuffix = ".lock"
	// pidSuffix is of the file beside a lock that names its owner.
	pidSuffix = "~pid.lock"
)

// isLock reports whether a file at the top of a repository is a lock. Every ref
// there ends in _HEAD, or is among those listed.
func isLock(name string) bool {
	if slices.Contains(exclusive, name) {
		return true
	}
	of, ok := strings.CutSuffix(name, lockSuffix)
	of = strings.TrimSuffix(of, "~pid")
	return ok && (slices.Contains(locked, of) || strings.HasSuffix(of, "_HEAD") && of == strings.ToUpper(of))
}

// RemoveStaleLocks removes them from the repositories of a home or of a data
// store at dir, and from nowhere else: a hook or an LFS object may be called
// x.lock. It returns how many it removed, and never follows a symbolic link.
func RemoveStaleLocks(ctx context.Context, dir string) (int, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return 0, err
	}
	defer func() { _ = root.Close() }()
	return removeStaleLocks(ctx, root)
}

// repositoryFolders are those that have repositories so many levels below them: of a
// home, of a data store, of a Mesh node.
var repositoryFolders = []struct {
	folder string
	depth  int
}{{trusted, 1}, {"repositories", 3}, {meshTrusted, meshDepth}}

func removeStaleLocks(ctx context.Context, root *os.Root) (int, error) {
	removed := 0
	for _, where := range repositoryFolders {
		err := repositories(ctx, root, where.folder, where.depth, func(repo string) error {
			n, err := removeLocks(root, repo)
			removed += n
			return err
		})
		if err != nil {
			return removed, err
		}
	}
	return removed, nil
}

// repositories visits the folders depth levels below folder.
func repositories(ctx context.Context, root *os.Root, folder string, depth int, visit func(string) error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if depth == 0 {
		return visit(folder)
	}
	entries, err := readDir(root, folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		if err := repositories(ctx, root, path.Join(folder, e.Name()), depth-1, visit); err != nil {
			return err
		}
	}
	return nil
}

func removeLocks(root *os.Root, repo string) (int, error) {
	l := lockRemover{root: root}
	if err := l.repository(repo); err != nil {
		return l.removed, err
	}
	trees, err := readDir(root, path.Join(repo, "worktrees"))
	if errors.Is(err, fs.ErrNotExist) {
		return l.removed, nil
	}
	if err != nil {
		return l.removed, err
	}
	for _, tree := range trees {
		if tree.IsDir() {
			if err := l.repository(path.Join(repo, "worktrees", tree.Name())); err != nil {
				return l.removed, err
			}
		}
	}
	return l.removed, nil
}

type lockRemover struct {
	root    *os.Root
	removed int
}

// repository removes the locks of a repository or of a worktree's folder. A
// folder that is a link leads to another repository, which has its own turn.
func (l *lockRemover) repository(repo string) error {
	entries, err := readDir(l.root, repo)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := path.Join(repo, e.Name())
		switch {
		case e.IsDir() && slices.Contains(lockFolders, e.Name()):
			err = l.below(name)
		case e.Type().IsRegular() && isLock(e.Name()):
			err = l.remove(name)
		}
		if err != nil {
			return err
		}
	}
	for _, name := range lockedBelow {
		for _, suffix := range []string{lockSuffix, pidSuffix} {
			if err := l.removeBelow(repo, name+suffix); err != nil {
				return err
			}
		}
	}
	return nil
}

// removeBelow removes a lock, if it and the folders above it are what they are
// called.
func (l *lockRemover) removeBelow(repo, rel string) error {
	for i, c := range rel {
		if c != '/' {
			continue
		}
		if fi, err := l.root.Lstat(path.Join(repo, rel[:i])); err != nil || !fi.IsDir() {
			return ignoreAbsent(err)
		}
	}
	name := path.Join(repo, rel)
	if fi, err := l.root.Lstat(name); err != nil || !fi.Mode().IsRegular() {
		return ignoreAbsent(err)
	}
	return l.remove(name)
}

func ignoreAbsent(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (l *lockRemover) below(dir string) error {
	entries, err := readDir(l.root, dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		switch {
		case e.IsDir():
			err = l.below(name)
		case e.Type().IsRegular() && strings.HasSuffix(name, lockSuffix):
			err = l.remove(name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (l *lockRemover) remove(name string) error {
	err := l.root.Remove(name)
	if err == nil {
		l.removed++
	}
	return ignoreAbsent(err)
}

// readDir takes names as they are; root.FS would refuse those that are not
// UTF-8, and git's are not always.
func readDir(root *os.Root, dir string) ([]fs.DirEntry, error) {
	f, err := root.Open(dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return f.ReadDir(-1)
}
