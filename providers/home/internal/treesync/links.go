package treesync

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"sync"

	"bkp/internal/filemeta"
)

// links collects the names of hard-linked files. They are copied once
// the walk is done and all names are known. It takes memory for every such
// name, but Bitbucket's homes have few.
type links struct {
	mu    sync.Mutex
	files map[filemeta.ID]*linked
}

// linked is one file with several names.
type linked struct {
	names   []linkName
	changed bool
}

type linkName struct {
	rel   string
	entry entry
	// old is what the copy has; nil if nothing.
	old *entry
}

func (n *linkName) unchanged() bool { return n.old != nil && !n.old.racy && n.old.same(&n.entry) }

func (l *links) add(f *folder, e entry, old *entry) {
	n := linkName{rel: f.path(e.name), entry: e}
	if old != nil {
		kept := *old
		// The text of a whole folder must not stay in memory for one name.
		kept.name = strings.Clone(kept.name)
		n.old = &kept
	}
	n.entry.name = strings.Clone(e.name)
	id := filemeta.ID{Dev: e.dev, Ino: e.ino}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.files == nil {
		l.files = map[filemeta.ID]*linked{}
	}
	g := l.files[id]
	if g == nil {
		g = &linked{}
		l.files[id] = g
	}
	g.names = append(g.names, n)
	g.changed = g.changed || !n.unchanged()
}

// link makes the hard-linked files of the copy what they are in the source.
func (p *pass) link() error {
	for _, g := range p.links.files {
		if !g.changed {
			continue
		}
		if p.ctx.Err() != nil {
			return context.Cause(p.ctx)
		}
		if err := p.linkGroup(g); err != nil {
			return err
		}
	}
	return nil
}

// forgetLinks takes back what the index says of folders whose links may not
// have been made.
func (p *pass) forgetLinks() {
	for _, g := range p.links.files {
		if g.changed {
			for _, n := range g.names {
				p.next.drop(dirOf(n.rel))
			}
		}
	}
}

func (p *pass) linkGroup(g *linked) error {
	// A name that stayed as it was has the content already.
	slices.SortFunc(g.names, func(a, b linkName) int {
		if a.unchanged() != b.unchanged() {
			if a.unchanged() {
				return -1
			}
			return 1
		}
		return strings.Compare(a.rel, b.rel)
	})
	var leader *folder
	var leaderName string
	var led *entry // the leader's
	defer func() {
		if leader != nil {
			leader.release()
		}
	}()
	for i := range g.names {
		n := &g.names[i]
		f, err := p.reopen(dirOf(n.rel))
		if err != nil {
			if err := p.vanished(dirOf(n.rel), err); err != nil {
				return err
			}
			continue
		}
		ok := true
		switch {
		case leader != nil:
			err = p.linkName(leader, leaderName, f, n)
		case !n.unchanged():
			ok, err = p.update(p.workers[0], f, &n.entry, n.old)
		}
		if err == nil {
			var lost filemeta.Loss
			lost, err = f.applyMeta()
			p.lose(lost)
		}
		if !ok {
			p.next.drop(dirOf(n.rel)) // the folder's entries list a name that is not there
		}
		if leader == nil && ok && err == nil {
			leader, leaderName, led = f, n.entry.name, &n.entry
		} else {
			f.release()
		}
		if err != nil {
			return p.vanishedCopy(n.rel, err)
		}
	}
	p.sumLinks(g, led)
	return nil
}

func (p *pass) linkName(leader *folder, name string, f *folder, n *linkName) error {
	from, err := leader.copyDir()
	if err != nil {
		return err
	}
	dir, temp, err := p.tempIn(f)
	if err != nil {
		return err
	}
	if err := p.fault("link", n.rel); err != nil {
		return err
	}
	for {
		err = linkAt(int(from.Fd()), name, int(dir.Fd()), temp)
		if !errors.Is(err, fs.ErrExist) {
			break
		}
		temp = tempName(p.temp.Add(1))
	}
	if err != nil {
		return err
	}
	err = p.rename(dir, f, temp, n.entry.name)
	// Between two names of one file rename does nothing, and the first stays.
	_ = unlinkAt(int(dir.Fd()), temp)
	return err
}

// reopen opens a folder of both trees by its path, following no link.
func (p *pass) reopen(rel string) (*folder, error) {
	f := &folder{rel: rel}
	f.refs.Store(1)
	top, err := os.Open(p.Source)
	if err != nil {
		return nil, err
	}
	src, err := openBelow(top, rel)
	if err != nil {
		return nil, err
	}
	f.src, f.srcN = src, int(src.Fd())
	st, err := statEntry(f.srcN, ".")
	if err == nil {
		f.meta = st
		top, err = openFolderAt(p.above(), p.Copy)
	}
	if err == nil {
		f.dst, err = openBelow(top, rel)
	}
	if err != nil {
		f.release()
		return nil, err
	}
	return f, nil
}

// openBelow opens a folder below f, which it closes or returns.
func openBelow(f *os.File, rel string) (*os.File, error) {
	if rel == "" {
		return f, nil
	}
	for name := range strings.SplitSeq(rel, "/") {
		next, err := openFolderAt(int(f.Fd()), name)
		_ = f.Close()
		if err != nil {
			return nil, err
		}
		f = next
	}
	return f, nil
}

// dirOf is path.Dir with "" for the root.
func dirOf(rel string) string {
	if d := path.Dir(rel); d != "." {
		return d
	}
	return ""
}
