package home

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"time"

	"bkp/internal/filemeta"
	"bkp/providers"
	"bkp/providers/home/internal/track"
	"bkp/providers/home/internal/treesync"
)

// Tracker reports, in the parts of a home that can be trusted to it, what changed
// since it was asked last. Those are the repositories and the data stores: git
// writes them, which never writes through mmap, and which renames what takes
// long to write into its place. All else is walked. Its zero value tracks
// nothing.
type Tracker struct {
	watch *track.Watch
	roots []trackedRoot
	// why is the reason why nothing is tracked; onUntracked receives it.
	why         error
	onUntracked func(why error)
	// syncCopy brings to the disk what the first pass wrote.
	syncCopy func()
	// taken is when Take was last called, took how long the live pass after it
	// took, and change what Take reported under the lock.
	taken  time.Time
	took   time.Duration
	change *providers.Change
}

// trackedRoot is a folder of a part below which changes are known.
type trackedRoot struct {
	part int
	rel  string
}

// trusted is the folder of a home whose changes a tracker is believed about.
const trusted = "shared/data/repositories"

// trackable are the folders to watch.
func (b *Base) trackable() (roots []trackedRoot, paths []string) {
	for i, p := range b.Parts() {
		rel := ""
		if p.Name == "home" {
			rel = b.Config.layout().repositories
		}
		dir := filepath.Join(p.Source, filepath.FromSlash(rel))
		if fi, err := os.Stat(dir); err == nil && fi.IsDir() && plain(p.Source, rel) {
			roots, paths = append(roots, trackedRoot{i, rel}), append(paths, dir)
		}
	}
	return roots, paths
}

// plain reports whether no folder on the way is a symbolic link, which a walk
// does not follow.
func plain(root, rel string) bool {
	for ; rel != "." && rel != ""; rel = path.Dir(rel) {
		fi, err := os.Lstat(filepath.Join(root, filepath.FromSlash(rel)))
		if err != nil || !fi.IsDir() {
			return false
		}
	}
	return true
}

// errNotBegun is about a tracker that was made without Track.
var errNotBegun = errors.New("nothing was watched before the lock")

// errNothingToTrack is about a home without repositories.
var errNothingToTrack = errors.New("there are no repositories")

// Track begins to watch. Whatever changes from now on is reported by the first
// Take, and after it by the next. It never fails: Why says if nothing is
// tracked. The caller closes the tracker.
func (b *Base) Track() *Tracker {
	t := &Tracker{onUntracked: b.untracked, syncCopy: b.syncCopy}
	var paths []string
	t.roots, paths = b.trackable()
	if len(paths) == 0 {
		t.why = errNothingToTrack
		return t
	}
	t.watch, t.why = track.Start(paths)
	return t
}

// Take returns what changed, by the number of the part; a part without an
// entry is to be walked. An error means that all of them are, from now on.
func (t *Tracker) Take() (map[int]treesync.Changes, error) {
	if t.why == nil && t.watch == nil {
		t.why = errNotBegun
	}
	if t.why != nil {
		return nil, t.why
	}
	t.taken = time.Now()
	seen, files, err := t.watch.Take()
	if err != nil {
		t.why = err
		return nil, err
	}
	out := map[int]treesync.Changes{}
	for i, root := range t.roots {
		out[root.part] = changesBelow(root.rel, seen[i], files)
	}
	return out, nil
}

func changesBelow(rel string, seen track.Changes, files []filemeta.ID) treesync.Changes {
	c := treesync.Changes{Roots: []string{rel}, Folders: make(map[string]map[string]bool, len(seen)), Files: files}
	for folder, names := range seen {
		c.Folders[path.Join(rel, folder)] = names
	}
	return c
}

func (t *Tracker) tracks() bool { return t.why == nil && t.watch != nil }

// Change is what the pass under the lock received; nil if nothing was
// tracked. Bytes are not known here.
func (t *Tracker) Change() *providers.Change { return t.change }

// Close ends the watch. It may be called twice.
func (t *Tracker) Close() error {
	if t.watch == nil {
		return nil
	}
	return t.watch.Close()
}

// syncCopy brings the working copy to the disk, so that no record that is synced
// under the lock waits for it. That it could not is found out by who needs it.
func (b *Base) syncCopy() { _ = treesync.SyncTree(b.CopyDir()) }

// untracked notes why everything is walked. It stands in the plan too, where it
// was known before.
func (b *Base) untracked(why error) {
	if b.Env.Log != nil {
		_, _ = fmt.Fprintf(b.Env.Log, "%s: every file is checked again: %v\n", b.Env.Address, why)
	}
}

// DescribeTracking says in the plan what the pass under the lock looks at, and
// what would make it shorter.
func (b *Base) DescribeTracking(r *providers.Report) {
	t := b.Track()
	defer func() { _ = t.Close() }()
	var unfit *track.UnfitError
	switch {
	case t.why == nil:
		r.Does[providers.Capture] = "copy files changed since the live pass (tracked with fanotify)"
	case errors.As(t.why, &unfit) && unfit.Root:
		r.Does[providers.Capture] = "check every file, and copy those changed since the live pass; as root, bkp would track changes and check only those"
	case errors.Is(t.why, errNothingToTrack):
		r.Does[providers.Capture] = "copy files changed since the live pass"
	default:
		r.Does[providers.Capture] = "check every file, and copy those changed since the live pass; changes are not tracked: " + t.why.Error()
	}
	b.describeFar(r)
}
