package bare

import (
	"bytes"
	"compress/zlib"
	"crypto/sha1" //nolint:gosec // git's object names
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// ErrBranchMoved is wrapped when a branch is not where the caller thinks, or
// when another process holds its lock.
var ErrBranchMoved = errors.New("the branch has moved, or is being moved")

// Repository is a bare repository. It is safe for concurrent use.
type Repository struct {
	dir string
	// Compressors are big, most objects are small: they are used again.
	quick, packed sync.Pool // of *zlib.Writer
	temporary     atomic.Uint64
}

// File is a file of a commit.
type File struct {
	Name string // without a slash
	Hash string // of a blob in the repository
}

// Init makes an empty repository in dir, whose parent must exist. HEAD points
// to main.
func Init(dir string) (*Repository, error) {
	for _, d := range []string{"", "info", "hooks", "objects", "objects/info", "objects/pack", "refs", "refs/heads", "refs/tags"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o750); err != nil {
			return nil, err
		}
	}
	files := map[string]string{
		"HEAD":         "ref: refs/heads/main\n",
		"config":       "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n\tlogallrefupdates = false\n[gc]\n\tauto = 0\n",
		"description":  "Unnamed repository; edit this file 'description' to name the repository.\n",
		"info/exclude": "# git ls-files --others --exclude-from=.git/info/exclude\n",
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o640); err != nil {
			return nil, err
		}
	}
	return &Repository{dir: dir}, nil
}

// Dir is the repository's folder.
func (r *Repository) Dir() string { return r.dir }

// Blob stores content and returns its hash. A content that compression would
// not shrink may be stored with packed false, which is quicker.
func (r *Repository) Blob(content []byte, packed bool) (string, error) {
	return r.store("blob", content, packed)
}

// Tree stores a folder of files and returns its hash.
func (r *Repository) Tree(files []File) (string, error) {
	files = slices.Clone(files)
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	var b bytes.Buffer
	for _, f := range files {
		hash, err := hex.DecodeString(f.Hash)
		if err != nil {
			return "", fmt.Errorf("%s: %w", f.Name, err)
		}
		fmt.Fprintf(&b, "100644 %s\x00", f.Name)
		b.Write(hash)
	}
	return r.store("tree", b.Bytes(), true)
}

// Commit stores a commit and returns its hash. parent is "" for the first.
func (r *Repository) Commit(tree, parent, message string, at time.Time) (string, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "tree %s\n", tree)
	if parent != "" {
		fmt.Fprintf(&b, "parent %s\n", parent)
	}
	who := fmt.Sprintf("Sandbox <sandbox@example.com> %d +0000", at.Unix())
	fmt.Fprintf(&b, "author %s\ncommitter %s\n\n%s\n", who, who, message)
	return r.store("commit", b.Bytes(), true)
}

// Move moves a branch from one commit to another; from is "" for a branch that
// must not exist yet, to is "" to delete it.
func (r *Repository) Move(branch, from, to string) error {
	ref := filepath.Join(r.dir, "refs", "heads", filepath.FromSlash(branch))
	lock, err := os.OpenFile(ref+".lock", os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640) //nolint:gosec // a home is read by its group
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w: %s is locked", ErrBranchMoved, branch)
	}
	if err != nil {
		return err
	}
	if err := r.moveLocked(lock, ref, branch, from, to); err != nil {
		return errors.Join(err, os.Remove(ref+".lock"))
	}
	return nil
}

// moveLocked uses up the lock file when it succeeds.
func (r *Repository) moveLocked(lock *os.File, ref, branch, from, to string) error {
	now, err := os.ReadFile(ref)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(err, lock.Close())
	}
	if got := strings.TrimSpace(string(now)); got != from {
		return errors.Join(fmt.Errorf("%w: %s is at %q, not at %q", ErrBranchMoved, branch, got, from), lock.Close())
	}
	if to == "" {
		if err := errors.Join(lock.Close(), os.Remove(ref)); err != nil {
			return err
		}
		return os.Remove(ref + ".lock")
	}
	_, err = lock.WriteString(to + "\n")
	if err := errors.Join(err, lock.Close()); err != nil {
		return err
	}
	return os.Rename(ref+".lock", ref)
}

// store writes a loose object, unless there is one of that name.
func (r *Repository) store(kind string, content []byte, packed bool) (string, error) {
	header := fmt.Sprintf("%s %d\x00", kind, len(content))
	h := sha1.New() //nolint:gosec // git's object names
	h.Write([]byte(header))
	h.Write(content)
	name := hex.EncodeToString(h.Sum(nil))
	dir := filepath.Join(r.dir, "objects", name[:2])
	path := filepath.Join(dir, name[2:])
	if _, err := os.Lstat(path); err == nil {
		return name, nil
	}
	compressed, err := r.compress(header, content, packed)
	if err != nil {
		return "", err
	}
	if err := os.Mkdir(dir, 0o750); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	return name, r.write(dir, path, compressed)
}

func (r *Repository) compress(header string, content []byte, packed bool) ([]byte, error) {
	pool, level := &r.quick, zlib.NoCompression
	if packed {
		pool, level = &r.packed, zlib.BestSpeed
	}
	var b bytes.Buffer
	z, ok := pool.Get().(*zlib.Writer)
	if ok {
		z.Reset(&b)
	} else {
		var err error
		if z, err = zlib.NewWriterLevel(&b, level); err != nil {
			return nil, err
		}
	}
	defer pool.Put(z)
	_, _ = z.Write([]byte(header)) // a buffer takes everything
	_, _ = z.Write(content)
	_ = z.Close()
	return b.Bytes(), nil
}

// write makes a file appear whole, read-only as git's objects are.
func (r *Repository) write(dir, path string, content []byte) error {
	name := filepath.Join(dir, fmt.Sprintf("tmp_obj_%d", r.temporary.Add(1)))
	tmp, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o444) //nolint:gosec // as git does
	if err != nil {
		return err
	}
	_, err = tmp.Write(content)
	if err := errors.Join(err, tmp.Close()); err != nil {
		return errors.Join(err, os.Remove(name))
	}
	if err := os.Rename(name, path); err != nil {
		return errors.Join(err, os.Remove(name))
	}
	return nil
}
