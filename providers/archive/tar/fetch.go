package tar

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/providers"
)

const fetchFailed = "backup cannot be unpacked"

// Fetch implements providers.Archiver. It reads the whole file even when not
// all artifacts are wanted: only then is its digest known.
func (a *archive) Fetch(ctx context.Context, b providers.BackupID, dir func(providers.Artifact) string) (providers.Manifest, error) {
	m, err := a.load(b)
	if err != nil {
		return m, err
	}
	path, f, err := a.find(b)
	if err != nil {
		return m, err
	}
	u := &unpacking{wanted: map[string]string{}, env: a.env}
	for i := range m.Artifacts {
		art := &m.Artifacts[i]
		if art.SHA256 == "" {
			continue // it lies elsewhere
		}
		if folder := dir(*art); folder != "" {
			art.Trees = providers.OneTree(folder)
			u.wanted[entryPrefix(b, art.Address)] = folder
			u.done.TotalFiles += art.Files
			u.done.TotalBytes += art.Bytes
		}
	}
	if err = u.unpack(ctx, m, path, f); err == nil {
		u.warn()
		return m, u.close()
	}
	err = errors.Join(err, u.abandon())
	if ctx.Err() != nil {
		return m, err
	}
	remedy := "see what is damaged:\n\n    bkp verify " + string(b) + "\n"
	if host.IsFull(err) {
		remedy = "free some space where the backup is unpacked, or restore to a larger disk; the backup itself is not to blame"
	}
	return m, problem.Wrapf(err, fetchFailed, remedy, "%s", path)
}

// unpack reads the archive twice: nothing is written before its digest is
// known to be the one that it was written with. The second time it is compared
// again, as the file may change in between.
func (u *unpacking) unpack(ctx context.Context, m providers.Manifest, path string, f format) error {
	file, err := host.OpenRegular(path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	sum := sha256.New()
	n, err := io.Copy(sum, until(ctx, file))
	if err != nil {
		return err
	}
	var r providers.Report
	compareFile(&r, m, content{bytes: n, sha256: hex.EncodeToString(sum.Sum(nil))}, path)
	if len(r.Findings) > 0 {
		return &r.Findings[0]
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	c, err := read(ctx, file, f, m.ID, boundsOf(m), u.open)
	if err != nil {
		return err
	}
	return damage(m, c, path)
}

// damage is the first difference between the archive and its manifest.
func damage(m providers.Manifest, c content, path string) error {
	var r providers.Report
	compareParts(&r, m, c)
	compareFile(&r, m, c, path)
	compareManifests(&r, m, c, path)
	if len(r.Findings) == 0 {
		return nil
	}
	return &r.Findings[0]
}

// unpacking is one Fetch: which artifacts are wanted where, and what was
// written so far.
type unpacking struct {
	wanted  map[string]string
	env     providers.Env
	done    providers.Progress
	started []*tree
	made    []string // folders that did not exist
}

func (u *unpacking) open(prefix string) (handler, error) {
	folder, ok := u.wanted[prefix]
	if !ok {
		return skip{}, nil
	}
	if _, err := os.Lstat(folder); errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return nil, err
		}
		u.made = append(u.made, folder)
	}
	root, err := openEmpty(folder)
	if err != nil {
		return nil, err
	}
	t := &tree{top: root, owners: newOwners(), progress: u}
	u.started = append(u.started, t)
	return t, nil
}

// openEmpty opens a folder that is empty, and no symbolic link to one: whoever
// may write above it could have put that there meanwhile.
func openEmpty(folder string) (*os.Root, error) {
	info, err := os.Lstat(folder)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, err
	}
	opened, err := root.Stat(".")
	if err == nil && !os.SameFile(info, opened) {
		err = problem.New("folder is a symbolic link", folder, "choose another folder")
	}
	var entries []fs.DirEntry
	if err == nil {
		entries, err = fs.ReadDir(root.FS(), ".")
	}
	if len(entries) > 0 {
		err = problem.New("folder is not empty", fmt.Sprintf("%s holds %s", folder, entries[0].Name()), "choose an empty folder")
	}
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return root, nil
}

// abandon removes what was written.
func (u *unpacking) abandon() error {
	var failed error
	for _, t := range u.started {
		failed = errors.Join(failed, t.abandon())
	}
	for _, folder := range u.made {
		failed = errors.Join(failed, os.Remove(folder))
	}
	return failed
}

func (u *unpacking) close() error {
	var failed error
	for _, t := range u.started {
		failed = errors.Join(failed, t.top.Close())
	}
	return failed
}

// warn tells the operator once what could not be kept.
func (u *unpacking) warn() {
	for _, t := range u.started {
		if t.lost != 0 {
			u.env.Warning(fmt.Sprintf("%s: %s could not be kept, for example of %s",
				filepath.Clean(t.top.Name()), t.lost, t.lostOf))
		}
	}
}

func (u *unpacking) report(h *tar.Header) {
	u.done.Files++
	if h.Typeflag == tar.TypeReg {
		u.done.Bytes += h.Size
	}
	u.env.Report(u.done)
}

// zeroRun is the length of zeros, at its own multiples, that become a hole.
const zeroRun = 32 << 10

// copySparse writes size bytes to an empty file and leaves holes where there
// are only zeros.
func copySparse(f *os.File, r io.Reader, size int64, buf []byte) error {
	var at int64
	for at < size {
		n, err := io.ReadFull(r, buf[:min(int64(len(buf)), size-at)])
		if err != nil {
			return err
		}
		for from := 0; from < n; {
			length, hole := nextRun(buf[from:n])
			if !hole {
				if _, err := f.WriteAt(buf[from:from+length], at+int64(from)); err != nil {
					return err
				}
			}
			from += length
		}
		at += int64(n)
	}
	return f.Truncate(size)
}

// nextRun is how far p begins with what is to be a hole, or with what is not.
func nextRun(p []byte) (length int, hole bool) {
	hole = isHole(p)
	length = min(zeroRun, len(p))
	for length < len(p) && isHole(p[length:]) == hole {
		length = min(length+zeroRun, len(p))
	}
	return length, hole
}

func isHole(p []byte) bool {
	if len(p) < zeroRun {
		return false
	}
	for _, b := range p[:zeroRun] {
		if b != 0 {
			return false
		}
	}
	return true
}
