package tree

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"time"

	"bkp/internal/filemeta"
	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/internal/reflink"
	"bkp/providers"
	"bkp/providers/archive/internal/compare"
)

const (
	// chunkSize is how much is read at once.
	chunkSize = 256 << 10
	// tick is the longest that two changes of a file may follow each other and have
	// the same time: a file that young is looked at once more after it was copied.
	tick = 20 * time.Millisecond

	treeChanged = "file changed while it was archived"
	treeRemedy  = "let nothing write below the working copy, and run the backup again"

	notShared       = "file cannot share its blocks"
	notSharedRemedy = "let the destination lie on the file system of the working copy, XFS or btrfs (with bkp copy: of the --scratch folder); or say copy = true, and every backup takes its full size"
)

// madeError is an error of what is made, and none of what is read.
type madeError struct{ error }

// Unwrap returns the cause.
func (e *madeError) Unwrap() error { return e.error }

// read reads one entry, and makes it again unless that is for finish to do.
func (r *reading) read(ctx context.Context, it *item) error {
	switch {
	case it.left != nil || it.first != nil:
		return nil
	case it.base == ".":
		dir, err := it.in.src.Open(".")
		if err != nil {
			return err
		}
		defer func() { _ = dir.Close() }()
		it.meta, err = filemeta.ReadFile(dir)
		return err
	}
	it.meta = filemeta.FromInfo(it.seen)
	if it.meta.Mode.IsRegular() {
		return r.file(ctx, it)
	}
	if it.meta.Mode&fs.ModeSymlink != 0 {
		var err error
		if it.link, err = it.in.src.Readlink(it.base); err != nil {
			return vanished(it.path(), err)
		}
		it.sum64 = providers.Sum([]byte(it.link))
	}
	if it.in.dst == nil {
		return nil
	}
	if err := r.special(it); err != nil {
		return &madeError{err}
	}
	return nil
}

// special makes what is neither file nor folder.
func (r *reading) special(it *item) error {
	if it.meta.Mode&fs.ModeDevice != 0 && r.skipDevices {
		r.lose(it.name, filemeta.LostDevices)
		return nil
	}
	dir, err := it.in.dst.Open(".")
	if err != nil {
		return err
	}
	defer func() { _ = dir.Close() }()
	if it.meta.Mode&fs.ModeSymlink != 0 {
		err = it.in.dst.Symlink(it.link, it.base)
	} else {
		err = filemeta.MakeSpecialAt(dir, it.base, it.meta)
	}
	if err != nil {
		return err
	}
	lost, err := filemeta.ApplyAt(dir, it.base, it.meta)
	r.lose(it.name, lost)
	return err
}

// file reads a regular file, or makes it again and reads that.
func (r *reading) file(ctx context.Context, it *item) error {
	src, err := it.in.src.OpenFile(it.base, os.O_RDONLY|host.NonBlock, 0)
	if err != nil {
		return vanished(it.path(), err)
	}
	defer func() { _ = src.Close() }()
	if it.meta, err = filemeta.ReadFile(src); err != nil {
		return err
	}
	if !it.meta.Mode.IsRegular() || it.meta.ID != filemeta.FromInfo(it.seen).ID {
		return changed(it.path(), "another file took its place")
	}
	if r.fault != nil {
		if err := r.fault(it.name); err != nil {
			return err
		}
	}
	if it.holes, err = holes(src, it.meta); err != nil {
		return err
	}
	if it.in.dst == nil {
		err = r.digest(ctx, it, src, io.Discard)
	} else {
		err = r.again(ctx, it, src)
	}
	if err != nil {
		return err
	}
	return still(it, src)
}

// again makes the file again.
func (r *reading) again(ctx context.Context, it *item, src *os.File) error {
	dst, err := it.in.dst.OpenFile(it.base, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return &madeError{err}
	}
	err = r.content(ctx, it, src, dst)
	if err == nil {
		var lost filemeta.Loss
		lost, err = filemeta.Apply(dst, it.meta)
		r.lose(it.name, lost)
		if err != nil {
			err = &madeError{err}
		}
	}
	if e := dst.Close(); err == nil && e != nil {
		err = &madeError{e}
	}
	return err
}

// content shares the blocks of a file, and reads what it got: the digest is that of
// what is kept, no matter who writes to the source meanwhile. What is copied is read while
// it is copied.
func (r *reading) content(ctx context.Context, it *item, src, dst *os.File) error {
	err := reflink.Clone(dst, src)
	if err == nil {
		return r.digest(ctx, it, dst, io.Discard)
	}
	if !errors.Is(err, reflink.ErrImpossible) {
		return err
	}
	if !r.copies {
		return &madeError{problem.Wrapf(err, notShared, notSharedRemedy, "%s", it.path())}
	}
	if err := r.copyDense(ctx, it, src, dst); err != nil {
		return err
	}
	return settled(ctx, it.meta)
}

// copyDense copies what is no hole, and reads all of it.
func (r *reading) copyDense(ctx context.Context, it *item, src, dst *os.File) error {
	ranges, err := filemeta.DataRanges(src, it.meta.Size)
	if err != nil {
		return err
	}
	if err := dst.Truncate(it.meta.Size); err != nil {
		return &madeError{err}
	}
	return r.digest(ctx, it, src, &sparse{dst: dst, ranges: ranges})
}

// sparse writes what comes to its place, except for holes.
type sparse struct {
	dst    *os.File
	ranges []filemeta.Range
	at     int64
}

func (s *sparse) Write(p []byte) (int, error) {
	from, to := s.at, s.at+int64(len(p))
	s.at = to
	for len(s.ranges) > 0 && s.ranges[0].Offset < to {
		r := s.ranges[0]
		begin, end := max(r.Offset, from), min(r.Offset+r.Length, to)
		if begin < end {
			if _, err := s.dst.WriteAt(p[begin-from:end-from], begin); err != nil {
				return 0, &madeError{err}
			}
		}
		if r.Offset+r.Length > to {
			break
		}
		s.ranges = s.ranges[1:]
	}
	return len(p), nil
}

// digest reads a file from its beginning to its end, and passes it on.
func (r *reading) digest(ctx context.Context, it *item, f *os.File, also io.Writer) error {
	strong, quick := sha256.New(), providers.NewSummer()
	sums := []hash.Hash{strong}
	if r.compare != nil {
		sums = append(sums, quick)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	buf := make([]byte, min(chunkSize, it.meta.Size+1)) // one more betrays a file that grows
	var size int64
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		n, err := f.Read(buf)
		for _, s := range sums {
			_, _ = s.Write(buf[:n]) // a hash never fails
		}
		size += int64(n)
		if size > it.meta.Size || errors.Is(err, io.EOF) && size < it.meta.Size {
			return changed(it.path(), fmt.Sprintf("it had %d bytes", it.meta.Size))
		}
		if _, err := also.Write(buf[:n]); err != nil {
			return err
		}
		r.done.Add(0, int64(n), n >= chunkSize)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	strong.Sum(it.sum[:0])
	it.sum64 = quick.Sum64()
	return nil
}

// settled waits until a further change of a file is sure to have another time than m
// has.
func settled(ctx context.Context, m filemeta.Meta) error {
	age := time.Since(m.ChangeTime)
	if age < 0 || age >= tick {
		return nil
	}
	timer := time.NewTimer(tick - age)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// still refuses a file that is not what it was when it was looked at. The change time
// betrays also who sets the others back.
func still(it *item, f *os.File) error {
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	now := filemeta.FromInfo(fi)
	if now.Size != it.meta.Size || !now.ModTime.Equal(it.meta.ModTime) || !now.ChangeTime.Equal(it.meta.ChangeTime) {
		return changed(it.path(), "it was written to")
	}
	return nil
}

// holes looks only where there may be some. A file system that compresses has
// less than the size without any.
func holes(f *os.File, m filemeta.Meta) (int64, error) {
	if m.Allocated >= m.Size {
		return 0, nil
	}
	ranges, err := filemeta.DataRanges(f, m.Size)
	left := m.Size
	for _, r := range ranges {
		left -= r.Length
	}
	return left, err
}

func changed(path, what string) error {
	return problem.New(treeChanged, path+": "+what, treeRemedy)
}

// vanished is about an entry that was there a moment ago.
func vanished(path string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return problem.Wrap(fmt.Errorf("%s: %w", path, compare.ErrVanished), treeChanged, treeRemedy)
	}
	return err
}
