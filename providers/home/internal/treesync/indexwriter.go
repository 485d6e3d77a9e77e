package treesync

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash/crc32"
	"io/fs"
	"os"
	"slices"
	"sync"
)

// indexWriter writes the index of the pass that is under way, beside its place.
// It is safe for concurrent use. Its nil value takes everything and keeps
// nothing.
type indexWriter struct {
	mu      sync.Mutex
	path    string
	f       *os.File
	out     *bufio.Writer
	offset  int64
	table   []block
	dropped map[key]struct{}
	// removed are entries of the copy that went, with all that was below.
	removed map[key]struct{}
	err     error
}

func newIndexWriter(path string) (*indexWriter, error) {
	if path == "" {
		return nil, nil //nolint:nilnil // a pass without an index is a case of its own
	}
	// Another file than that of an earlier pass, which is still read.
	if err := removeOpen(path + ".new"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	f, err := createAt(here, path+".new")
	if err != nil {
		return nil, err
	}
	return &indexWriter{path: path, f: f, out: bufio.NewWriterSize(f, 256<<10), dropped: map[key]struct{}{}, removed: map[key]struct{}{}}, nil
}

// add writes the entries of a folder. An error is kept for finish.
func (w *indexWriter) add(rel string, entries []entry, buf []byte) []byte {
	if w == nil {
		return buf
	}
	buf = encodeFolder(append(buf[:0], 0, 0, 0, 0), rel, entries)
	binary.LittleEndian.PutUint32(buf, crc32.Checksum(buf[4:], castagnoli))
	w.mu.Lock()
	defer w.mu.Unlock()
	k := keyOf(rel)
	delete(w.dropped, k)
	w.append(k, buf)
	return buf
}

func (w *indexWriter) append(k key, raw []byte) {
	if w.err != nil {
		return
	}
	n, err := w.out.Write(raw)
	w.table = append(w.table, block{key: k, offset: w.offset, length: uint32(n)})
	w.offset += int64(n)
	w.err = err
}

// drop takes back what an earlier pass, or this one so far, wrote of a folder;
// a later add counts again.
func (w *indexWriter) drop(rel string) {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dropped[keyOf(rel)] = struct{}{}
}

// dropTree takes back what an earlier pass wrote of rel and of all below it.
func (w *indexWriter) dropTree(rel string) {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.removed[keyOf(rel)] = struct{}{}
}

// isRemoved reports whether a block is of a folder that dropTree removed.
func (w *indexWriter) isRemoved(raw []byte) bool {
	if len(w.removed) == 0 || len(raw) < 4 {
		return false
	}
	d := decoder{text: string(raw[4:]), raw: raw[4:]}
	for rel := d.str(); rel != ""; rel = dirOf(rel) {
		if _, yes := w.removed[keyOf(rel)]; yes {
			return true
		}
	}
	return d.bad
}

// keep carries over what old knows of folders that this pass did not reach.
func (w *indexWriter) keep(old *index) {
	if w == nil {
		return
	}
	w.sift()
	if old == nil {
		return
	}
	reached := slices.Clone(w.table)
	slices.SortFunc(reached, compareBlocks)
	for _, b := range old.table {
		_, gone := w.dropped[b.key]
		_, again := slices.BinarySearchFunc(reached, b, compareBlocks)
		if gone || again {
			continue
		}
		raw := make([]byte, b.length)
		if _, err := old.f.ReadAt(raw, b.offset); err == nil && !w.isRemoved(raw) {
			w.append(b.key, raw)
		}
	}
}

// more returns a writer that adds to the same file. The receiver is not used
// any more.
func (w *indexWriter) more() *indexWriter {
	return &indexWriter{
		path: w.path, f: w.f, out: w.out, offset: w.offset, err: w.err,
		dropped: map[key]struct{}{}, removed: map[key]struct{}{},
	}
}

// overlay adds what old has and this writer did not write again or drop; the
// blocks stand in the same file.
func (w *indexWriter) overlay(old *index) {
	w.sift()
	slices.SortFunc(w.table, compareBlocks)
	w.table = latest(w.table)
	written := w.table
	for _, b := range old.table {
		_, gone := w.dropped[b.key]
		_, again := slices.BinarySearchFunc(written, b, compareBlocks)
		if !gone && !again {
			w.table = append(w.table, b)
		}
	}
}

// latest keeps of each folder the block that was written last.
func latest(table []block) []block {
	out := table[:0]
	for _, b := range table {
		if n := len(out); n > 0 && out[n-1].key == b.key {
			if b.offset > out[n-1].offset {
				out[n-1] = b
			}
			continue
		}
		out = append(out, b)
	}
	return out
}

// flush makes what was written readable, and sorts the table.
func (w *indexWriter) flush() error {
	if w == nil {
		return nil
	}
	w.sift()
	slices.SortFunc(w.table, compareBlocks)
	w.dropped, w.removed = map[key]struct{}{}, map[key]struct{}{}
	if err := w.out.Flush(); err != nil && w.err == nil {
		w.err = err
	}
	return w.err
}

// sift takes the dropped folders out of the table.
func (w *indexWriter) sift() {
	w.table = slices.DeleteFunc(w.table, func(b block) bool { _, gone := w.dropped[b.key]; return gone })
}

// finish puts the index into its place.
func (w *indexWriter) finish(i info) error {
	if w == nil {
		return nil
	}
	err := errors.Join(w.err, w.writeTail(i))
	if err == nil && i.Durable {
		err = w.f.Sync()
	}
	err = errors.Join(err, w.f.Close())
	if err == nil {
		err = os.Rename(w.path+".new", w.path)
	}
	if err != nil {
		_ = os.Remove(w.path + ".new")
	}
	return err
}

// abandon leaves no index behind.
func (w *indexWriter) abandon() {
	if w != nil {
		_ = w.f.Close()
		_ = os.Remove(w.path + ".new")
	}
}

func (w *indexWriter) writeTail(i info) error {
	head, err := json.Marshal(i)
	if err != nil {
		return err
	}
	w.sift()
	slices.SortFunc(w.table, compareBlocks)
	sum := crc32.New(castagnoli)
	if _, err := w.out.Write(head); err != nil {
		return err
	}
	raw := make([]byte, 0, blockSize)
	for _, b := range w.table {
		raw = append(raw[:0], b.key[:]...)
		raw = binary.LittleEndian.AppendUint64(raw, uint64(b.offset))
		raw = binary.LittleEndian.AppendUint32(raw, b.length)
		_, _ = sum.Write(raw)
		if _, err := w.out.Write(raw); err != nil {
			return err
		}
	}
	tail := binary.LittleEndian.AppendUint32(nil, uint32(len(head)))
	tail = binary.LittleEndian.AppendUint64(tail, uint64(len(w.table)))
	tail = binary.LittleEndian.AppendUint32(tail, crc32.Checksum(head, castagnoli))
	tail = binary.LittleEndian.AppendUint32(tail, sum.Sum32())
	if _, err := w.out.Write(append(tail, indexMagic...)); err != nil {
		return err
	}
	return w.out.Flush()
}
