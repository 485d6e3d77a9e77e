package treesync

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"bkp/internal/filemeta"
	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/providers"
)

// pass is one run of Sync.
type pass struct {
	Options
	ctx     context.Context //nolint:containedctx // a pass is one call of Sync, and ends with it
	old     *index
	next    *indexWriter
	workers []*worker
	asker   asker
	links   links
	sums    sums
	temp    atomic.Uint64
	noClone atomic.Bool
	// tracked says where nothing changed, to a pass that need not walk it.
	tracked *tracked

	files, bytes             atomic.Int64
	copiedFiles, copiedBytes atomic.Int64
	deleted, sockets         atomic.Int64
	lost                     atomic.Uint32
}

// worker is what one goroutine reuses from folder to folder.
type worker struct {
	source, copy listing
	old, entries []entry
	// looked are the entries of a folder on another machine.
	looked []looked
	// merged are the entries of a folder, if only some were looked at.
	merged  []entry
	encoded []byte
	a, b    []byte
}

// openRoots opens source and copy. The root of the source may be reached
// through a symbolic link: that is the operator's own choice.
func openRoots(o Options) (*folder, error) {
	src, err := os.Open(o.Source)
	if err != nil {
		return nil, unreadable(o.Source, err)
	}
	f := &folder{src: src, srcN: int(src.Fd()), changed: true, meta: entry{mode: 0o700}}
	f.refs.Store(1)
	if f.settle(); f.far {
		// The listing is right once the attributes of the folder are.
		if _, err := f.stat("."); err != nil {
			f.release()
			return nil, unreadable(o.Source, err)
		}
	}
	if err = mkdirAt(o.above(), o.Copy); err == nil {
		f.fresh = true
	} else if errors.Is(err, fs.ErrExist) {
		err = nil
	}
	if err == nil {
		f.dst, err = openFolderAt(o.above(), o.Copy)
	}
	if err != nil {
		f.release()
		return nil, problem.Wrapf(err, "copy cannot be opened", "check the folder and its owner", "%s", o.copyName(""))
	}
	return f, nil
}

// above is what Copy is relative to.
func (o Options) above() int {
	if o.In != nil {
		return int(o.In.Fd())
	}
	return here
}

// copyName names the copy, or what lies below it, in a message.
func (o Options) copyName(rel string) string {
	if o.In != nil {
		return filepath.Join(o.In.Name(), o.Copy, rel)
	}
	return filepath.Join(o.Copy, rel)
}

// forget removes the index for good, so that not even a power cut brings it
// back after the copy has changed.
func forget(path string) error {
	if path == "" {
		return nil
	}
	err := removeOpen(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return host.SyncDir(filepath.Dir(path))
}

// visit brings one folder up to date and hands on the folders in it.
func (p *pass) visit(q *pool[*folder], n int, f *folder) error {
	defer f.release()
	w := p.workers[n]
	if f.src == nil {
		if err := p.open(f); err != nil {
			return p.vanished(f.rel, err)
		}
	}
	if f.far {
		q.grow(len(p.workers))
	}
	if k, ok := p.trusts(w, f); ok {
		return p.visitTracked(q, w, f, k)
	}
	names, err := p.list(&w.source, f.src, f.rel)
	if err != nil {
		return p.vanished(f.rel, err)
	}
	known, err := p.knownEntries(w, f)
	if err != nil {
		return err
	}
	p.uncount(known.entries)
	found, err := p.merge(w, f, names, known)
	return p.finishFolder(q, w, f, w.entries, found, err)
}

// finishFolder finishes a folder whose entries are up to date, remembers them, and
// hands on the folders among them.
func (p *pass) finishFolder(q *pool[*folder], w *worker, f *folder, entries []entry, found []sub, err error) error {
	if err != nil {
		p.next.drop(f.rel) // what the last pass knew of it may not hold any more
		return err
	}
	subs := p.subfolders(f, found)
	lost, err := f.applyMeta()
	if err == nil {
		err = p.fault("finish folder", f.rel)
	}
	p.lose(lost)
	if err != nil {
		p.next.drop(f.rel)
		for _, s := range subs {
			s.release()
		}
		return p.vanishedCopy(f.rel, err)
	}
	w.encoded = p.next.add(f.rel, entries, w.encoded)
	for _, s := range subs {
		q.push(s)
	}
	p.report()
	return nil
}

func (p *pass) open(f *folder) error {
	if err := p.fault("opendir", f.rel); err != nil {
		return err
	}
	return f.openSource()
}

func (p *pass) list(l *listing, dir *os.File, rel string) ([]string, error) {
	if err := p.fault("readdir", rel); err != nil {
		return nil, err
	}
	return l.read(int(dir.Fd()))
}

// known is what the copy holds of a folder, as far as it is known without
// looking: entries from the index, or names alone, which show nothing but that
// something is there.
type known struct {
	entries []entry
	names   []string
	// sure: entries is all there is in the copy.
	sure bool
}

func (p *pass) knownEntries(w *worker, f *folder) (known, error) {
	if f.fresh {
		return known{sure: true}, nil
	}
	if p.old != nil {
		entries, ok := p.old.folder(f.rel, w.old)
		w.old = entries
		if ok {
			return known{entries: entries, sure: true}, nil
		}
	}
	// An interrupted pass may not have come to its mode and times either.
	f.changed = true
	dst, err := f.copyDir()
	if err != nil {
		return known{}, p.copyError(f.rel, err)
	}
	names, err := p.list(&w.copy, dst, f.rel)
	if err != nil {
		return known{}, p.copyError(f.rel, err)
	}
	// A descriptor remembers how far it was read.
	if _, err := dst.Seek(0, 0); err != nil {
		return known{}, p.copyError(f.rel, err)
	}
	return known{names: names}, nil
}

// subfolders makes a task of every folder among w's entries.
func (p *pass) subfolders(f *folder, found []sub) []*folder {
	out := make([]*folder, 0, len(found))
	for _, s := range found {
		rel := f.path(s.entry.name)
		deep := f.deep || s.deep || s.fresh
		if !deep && !s.changed && p.unchanged(rel) {
			continue
		}
		child := &folder{parent: f.retain(), name: s.entry.name, rel: rel, meta: s.entry, fresh: s.fresh, changed: s.changed, deep: deep}
		child.refs.Store(1)
		out = append(out, child)
	}
	return out
}

// sub is a folder found in a folder.
type sub struct {
	entry          entry
	fresh, changed bool
	// deep: it may be another folder than the index knows under its name.
	deep bool
}

func (p *pass) fault(op, path string) error {
	if p.Fault == nil {
		return nil
	}
	return p.Fault(op, path)
}

func (p *pass) lose(l filemeta.Loss) {
	if l != 0 {
		p.lost.Or(uint32(l))
	}
}

func (p *pass) report() {
	if p.Progress != nil {
		p.Progress(p.files.Load(), p.bytes.Load())
	}
}

// vanished judges an error of the source: while users write, what is gone is
// no matter, and the next pass cleans up after it.
func (p *pass) vanished(rel string, err error) error {
	if err == nil {
		return nil
	}
	if gone(err) {
		if p.strict(rel) {
			return changedUnderLock(p.full(rel), "it vanished")
		}
		p.next.drop(rel)
		return nil
	}
	return unreadable(p.full(rel), err)
}

// strict reports whether a change of rel under the eyes of the pass is an error.
func (p *pass) strict(rel string) bool {
	top, _, _ := strings.Cut(rel, "/")
	return p.Strict && !slices.Contains(p.Volatile, top)
}

// vanishedCopy judges an error that may be the source's or the copy's.
func (p *pass) vanishedCopy(rel string, err error) error {
	var known *problem.Problem
	if errors.As(err, &known) {
		return err
	}
	return p.copyError(rel, err)
}

func (p *pass) copyError(rel string, err error) error {
	if p.ctx.Err() != nil {
		return context.Cause(p.ctx)
	}
	remedy := "check the folder of the copy and its owner"
	if isFull(err) {
		remedy = "make room on the file system of the copy"
	}
	return problem.Wrapf(err, "copy cannot be written", remedy, "%s", p.copyName(rel))
}

func (p *pass) full(rel string) string { return filepath.Join(p.Source, rel) }

func unreadable(path string, err error) error {
	return problem.Wrapf(err, "file cannot be read", "run bkp as the user that Bitbucket runs as, or as root", "%q", path)
}

func changedUnderLock(path, how string) error {
	return problem.New("file changed under the lock",
		fmt.Sprintf("%q: %s while the instance was locked", path, how),
		"find out what writes to the home besides Bitbucket, and leave it out or stop it during the backup")
}

func (p *pass) result() Result {
	return Result{
		Total:   providers.Estimate{Files: p.files.Load(), Bytes: p.bytes.Load()},
		Copied:  providers.Estimate{Files: p.copiedFiles.Load(), Bytes: p.copiedBytes.Load()},
		Deleted: p.deleted.Load(), Sockets: p.sockets.Load(),
		Lost: filemeta.Loss(p.lost.Load()),
	}
}
