package tar

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sync/errgroup"

	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/archive/internal/shelf"
	"bkp/providers/archive/internal/target"
	"bkp/providers/archive/place"
)

const fetchFailed = "backup cannot be unpacked"

// Fetch implements providers.Archiver. Parts that are wanted are read several at a
// time.
func (a *archive) Fetch(ctx context.Context, b providers.BackupID, dir func(providers.Artifact) string) (providers.Manifest, error) {
	m, err := a.shelf().Load(ctx, b)
	if err != nil {
		return m, err
	}
	if err := a.decrypts(ctx, m); err != nil {
		return m, err
	}
	there, err := a.place.List(ctx, b)
	if err != nil {
		return m, err
	}
	u := &unpacking{archive: a, manifest: m, done: shelf.NewProgress(a.env)}
	var all []func(context.Context) error
	for i := range m.Artifacts {
		art := &m.Artifacts[i]
		part, ok := m.Stored[0].Copy(art.Address)
		if !ok {
			continue // it lies elsewhere
		}
		if folder := dir(*art); folder != "" {
			if p := a.lacks(m, art.Address, there); p != nil {
				return m, u.end(ctx, p) // before anything is written
			}
			art.Trees = providers.OneTree(folder)
			u.done.Expect(part)
			all = append(all, func(ctx context.Context) error { return u.unpack(ctx, art.Address, folder) })
		}
	}
	g, inGroup := errgroup.WithContext(ctx)
	g.SetLimit(a.atOnce())
	for _, unpack := range all {
		g.Go(func() error { return unpack(inGroup) })
	}
	return m, u.end(ctx, g.Wait())
}

// end closes what was unpacked, or after an error removes it.
func (u *unpacking) end(ctx context.Context, err error) error {
	if err == nil {
		u.warn()
		return u.close()
	}
	err = errors.Join(err, u.abandon())
	if ctx.Err() != nil || errors.Is(err, place.ErrUnavailable) || errors.Is(err, providers.ErrNoPath) {
		return err
	}
	remedy := "see what is damaged:\n\n    bkp verify " + string(u.manifest.ID) + "\n"
	if host.IsFull(err) {
		remedy = "free some space where the backup is unpacked, or restore to a larger disk; the backup itself is not to blame"
	}
	return problem.Wrapf(err, fetchFailed, remedy, "%s", u.manifest.ID)
}

// unpacking is one Fetch: what was written so far.
type unpacking struct {
	archive  *archive
	manifest providers.Manifest
	done     *shelf.Progress

	mu      sync.Mutex
	started []*tree
	made    []string // folders that did not exist
}

// unpack reads a part once: its digests are known when its last byte is. What was
// written until then lies in a folder of the restore's own, and is removed if they are
// not those that it was written with.
func (u *unpacking) unpack(ctx context.Context, address, folder string) error {
	t, err := u.begin(folder)
	if err != nil {
		return err
	}
	return u.read(ctx, address, t)
}

// begin opens the folder that a part goes into, and makes it if need be.
func (u *unpacking) begin(folder string) (*tree, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if _, err := os.Lstat(folder); errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return nil, err
		}
		u.made = append(u.made, folder)
	}
	root, err := target.Open(folder)
	if err != nil {
		return nil, err
	}
	t := &tree{top: root, owners: newOwners(), done: u.done}
	u.started = append(u.started, t)
	return t, nil
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

// warn shows the operator once what could not be kept.
func (u *unpacking) warn() {
	for _, t := range u.started {
		if t.lost != 0 {
			u.archive.env.Warning(fmt.Sprintf("%s: %s could not be kept, for example of %s",
				filepath.Clean(t.top.Name()), t.lost, t.lostOf))
		}
	}
}

// zeroRun is the length of zeros, at its own multiples, that become a hole.
const zeroRun = 32 << 10

// copySparse writes size bytes to an empty file and leaves holes where there
// are only zeros.
func copySparse(f *os.File, r io.Reader, size int64, buf []byte) error {
	var at, written int64
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
				written = at + int64(from+length)
			}
			from += length
		}
		at += int64(n)
	}
	if written == size {
		return nil
	}
	return f.Truncate(size) // it ends in a hole
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
