package treesync

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"slices"

	"bkp/internal/filemeta"
)

// The index is a file of blocks, one a folder, in the order in which the
// workers came to them; then info as JSON; then the table of the blocks, sorted
// by key; then a trailer of fixed size. Every part has a checksum. Only the
// table is held in memory: 28 bytes a folder.

const (
	indexMagic  = "bkpidx2\n"
	trailerSize = 4 + 8 + 4 + 4 + len(indexMagic) // info length, blocks, sum of info, sum of table
	blockSize   = keySize + 8 + 4
	keySize     = 16
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var errIndex = errors.New("damaged index")

// key stands for a folder's path in the table.
type key [keySize]byte

func keyOf(rel string) key {
	sum := sha256.Sum256([]byte(rel))
	return key(sum[:keySize])
}

// block is where a folder's entries stand in the file.
type block struct {
	key    key
	offset int64
	length uint32
}

func compareBlocks(a, b block) int { return bytes.Compare(a.key[:], b.key[:]) }

// info is what the index says of itself.
type info struct {
	Source  string `json:"source"`
	Boot    string `json:"boot"`
	Durable bool   `json:"durable"`
	// Run distinguishes this index from all others.
	Run   string `json:"run"`
	Files int64  `json:"files"`
	Bytes int64  `json:"bytes"`
}

// index reads what a pass left. Its nil value knows no folder.
type index struct {
	f     *os.File
	info  info
	table []block
}

// openIndex opens the index at path if it can be believed for this source and
// on this boot. Whatever is wrong with it, the answer is no index.
func openIndex(path, source string) *index {
	if path == "" {
		return nil
	}
	x, err := loadIndex(path)
	if err != nil {
		return nil
	}
	if x.info.Source != source || !x.info.believable() && !isSynced(path, x.info) {
		x.close()
		return nil
	}
	return x
}

// loadIndex opens the index at path, whatever it is about.
func loadIndex(path string) (*index, error) {
	f, err := openIndexFile(path)
	if err != nil {
		return nil, err
	}
	x := &index{f: f}
	if err := x.load(); err != nil {
		x.close()
		return nil, err
	}
	return x, nil
}

func (i info) believable() bool { return i.Durable || (i.Boot != "" && i.Boot == bootID()) }

func (x *index) load() error {
	st, err := x.f.Stat()
	if err != nil {
		return err
	}
	size := st.Size()
	if size < int64(trailerSize) {
		return errIndex
	}
	tail := make([]byte, trailerSize)
	if _, err := x.f.ReadAt(tail, size-int64(trailerSize)); err != nil {
		return err
	}
	if string(tail[20:]) != indexMagic {
		return errIndex
	}
	infoLen, count := int64(binary.LittleEndian.Uint32(tail)), binary.LittleEndian.Uint64(tail[4:])
	if count > uint64(size)/blockSize {
		return errIndex
	}
	tableLen := int64(count) * blockSize
	start := size - int64(trailerSize) - tableLen - infoLen
	if start < 0 {
		return errIndex
	}
	head := make([]byte, infoLen)
	if _, err := x.f.ReadAt(head, start); err != nil {
		return err
	}
	if crc32.Checksum(head, castagnoli) != binary.LittleEndian.Uint32(tail[12:]) {
		return errIndex
	}
	if err := json.Unmarshal(head, &x.info); err != nil {
		return err
	}
	return x.loadTable(io.NewSectionReader(x.f, start+infoLen, tableLen), int(count), binary.LittleEndian.Uint32(tail[16:]))
}

func (x *index) loadTable(r io.Reader, count int, want uint32) error {
	x.table = make([]block, 0, count)
	sum := crc32.New(castagnoli)
	buf := make([]byte, 1024*blockSize)
	r = io.TeeReader(r, sum)
	for left := count; left > 0; {
		n := min(left, 1024)
		if _, err := io.ReadFull(r, buf[:n*blockSize]); err != nil {
			return err
		}
		for b := buf[:n*blockSize]; len(b) > 0; b = b[blockSize:] {
			x.table = append(x.table, block{
				key:    key(b[:keySize]),
				offset: int64(binary.LittleEndian.Uint64(b[keySize:])),
				length: binary.LittleEndian.Uint32(b[keySize+8:]),
			})
		}
		left -= n
	}
	if sum.Sum32() != want || !slices.IsSortedFunc(x.table, compareBlocks) {
		return errIndex
	}
	return nil
}

func (x *index) find(k key) (block, bool) {
	if x == nil {
		return block{}, false
	}
	i, ok := slices.BinarySearchFunc(x.table, k, func(b block, k key) int { return bytes.Compare(b.key[:], k[:]) })
	if !ok {
		return block{}, false
	}
	return x.table[i], true
}

// folder returns the entries of a folder, sorted by name; false if the index
// does not hold it, or holds it damaged.
func (x *index) folder(rel string, into []entry) ([]entry, bool) {
	b, ok := x.find(keyOf(rel))
	if !ok {
		return into, false
	}
	raw, err := x.read(b)
	if err != nil {
		return into, false
	}
	path, into, err := decodeFolder(raw, into)
	if err != nil || path != rel {
		return into[:0], false
	}
	return into, true
}

// holds reports whether any of the files may be in the copy: the index has no
// devices, which change with every mount. It reads everything.
func (x *index) holds(files map[filemeta.ID]struct{}) bool {
	inodes := map[uint64]struct{}{}
	for id := range files {
		inodes[id.Ino] = struct{}{}
	}
	var entries []entry
	for _, b := range x.table {
		raw, err := x.read(b)
		if err == nil {
			_, entries, err = decodeFolder(raw, entries)
		}
		if err != nil {
			return true // who knows
		}
		for i := range entries {
			if _, yes := inodes[entries[i].ino]; yes && !entries[i].isDir() {
				return true
			}
		}
	}
	return false
}

// read returns a block with its checksum, which it verifies.
func (x *index) read(b block) ([]byte, error) {
	raw := make([]byte, b.length)
	if _, err := x.f.ReadAt(raw, b.offset); err != nil {
		return nil, err
	}
	if len(raw) < 4 || crc32.Checksum(raw[4:], castagnoli) != binary.LittleEndian.Uint32(raw) {
		return nil, errIndex
	}
	return raw[4:], nil
}

func (x *index) close() {
	if x != nil {
		_ = x.f.Close()
	}
}

// Known returns what the copy behind an index holds; zero if it has none
// that can be believed.
func Known(indexPath, source string) (files, bytes int64) {
	x := openIndex(indexPath, source)
	if x == nil {
		return 0, 0
	}
	defer x.close()
	return x.info.Files, x.info.Bytes
}

func decodeFolder(raw []byte, into []entry) (string, []entry, error) {
	d := decoder{text: string(raw), raw: raw}
	rel := d.str()
	count := d.uint()
	into = into[:0]
	for range count {
		var e entry
		e.name = d.str()
		e.mode, e.uid, e.gid = uint32(d.uint()), uint32(d.uint()), uint32(d.uint())
		e.size = int64(d.uint())
		e.mtime, e.mtimeNano = d.int(), d.int()
		e.ctime, e.ctimeNano = d.int(), d.int()
		e.ino, e.links = d.uint(), d.uint()
		flags := d.uint()
		e.racy, e.summed = flags&flagRacy != 0, flags&flagSummed != 0
		if e.summed {
			e.sum = d.fixed()
		}
		if d.bad {
			return "", into, errIndex
		}
		into = append(into, e)
	}
	sorted := slices.IsSortedFunc(into, func(a, b entry) int { return cmp.Compare(a.name, b.name) })
	if d.bad || !sorted {
		return "", into, fmt.Errorf("%w: folder %q", errIndex, rel)
	}
	return rel, into, nil
}

func encodeFolder(buf []byte, rel string, entries []entry) []byte {
	buf = appendString(buf, rel)
	buf = binary.AppendUvarint(buf, uint64(len(entries)))
	for i := range entries {
		e := &entries[i]
		buf = appendString(buf, e.name)
		for _, v := range [...]uint64{uint64(e.mode), uint64(e.uid), uint64(e.gid), uint64(e.size)} {
			buf = binary.AppendUvarint(buf, v)
		}
		for _, v := range [...]int64{e.mtime, e.mtimeNano, e.ctime, e.ctimeNano} {
			buf = binary.AppendVarint(buf, v)
		}
		buf = binary.AppendUvarint(buf, e.ino)
		buf = binary.AppendUvarint(buf, e.links)
		buf = binary.AppendUvarint(buf, e.flags())
		if e.summed {
			buf = binary.LittleEndian.AppendUint64(buf, e.sum)
		}
	}
	return buf
}

// What an entry's flags say.
const (
	flagRacy   = 1
	flagSummed = 2 // eight bytes with the digest follow
)

func (e *entry) flags() uint64 {
	var flags uint64
	if e.racy {
		flags |= flagRacy
	}
	if e.summed {
		flags |= flagSummed
	}
	return flags
}

func appendString(buf []byte, s string) []byte {
	buf = binary.AppendUvarint(buf, uint64(len(s)))
	return append(buf, s...)
}

// decoder reads a block. Strings share one allocation.
type decoder struct {
	text string
	raw  []byte
	bad  bool
}

func (d *decoder) advance(n int) {
	if n <= 0 || n > len(d.raw) {
		d.bad, n = true, len(d.raw)
	}
	d.text, d.raw = d.text[n:], d.raw[n:]
}

func (d *decoder) uint() uint64 {
	v, n := binary.Uvarint(d.raw)
	d.advance(n)
	return v
}

func (d *decoder) int() int64 {
	v, n := binary.Varint(d.raw)
	d.advance(n)
	return v
}

// fixed reads eight bytes.
func (d *decoder) fixed() uint64 {
	if len(d.raw) < 8 {
		d.bad = true
		return 0
	}
	v := binary.LittleEndian.Uint64(d.raw)
	d.advance(8)
	return v
}

func (d *decoder) str() string {
	n := d.uint()
	if n > uint64(len(d.raw)) {
		d.bad = true
		return ""
	}
	s := d.text[:n]
	d.text, d.raw = d.text[n:], d.raw[n:]
	return s
}
