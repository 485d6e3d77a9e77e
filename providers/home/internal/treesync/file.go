package treesync

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"

	"bkp/internal/filemeta"
	"bkp/internal/reflink"
	"bkp/providers"
)

// smallFile is read at once and compared or written at once.
const smallFile = 128 << 10

// pieceSize is how much of a large file is copied between two looks at the
// context.
const pieceSize = 16 << 20

// file copies a regular file of one name.
func (p *pass) file(w *worker, f *folder, e, old *entry) error {
	e.summed = false
	src, err := p.openFile(f, e.name)
	if err != nil {
		return sourceError{err}
	}
	defer func() { _ = src.Close() }()
	// The size alone shows that most changed files changed; else reading both
	// is cheaper than writing, and keeps what the copy's readers have cached.
	if old != nil && old.size == e.size && (old.racy || old.mtime == e.mtime && old.mtimeNano == e.mtimeNano) {
		same, err := p.compare(w, f, e, src)
		if err != nil || same {
			return err
		}
		if _, err := src.Seek(0, io.SeekStart); err != nil {
			return sourceError{err}
		}
	}
	return p.copyFile(w, f, e, src)
}

func (p *pass) openFile(f *folder, name string) (*os.File, error) {
	if err := p.fault("open", f.path(name)); err != nil {
		return nil, err
	}
	return openFileAt(f.srcN, name)
}

// compare reports whether the copy has the same content, and if so gives it the
// source's mode, owner, times and attributes.
func (p *pass) compare(w *worker, f *folder, e *entry, src *os.File) (bool, error) {
	dir, err := f.copyDir()
	if err != nil {
		return false, err
	}
	dst, err := openFileAt(int(dir.Fd()), e.name)
	if err != nil {
		return false, nil // what cannot be read is copied anew
	}
	defer func() { _ = dst.Close() }()
	// A change of mode must not reach other names that the copy still links.
	if have, err := filemeta.StatFile(dst); err != nil || have.Links != 1 {
		return false, err
	}
	same, sum, err := p.equal(w, src, dst, e.size)
	if err != nil || !same {
		return false, err
	}
	m, err := filemeta.ReadFile(src)
	if err != nil {
		return false, sourceError{err}
	}
	if !e.is(&m) {
		return false, nil
	}
	if err := p.fault("apply", f.path(e.name)); err != nil {
		return false, err
	}
	e.setSum(sum)
	lost, err := filemeta.Apply(dst, m)
	p.lose(lost)
	return true, err
}

// equal compares size bytes of two files, and returns their digest if they are
// the same.
func (p *pass) equal(w *worker, src, dst *os.File, size int64) (bool, uint64, error) {
	w.a, w.b = buffer(w.a), buffer(w.b)
	h := providers.NewSummer()
	for left := size; left > 0; {
		if p.ctx.Err() != nil {
			return false, 0, context.Cause(p.ctx)
		}
		n := int(min(left, smallFile))
		if _, err := io.ReadFull(src, w.a[:n]); err != nil {
			return false, 0, shortRead(err)
		}
		if _, err := io.ReadFull(dst, w.b[:n]); err != nil {
			return false, 0, nil //nolint:nilerr // what cannot be read is copied anew
		}
		if string(w.a[:n]) != string(w.b[:n]) {
			return false, 0, nil
		}
		_, _ = h.Write(w.a[:n])
		left -= int64(n)
	}
	return true, h.Sum64(), nil
}

// copyFile writes a new file beside its place in the copy and renames it.
func (p *pass) copyFile(w *worker, f *folder, e *entry, src *os.File) error {
	dir, temp, err := p.tempIn(f)
	if err != nil {
		return err
	}
	if err := p.fault("create", f.path(e.name)); err != nil {
		return err
	}
	dst, temp, err := p.create(dir, temp)
	if err != nil {
		return err
	}
	err = p.fill(w, f, e, src, dst)
	if e := dst.Close(); err == nil {
		err = e
	}
	// A live pass keeps what it got of a file that moved: it will do better in
	// the next one, and most of the content is then there to be compared.
	moved := errors.Is(err, errMoved) && !p.strict(f.path(e.name))
	if err == nil || moved {
		if e := p.rename(dir, f, temp, e.name); e != nil {
			err = e
		}
	}
	if err != nil && !moved {
		_ = unlinkAt(int(dir.Fd()), temp)
		return err
	}
	p.copiedFiles.Add(1)
	p.copiedBytes.Add(e.size)
	return err
}

func (p *pass) create(dir *os.File, temp string) (*os.File, string, error) {
	for {
		dst, err := createAt(int(dir.Fd()), temp)
		if errors.Is(err, fs.ErrExist) {
			temp = tempName(p.temp.Add(1)) // a file of the source may have such a name
			continue
		}
		return dst, temp, err
	}
}

func (p *pass) rename(dir *os.File, f *folder, temp, name string) error {
	if err := p.fault("rename", f.path(name)); err != nil {
		return err
	}
	return renameAt(int(dir.Fd()), temp, name)
}

// fill copies content, then everything else. It returns errMoved if the source
// is not any more what e says of it.
func (p *pass) fill(w *worker, f *folder, e *entry, src, dst *os.File) error {
	if err := p.fault("write", f.path(e.name)); err != nil {
		return err
	}
	if err := p.content(w, f, e, src, dst); err != nil && !errors.Is(err, errMoved) {
		return err
	}
	m, err := filemeta.ReadFile(src)
	if err != nil {
		return sourceError{err}
	}
	if !m.Mode.IsRegular() {
		return sourceError{fs.ErrNotExist}
	}
	if err := p.fault("apply", f.path(e.name)); err != nil {
		return err
	}
	moved := !e.is(&m)
	lost, err := filemeta.Apply(dst, m)
	p.lose(lost)
	if err == nil && moved {
		return errMoved
	}
	return err
}

// content copies what the file holds, and notes the digest of what was written.
func (p *pass) content(w *worker, f *folder, e *entry, src, dst *os.File) error {
	if e.size <= smallFile {
		w.a = buffer(w.a)
		if _, err := io.ReadFull(src, w.a[:e.size]); err != nil {
			return shortRead(err)
		}
		e.setSum(providers.Sum(w.a[:e.size]))
		_, err := dst.Write(w.a[:e.size])
		return err
	}
	if !p.noClone.Load() {
		err := reflink.Clone(dst, src)
		if err == nil {
			return p.sumCopied(w, f, e, src, dst)
		}
		p.noClone.Store(true)
	}
	ranges, err := filemeta.DataRanges(src, e.size)
	if err != nil {
		return sourceError{err}
	}
	if p.keepsSums() && isDense(ranges, e.size) {
		return p.copyDense(w, e, src, dst)
	}
	for _, r := range ranges {
		if err := p.copyRange(src, dst, r); err != nil {
			return err
		}
	}
	if err := dst.Truncate(e.size); err != nil {
		return err
	}
	return p.sumCopied(w, f, e, src, dst)
}

// copyRange lets the kernel move the bytes where it can.
func (p *pass) copyRange(src, dst *os.File, r filemeta.Range) error {
	if _, err := src.Seek(r.Offset, io.SeekStart); err != nil {
		return sourceError{err}
	}
	if _, err := dst.Seek(r.Offset, io.SeekStart); err != nil {
		return err
	}
	for left := r.Length; left > 0; {
		if p.ctx.Err() != nil {
			return context.Cause(p.ctx)
		}
		n, err := io.CopyN(dst, src, min(left, pieceSize))
		left -= n
		if errors.Is(err, io.EOF) {
			return errMoved
		}
		if errors.Is(err, syscall.EISDIR) {
			return sourceError{err} // a folder took the file's place
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// shortRead distinguishes a file that was truncated from one that cannot be read.
func shortRead(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errMoved
	}
	return sourceError{err}
}

func buffer(b []byte) []byte {
	if b == nil {
		return make([]byte, smallFile)
	}
	return b
}
