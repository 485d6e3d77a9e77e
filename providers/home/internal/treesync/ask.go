package treesync

import (
	"context"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// farRequests is how many requests about files of another machine are under way at
// a time, from a pass or a look at one tree: their time is that of the way there and back. A
// session of NFS 4.1 has 64 slots, unless max_session_slots of the module nfs says
// otherwise.
const farRequests = 64

// looked is what a stat saw of an entry, and when it was asked for.
type looked struct {
	entry entry
	err   error
	at    time.Time
}

// asker stats all entries of a folder, many at a time, whatever folders are asked
// about meanwhile. Its zero value is of no use.
type asker struct {
	slots chan struct{}
	now   func() time.Time
}

func newAsker(now func() time.Time) asker {
	return asker{slots: make(chan struct{}, farRequests), now: now}
}

// all asks stat for every name, in place of what buf holds.
func (a asker) all(ctx context.Context, buf []looked, names []string, stat func(name string) (entry, error)) []looked {
	buf = slices.Grow(buf[:0], len(names))[:len(names)]
	var next atomic.Int64
	one := func() {
		for i := next.Add(1) - 1; i < int64(len(names)); i = next.Add(1) - 1 {
			buf[i] = a.one(ctx, names[i], stat)
		}
	}
	var others sync.WaitGroup
	for range min(len(names), farRequests) - 1 {
		others.Go(one)
	}
	one()
	others.Wait()
	return buf
}

func (a asker) one(ctx context.Context, name string, stat func(name string) (entry, error)) looked {
	a.slots <- struct{}{}
	defer func() { <-a.slots }()
	if ctx.Err() != nil {
		return looked{err: context.Cause(ctx)}
	}
	at := a.now()
	e, err := stat(name)
	return looked{entry: e, err: err, at: at}
}

// settle notes where an open folder lies. For up to a minute the kernel answers from
// memory about files of another machine, also after somebody else has changed them
// there (nfs(5), "data and metadata coherence"), so that machine has to be asked.
func (f *folder) settle() {
	if f.parent != nil && f.meta.dev == f.parent.meta.dev {
		f.far = f.parent.far
		return
	}
	f.far = isFar(f.src)
}

// Refresh asks for the attributes of every entry of a tree on another machine, many at
// a time, and so makes the kernel forget what it remembers of them: who walks the tree
// next, such as rsync, sees it as it is. What vanishes meanwhile does not count, nor
// what this user may not read; of anything else the kernel would go on to believe its
// memory, so that it is an error.
func Refresh(ctx context.Context, root string, exclude Exclude) error {
	src, err := os.Open(root)
	if err != nil {
		return unreadable(root, err)
	}
	l := looker{root: root, exclude: exclude, fresh: true, asker: newAsker(time.Now)}
	if err := l.walk(ctx, src, farRequests); err != nil {
		return err
	}
	return l.unasked
}
