package drill

import (
	"context"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"bkp/providers"
)

// own gives restored repositories to the user that runs git, unless that is root. git asks
// with access(2) what it may read, which counts no capabilities (man 2 access): a user
// who reads and restores everything by CAP_DAC_OVERRIDE and CAP_CHOWN is answered "not a
// git repository". Repositories are copies of the drill, and what is reached by a link
// belongs to no repository.
func (g *git) own(ctx context.Context, list []providers.Repository) error {
	user := os.Geteuid()
	if user <= 0 { // root, and systems without owners
		return nil
	}
	root, err := os.OpenRoot(g.inside)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	for _, r := range list {
		dir, err := filepath.EvalSymlinks(r.Dir)
		if err != nil || !g.within(dir) {
			continue // said by read, of the repository
		}
		name, err := filepath.Rel(g.inside, dir)
		if err != nil {
			return err
		}
		if err := give(ctx, root, filepath.ToSlash(name), user); err != nil {
			return err
		}
	}
	return nil
}

// give makes a user the owner of a folder below root, of all that lies below it, and of the
// folders above it, which access(2) must search.
func give(ctx context.Context, root *os.Root, name string, user int) error {
	for above := path.Dir(name); above != "."; above = path.Dir(above) {
		if err := root.Lchown(above, user, -1); err != nil {
			return err
		}
	}
	return fs.WalkDir(root.FS(), name, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return root.Lchown(path, user, -1)
	})
}
