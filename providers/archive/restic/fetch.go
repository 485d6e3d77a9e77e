package restic

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"bkp/internal/filemeta"
	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/providers"
)

const fetchFailed = "backup cannot be unpacked"

// Fetch implements providers.Archiver. Everything comes from the repository itself and
// not from restic's cache: a restore on trial is to prove what is stored. restic compares each
// piece with its digest as it reads it.
func (a *archive) Fetch(ctx context.Context, b providers.BackupID, dir func(providers.Artifact) string) (providers.Manifest, error) {
	if _, err := providers.ParseBackupID(string(b)); err != nil {
		return providers.Manifest{}, err
	}
	all, err := a.snapshots(ctx, b, true)
	if err != nil {
		return providers.Manifest{}, err
	}
	d, err := a.load(ctx, b, all, true)
	if err != nil {
		return d.Manifest, err
	}
	gone := d.missing(all)
	m := d.Manifest
	u := &unpacking{archive: a}
	g, inGroup := errgroup.WithContext(ctx)
	g.SetLimit(a.atOnce())
	for i := range m.Artifacts {
		art := &m.Artifacts[i]
		part, ok := m.Stored[0].Copy(art.Address)
		if !ok {
			continue // it lies elsewhere
		}
		folder := dir(*art)
		if folder == "" {
			continue
		}
		art.Trees = providers.OneTree(folder)
		if slices.Contains(gone, art.Address) {
			g.Go(func() error { return a.incomplete(b, []string{art.Address}) })
			continue
		}
		g.Go(func() error { return u.unpack(inGroup, d.Trees[art.Address], part, folder) })
	}
	return m, u.end(ctx, b, g.Wait())
}

// end shows what could not be kept, or after an error removes what was written.
func (u *unpacking) end(ctx context.Context, b providers.BackupID, err error) error {
	if err == nil {
		u.warn()
		return nil
	}
	err = errors.Join(err, u.abandon())
	if ctx.Err() != nil || errors.Is(err, providers.ErrNoPath) {
		return err
	}
	remedy := "see what is damaged:\n\n    bkp verify " + string(b) + "\n"
	if host.IsFull(err) {
		remedy = "free some space where the backup is unpacked, or restore to a larger disk; the backup itself is not to blame"
	}
	return problem.Wrapf(err, fetchFailed, remedy, "%s", b)
}

// unpacking is one Fetch: what was written so far.
type unpacking struct {
	archive *archive

	mu      sync.Mutex
	started []string
	made    []string // folders that did not exist
	lost    []string
}

// begin takes a folder that is empty, and makes it if need be.
func (u *unpacking) begin(folder string) error {
	info, err := os.Lstat(folder)
	made := errors.Is(err, fs.ErrNotExist)
	switch {
	case made:
		err = os.MkdirAll(folder, 0o700)
	case err == nil && !info.IsDir():
		err = problem.New("folder is a symbolic link", folder, "choose another folder")
	}
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	if len(entries) > 0 {
		return problem.New("folder is not empty", fmt.Sprintf("%s holds %s", folder, entries[0].Name()), "choose an empty folder")
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.started = append(u.started, folder)
	if made {
		u.made = append(u.made, folder)
	}
	return nil
}

// unpack restores the trees of a part, each to its place, and looks whether all of it
// is there.
func (u *unpacking) unpack(ctx context.Context, trees []tree, part providers.Part, folder string) error {
	if err := u.begin(folder); err != nil {
		return err
	}
	c := newComparison(nil, nil)
	for _, t := range trees {
		to := filepath.Join(folder, filepath.FromSlash(t.Place))
		if err := os.MkdirAll(to, 0o700); err != nil {
			return err
		}
		if !t.Empty {
			if err := u.archive.run(ctx, call{args: []string{"restore", t.Snapshot, "--target", to, "--sparse", "--quiet"}, uncached: true}); err != nil {
				return err
			}
		}
		if err := u.root(to, t.Root); err != nil {
			return err
		}
		counting := &comparing{comparison: c, dir: to, hidden: providers.Rules{}.Matcher(), stored: &nodes{differs: errUncompared}}
		if err := counting.all(ctx); err != nil {
			return err
		}
	}
	if c.files != part.Files || c.bytes != part.Bytes {
		return problem.New(fetchFailed, fmt.Sprintf("%s has %d entries with %d bytes, and was stored with %d with %d", folder, c.files, c.bytes, part.Files, part.Bytes), restoreOther)
	}
	return nil
}

// root gives a folder what it carried.
func (u *unpacking) root(folder string, r root) error {
	f, err := os.Open(folder)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	lost, err := filemeta.Apply(f, r.meta())
	if lost != 0 {
		u.mu.Lock()
		defer u.mu.Unlock()
		u.lost = append(u.lost, fmt.Sprintf("%s of %s", lost, folder))
	}
	return err
}

// warn shows the operator what could not be kept.
func (u *unpacking) warn() {
	if len(u.lost) > 0 {
		u.archive.env.Warning(strings.Join(u.lost, ", ") + " could not be kept")
	}
}

// abandon removes what was written.
func (u *unpacking) abandon() error {
	var failed error
	for _, folder := range u.started {
		failed = errors.Join(failed, empty(folder))
	}
	for _, folder := range u.made {
		failed = errors.Join(failed, os.Remove(folder))
	}
	return failed
}

// empty removes all that is in a folder, also what was restored without the right to
// write to it.
func empty(folder string) error {
	if err := os.Chmod(folder, 0o700); err != nil { //nolint:gosec // a folder, about to be emptied
		return err
	}
	_ = filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.IsDir() {
			_ = os.Chmod(path, 0o700) //nolint:gosec // a folder, about to be removed
		}
		return nil
	})
	entries, err := os.ReadDir(folder)
	for _, e := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(folder, e.Name())))
	}
	return err
}
