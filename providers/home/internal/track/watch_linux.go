package track

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"bkp/internal/filemeta"
)

// maxNames bounds what is remembered between two calls of Take: some 200 MB.
// Who changes more than that walks everything just as fast.
const maxNames = 1 << 20

const mask = unix.FAN_CREATE | unix.FAN_DELETE | unix.FAN_MOVED_FROM | unix.FAN_MOVED_TO |
	unix.FAN_MODIFY | unix.FAN_ATTRIB | unix.FAN_CLOSE_WRITE | unix.FAN_ONDIR

// moved are the events after which a folder of that name may be another one.
const moved = unix.FAN_CREATE | unix.FAN_MOVED_TO

// Watch collects changes from Start on, until Close.
type Watch struct {
	roots []string
	// ids are the roots' devices and inodes.
	ids    []filemeta.ID
	mounts []mount
	fd     int
	// wake ends the reader's wait.
	wakeRead, wakeWrite int
	ended               chan struct{}

	mu sync.Mutex
	// seen has what changed since the last Take, and outside the folders that
	// lay below no root then. One that is moved below a root before the next Take
	// is reported by the folder it was moved into.
	seen    map[handleKey]Names
	outside map[handleKey]struct{}
	// missing are folders of seen that the last Take did not find. The next one
	// looks once more: a rename above may have hidden them.
	missing map[handleKey]bool
	// unnamed are files that were changed under no name: their number of names
	// did.
	unnamed map[handleKey]struct{}
	// names counts what is remembered; most is what may be.
	names, most int
	lost        error
}

// Start watches the folders at roots and all below, on whatever file systems
// they are. The caller closes the Watch. The error is an *UnfitError: nothing
// is watched then, and nothing is wrong with the folders.
func Start(roots []string) (*Watch, error) {
	w := &Watch{
		seen: map[handleKey]Names{}, outside: map[handleKey]struct{}{}, unnamed: map[handleKey]struct{}{},
		most: maxNames, ended: make(chan struct{}), fd: -1, wakeRead: -1, wakeWrite: -1,
	}
	for _, root := range roots {
		real, err := filepath.EvalSymlinks(root)
		if err == nil {
			real, err = filepath.Abs(real)
		}
		if err != nil {
			return nil, unfit("folder cannot be watched", err)
		}
		w.roots = append(w.roots, real)
	}
	var err error
	if w.ids, err = w.identify(); err != nil {
		return nil, unfit("folder cannot be watched", err)
	}
	if err := w.open(); err != nil {
		w.closeAll()
		return nil, err
	}
	go w.read()
	return w, nil
}

func (w *Watch) open() error {
	var err error
	w.fd, err = unix.FanotifyInit(unix.FAN_CLASS_NOTIF|unix.FAN_CLOEXEC|unix.FAN_NONBLOCK|unix.FAN_UNLIMITED_QUEUE|unix.FAN_REPORT_DFID_NAME|unix.FAN_REPORT_FID,
		unix.O_RDONLY|unix.O_LARGEFILE)
	switch {
	case errors.Is(err, unix.EPERM):
		return &UnfitError{Reason: "not root", Root: true}
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOSYS):
		return unfit("the kernel is older than 5.9", nil)
	case err != nil:
		return unfit("the kernel refuses to watch", err)
	}
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return unfit("no pipe", err)
	}
	w.wakeRead, w.wakeWrite = pipe[0], pipe[1]
	if w.mounts, err = findMounts(w.roots); err != nil {
		return err
	}
	for i := range w.mounts {
		if err := w.mounts[i].watch(w.fd); err != nil {
			return err
		}
	}
	return nil
}

// read empties the queue as it fills: it has no bound, and the kernel's memory
// has.
func (w *Watch) read() {
	defer close(w.ended)
	fds := []unix.PollFd{{Fd: int32(w.fd), Events: unix.POLLIN}, {Fd: int32(w.wakeRead), Events: unix.POLLIN}}
	buf := make([]byte, 256<<10)
	for {
		_, err := unix.Poll(fds, -1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			w.lose(unfit("the events cannot be read", err))
			return
		}
		if fds[1].Revents != 0 {
			return
		}
		if fds[0].Revents != 0 {
			w.mu.Lock()
			w.drain(buf)
			w.mu.Unlock()
		}
	}
}

// drain reads until the queue is empty. The kernel queues an event before the
// call that caused it returns, so that nothing of the past is missing then.
func (w *Watch) drain(buf []byte) {
	for w.lost == nil {
		n, err := unix.Read(w.fd, buf)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			return
		case err != nil:
			w.lost = unfit("the events cannot be read", err)
			return
		}
		if err := parse(buf[:n], w.note); err != nil {
			w.lost = unfit("the events cannot be read", err)
		}
	}
}

func (w *Watch) note(e event) {
	if e.mask&unix.FAN_Q_OVERFLOW != 0 {
		w.lost = unfit("the kernel's queue of events overflowed", nil)
		return
	}
	if e.dir == "" {
		if e.file != "" {
			w.unnamed[e.file] = struct{}{}
			w.count()
		}
		return
	}
	if _, out := w.outside[e.dir]; out {
		return
	}
	names, known := w.seen[e.dir]
	if !known {
		if !w.concerns(e.dir) {
			w.passOver(e.dir)
			return
		}
		names = Names{}
		w.seen[e.dir] = names
		w.count()
	}
	if e.name == "" {
		return
	}
	deep, known := names[e.name]
	if !known {
		w.count()
	}
	names[e.name] = deep || e.mask&moved != 0 && e.mask&unix.FAN_ONDIR != 0
}

func (w *Watch) count() {
	if w.names++; w.names > w.most {
		w.lost = unfit(fmt.Sprintf("more than %d changes", w.most), nil)
	}
}

// concerns reports whether a folder lies below a root now, or may: one that is not
// found is kept, for only a Take whose ground is at rest knows that it is gone.
func (w *Watch) concerns(dir handleKey) bool {
	below := false
	for i := range w.mounts {
		found, err := w.mounts[i].resolve(dir, func(int, string) { below = true })
		if err != nil {
			w.lost = unfit("a folder that changed cannot be found", err)
		}
		below = below || !found
	}
	return below
}

// passOver spares the next event of a folder the search for its place.
func (w *Watch) passOver(dir handleKey) {
	const most = 100_000
	if len(w.outside) >= most {
		clear(w.outside)
	}
	w.outside[dir] = struct{}{}
}

// identify returns what the roots' paths lead to.
func (w *Watch) identify() ([]filemeta.ID, error) {
	var out []filemeta.ID
	for _, path := range w.roots {
		m, err := filemeta.Stat(path)
		if err != nil {
			return nil, err
		}
		out = append(out, m.ID)
	}
	return out, nil
}

func (w *Watch) lose(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.lost == nil {
		w.lost = err
	}
}

// Take returns what changed since Start or the last Take, by root, and files
// that may have changed under a name that it does not report: they got or lost
// one. Those with several names may lie below no root. Whatever happened before
// Take was called is in it. An error means that something may be missing, and
// stays.
func (w *Watch) Take() ([]Changes, []filemeta.ID, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.drain(make([]byte, 256<<10))
	if w.lost == nil {
		w.lost = w.samePlace()
	}
	if w.lost != nil {
		return nil, nil, w.lost
	}
	out := make([]Changes, len(w.roots))
	for i := range out {
		out[i] = Changes{}
	}
	seen, missing := map[handleKey]Names{}, map[handleKey]bool{}
	for dir, names := range w.seen {
		for i := range w.mounts {
			found, err := w.mounts[i].resolve(dir, func(root int, rel string) { out[root].merge(rel, names) })
			if err != nil {
				w.lost = unfit("a folder that changed cannot be found", err)
				return nil, nil, w.lost
			}
			if !found && !w.missing[dir] {
				seen[dir], missing[dir] = names, true
			}
		}
	}
	files, err := w.unnamedFiles()
	if err != nil {
		w.lost = unfit("a file that changed cannot be found", err)
		return nil, nil, w.lost
	}
	w.seen, w.missing, w.unnamed, w.names = seen, missing, map[handleKey]struct{}{}, len(seen)
	// One that was moved below a root has been reported now, and lies there.
	clear(w.outside)
	return out, files, nil
}

// unnamedFiles are the files that changed under no name, still have one, and
// may have it below a root.
func (w *Watch) unnamedFiles() ([]filemeta.ID, error) {
	found := map[filemeta.ID]struct{}{}
	for file := range w.unnamed {
		for i := range w.mounts {
			id, ok, err := w.mounts[i].identify(file)
			if err != nil {
				return nil, err
			}
			if ok {
				found[id] = struct{}{}
			}
		}
	}
	return slices.Collect(maps.Keys(found)), nil
}

// samePlace refuses to go on when the roots' paths lead elsewhere, or when
// something was mounted or unmounted in them: what was written there meanwhile
// was not seen.
func (w *Watch) samePlace() error {
	ids, err := w.identify()
	if err != nil {
		return unfit("a folder is gone", err)
	}
	if !slices.Equal(ids, w.ids) {
		return unfit("a folder was replaced by another", nil)
	}
	now, err := findMounts(w.roots)
	if err != nil {
		return err
	}
	same := slices.EqualFunc(w.mounts, now, func(a, b mount) bool { return a.id == b.id && a.point == b.point })
	if !same {
		return unfit("something was mounted or unmounted in the folders", nil)
	}
	return nil
}

// Close ends the watch. It may be called twice.
func (w *Watch) Close() error {
	w.mu.Lock()
	closed := w.fd < 0
	w.mu.Unlock()
	if closed {
		return nil
	}
	_, err := unix.Write(w.wakeWrite, []byte{0})
	if err != nil {
		return err
	}
	<-w.ended
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lost = unfit("the watch has ended", nil)
	w.closeAll()
	return nil
}

func (w *Watch) closeAll() {
	for _, fd := range []*int{&w.fd, &w.wakeRead, &w.wakeWrite} {
		if *fd >= 0 {
			_ = unix.Close(*fd)
			*fd = -1
		}
	}
	for i := range w.mounts {
		w.mounts[i].close()
	}
	w.mounts = nil
}
