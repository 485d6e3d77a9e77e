package providertest

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Churn changes a tree at random. The same seed does the same.
type Churn struct {
	Root string
	Rand *rand.Rand
	// Open leaves out rewrites that keep size and mtime, for strategies that
	// say they do not notice these.
	Open bool
	made int
}

// NewChurn fills root, an existing folder, with a small random tree.
func NewChurn(t testing.TB, root string, seed uint64) *Churn {
	t.Helper()
	c := &Churn{Root: root, Rand: rand.New(rand.NewPCG(seed, seed))}
	for range 12 {
		c.must(t, os.MkdirAll(filepath.Join(c.dir(), c.name()), 0o750))
	}
	for range 40 {
		c.must(t, c.create())
	}
	c.Do(t, 20)
	return c
}

// Do makes n changes.
func (c *Churn) Do(t testing.TB, n int) {
	t.Helper()
	ops := []func() error{
		c.create, c.create, c.append, c.truncate, c.rename, c.renameDir, c.replace, c.rewriteInSecret,
		c.chmod, c.link, c.symlink, c.remove, c.removeDir, c.mkdir, c.sparse, c.retype, c.swapDirs,
	}
	for range n {
		err := ops[c.Rand.IntN(len(ops))]()
		// An operation may meet what another one left; that is life.
		if err != nil && !errors.Is(err, errNothing) && !errors.As(err, new(*fs.PathError)) && !errors.As(err, new(*os.LinkError)) {
			c.must(t, err)
		}
	}
}

var errNothing = errors.New("nothing to do it to")

func (c *Churn) must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// name is new, and often awkward.
func (c *Churn) name() string {
	c.made++
	awkward := []string{"f%d", "f%d", "f%d", "with space %d", "line\nbreak%d", "\xff\xfe%d", "-dash%d", "glob*[%d]", ".hidden%d", "ünï%d"}
	return fmt.Sprintf(awkward[c.Rand.IntN(len(awkward))], c.made)
}

// paths below the root for which keep is true.
func (c *Churn) paths(keep func(fs.DirEntry) bool) []string {
	var out []string
	_ = filepath.WalkDir(c.Root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && path != c.Root && keep(d) {
			out = append(out, path)
		}
		return nil
	})
	return out
}

func (c *Churn) pick(keep func(fs.DirEntry) bool) (string, error) {
	all := c.paths(keep)
	if len(all) == 0 {
		return "", errNothing
	}
	return all[c.Rand.IntN(len(all))], nil
}

func isFile(d fs.DirEntry) bool { return d.Type().IsRegular() }

// dir is any folder, the root among them.
func (c *Churn) dir() string {
	d, err := c.pick(fs.DirEntry.IsDir)
	if err != nil || c.Rand.IntN(5) == 0 {
		return c.Root
	}
	return d
}

func (c *Churn) fresh() string { return filepath.Join(c.dir(), c.name()) }

func (c *Churn) content() []byte {
	sizes := []int{0, 1, 100, 5000, 200_000}
	out := make([]byte, sizes[c.Rand.IntN(len(sizes))])
	for i := range out {
		out[i] = byte(c.Rand.Uint32())
	}
	return out
}

func (c *Churn) create() error { return os.WriteFile(c.fresh(), c.content(), 0o640) }

func (c *Churn) mkdir() error { return os.Mkdir(c.fresh(), 0o750) }

func (c *Churn) append() error {
	path, err := c.pick(isFile)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(c.content())
	return errors.Join(err, f.Close())
}

func (c *Churn) truncate() error {
	path, err := c.pick(isFile)
	if err != nil {
		return err
	}
	return os.Truncate(path, int64(c.Rand.IntN(3000)))
}

func (c *Churn) rename() error {
	path, err := c.pick(func(d fs.DirEntry) bool { return !d.IsDir() })
	if err != nil {
		return err
	}
	return os.Rename(path, c.fresh())
}

func (c *Churn) renameDir() error {
	path, err := c.pick(fs.DirEntry.IsDir)
	if err != nil {
		return err
	}
	return os.Rename(path, c.fresh())
}

// swapDirs exchanges two folders, so that files of old times stand under old
// names.
func (c *Churn) swapDirs() error {
	a, err := c.pick(fs.DirEntry.IsDir)
	if err != nil {
		return err
	}
	b := c.dir()
	aside := filepath.Join(c.Root, c.name())
	if err := os.Rename(a, aside); err != nil {
		return err
	}
	return errors.Join(os.Rename(b, a), os.Rename(aside, b))
}

// replace is how most programs write: beside it, then renamed.
func (c *Churn) replace() error {
	path, err := c.pick(isFile)
	if err != nil {
		return err
	}
	aside := filepath.Join(filepath.Dir(path), c.name())
	if err := os.WriteFile(aside, c.content(), 0o600); err != nil {
		return err
	}
	return os.Rename(aside, path)
}

// rewriteInSecret changes content under the same size and mtime: only the
// ctime betrays it.
func (c *Churn) rewriteInSecret() error {
	path, err := c.pick(isFile)
	if err != nil || c.Open {
		return err
	}
	fi, err := os.Stat(path)
	if err != nil || fi.Size() == 0 {
		return errors.Join(err, errNothing)
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt([]byte{byte(c.Rand.Uint32())}, fi.Size()/2)
	return errors.Join(err, f.Close(), os.Chtimes(path, time.Time{}, fi.ModTime()))
}

func (c *Churn) chmod() error {
	path, err := c.pick(func(d fs.DirEntry) bool { return d.Type()&fs.ModeSymlink == 0 })
	if err != nil {
		return err
	}
	return os.Chmod(path, 0o700|fs.FileMode(c.Rand.Uint32()&0o077))
}

func (c *Churn) link() error {
	path, err := c.pick(isFile)
	if err != nil {
		return err
	}
	return os.Link(path, c.fresh())
}

// symlink leads nowhere, or to its own folder: with several writers at work one
// may write through it, and nothing outside of the tree must be in its way.
func (c *Churn) symlink() error {
	targets := []string{"nowhere", "no/where", "/nonexistent/target", "."}
	return os.Symlink(targets[c.Rand.IntN(len(targets))], c.fresh())
}

func (c *Churn) remove() error {
	path, err := c.pick(isFile)
	if err != nil {
		return err
	}
	return os.Remove(path)
}

func (c *Churn) removeDir() error {
	path, err := c.pick(fs.DirEntry.IsDir)
	if err != nil || c.Rand.IntN(2) == 0 {
		return err
	}
	return os.RemoveAll(path)
}

func (c *Churn) sparse() error {
	f, err := os.Create(c.fresh())
	if err != nil {
		return err
	}
	_, err = f.WriteAt([]byte("end"), int64(1<<20+c.Rand.IntN(1<<20)))
	return errors.Join(err, f.Close())
}

// retype puts another kind of entry under a name.
func (c *Churn) retype() error {
	path, err := c.pick(func(fs.DirEntry) bool { return true })
	if err != nil {
		return err
	}
	fi, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	switch {
	case !fi.IsDir():
		return errors.Join(os.Mkdir(path, 0o700), os.WriteFile(filepath.Join(path, "inside"), c.content(), 0o600))
	case c.Rand.IntN(2) == 0:
		return os.Symlink("elsewhere", path)
	}
	return os.WriteFile(path, c.content(), 0o600)
}
