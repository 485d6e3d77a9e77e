package embedded

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"sync"
	"time"
)

// ErrTorn is wrapped by every error of Read that reports damage.
var ErrTorn = errors.New("the embedded database is torn or damaged")

const (
	magic      = "bkp sandbox db 1"
	recordSize = 256
	growth     = 256 // records by which the file grows at a time
	payload    = recordSize - 8
)

// Repository is a row of the repositories.
type Repository struct {
	ID   int    `json:"id"`
	Name string `json:"name"`
}

// Push is a row of the pushes: the branch was moved to the commit. The newest
// of a branch, by ID, shows where the branch is.
type Push struct {
	ID         int64     `json:"id"`
	Repository int       `json:"repository"`
	Branch     string    `json:"branch"`
	Commit     string    `json:"commit"`
	At         time.Time `json:"at"`
}

// Rows is the content of a database.
type Rows struct {
	Repositories []Repository
	Pushes       []Push // in the order of their IDs
}

// record is what a slot of the file holds: one of the two.
type record struct {
	Repository *counted `json:"r,omitempty"`
	Push       *Push    `json:"p,omitempty"`
}

// counted is a repository and the number of its pushes.
type counted struct {
	Repository
	Pushes int `json:"pushes"`
}

// slot is where the record of a repository lies, and what it says.
type slot struct {
	index int
	row   counted
}

// DB is an open database. It is safe for concurrent use within one process.
type DB struct {
	mu    sync.Mutex
	file  *os.File
	count int
	sum   uint64 // of the checksums of all records
	slots map[int]slot
	next  int64
	err   error // a failed write leaves the file in an unknown state: no more writes
}

// Create makes a new database. It is an error if the file exists.
func Create(path string) (*DB, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o640) //nolint:gosec // a home is read by its group
	if err != nil {
		return nil, err
	}
	db := &DB{file: f, slots: map[int]slot{}, next: 1}
	if err := db.writeHeader(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return db, nil
}

// AddRepository adds a repository. Its ID must be new.
func (db *DB) AddRepository(r Repository) error {
	db.mu.Lock()
	defer db.mu.Unlock()
	if _, ok := db.slots[r.ID]; ok {
		return fmt.Errorf("repository %d exists", r.ID)
	}
	s := slot{index: db.count, row: counted{Repository: r}}
	if err := db.append(record{Repository: &s.row}); err != nil {
		return err
	}
	db.slots[r.ID] = s
	return db.writeHeader()
}

// AddPush adds a push and returns it with its ID.
func (db *DB) AddPush(p Push) (Push, error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	s, ok := db.slots[p.Repository]
	if !ok {
		return p, fmt.Errorf("repository %d does not exist", p.Repository)
	}
	p.ID = db.next
	if err := db.append(record{Push: &p}); err != nil {
		return p, err
	}
	db.next++
	before := s.row
	s.row.Pushes++
	if err := db.replace(s.index, record{Repository: &before}, record{Repository: &s.row}); err != nil {
		return p, err
	}
	db.slots[p.Repository] = s
	return p, db.writeHeader()
}

// Close closes the file.
func (db *DB) Close() error {
	db.mu.Lock()
	defer db.mu.Unlock()
	return db.file.Close()
}

func (db *DB) append(r record) error {
	if db.count%growth == 0 {
		if err := db.file.Truncate(int64(1+db.count+growth) * recordSize); err != nil {
			return db.fail(err)
		}
	}
	sum, err := db.write(db.count, r)
	if err != nil {
		return err
	}
	db.count++
	db.sum += uint64(sum)
	return nil
}

func (db *DB) replace(index int, old, changed record) error {
	was, err := encode(old)
	if err != nil {
		return err
	}
	sum, err := db.write(index, changed)
	if err != nil {
		return err
	}
	db.sum += uint64(sum) - uint64(checksum(was))
	return nil
}

func (db *DB) write(index int, r record) (uint32, error) {
	b, err := encode(r)
	if err != nil {
		return 0, err
	}
	return checksum(b), db.writeAt(b, int64(1+index)*recordSize)
}

// writeHeader follows every change, in place at the beginning of the file.
func (db *DB) writeHeader() error {
	b := make([]byte, recordSize)
	copy(b[8:], magic)
	binary.BigEndian.PutUint64(b[32:], uint64(db.count))
	binary.BigEndian.PutUint64(b[40:], db.sum)
	seal(b)
	return db.writeAt(b, 0)
}

func (db *DB) writeAt(b []byte, offset int64) error {
	if db.err != nil {
		return db.err
	}
	_, err := db.file.WriteAt(b, offset)
	return db.fail(err)
}

func (db *DB) fail(err error) error {
	if err != nil && db.err == nil {
		db.err = fmt.Errorf("an earlier write failed: %w", err)
	}
	return err
}

// Read returns all rows of the database at path, which nobody may be changing.
func Read(path string) (Rows, error) {
	f, err := os.Open(path)
	if err != nil {
		return Rows{}, err
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(f)
	if err != nil {
		return Rows{}, err
	}
	return parse(b)
}

func parse(b []byte) (Rows, error) {
	if len(b) < recordSize || len(b)%recordSize != 0 {
		return Rows{}, fmt.Errorf("%w: %d bytes are not whole records", ErrTorn, len(b))
	}
	header, body := b[:recordSize], b[recordSize:]
	if !sealed(header) || !bytes.HasPrefix(header[8:], []byte(magic)) {
		return Rows{}, fmt.Errorf("%w: its header is not whole", ErrTorn)
	}
	count, sum := binary.BigEndian.Uint64(header[32:]), binary.BigEndian.Uint64(header[40:])
	if held := uint64(len(body) / recordSize); count > held {
		return Rows{}, fmt.Errorf("%w: the header names %d records, the file has room for %d", ErrTorn, count, held)
	}
	used := int(count) * recordSize
	for _, c := range body[used:] {
		if c != 0 {
			return Rows{}, fmt.Errorf("%w: there are records beyond the %d of the header", ErrTorn, count)
		}
	}
	return parseRecords(body[:used], sum)
}

func parseRecords(body []byte, want uint64) (Rows, error) {
	var rows Rows
	var sum uint64
	for n := 0; len(body) > 0; n, body = n+1, body[recordSize:] {
		slot := body[:recordSize]
		var r record
		if !sealed(slot) || json.Unmarshal(bytes.TrimRight(slot[8:], "\x00"), &r) != nil || (r.Repository == nil) == (r.Push == nil) {
			return Rows{}, fmt.Errorf("%w: record %d is not whole", ErrTorn, n)
		}
		sum += uint64(checksum(slot))
		if r.Repository != nil {
			rows.Repositories = append(rows.Repositories, r.Repository.Repository)
			continue
		}
		rows.Pushes = append(rows.Pushes, *r.Push)
	}
	if sum != want {
		return Rows{}, fmt.Errorf("%w: the header's checksum is not that of the records", ErrTorn)
	}
	return rows, nil
}

func encode(r record) ([]byte, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	if len(text) > payload {
		return nil, fmt.Errorf("a row of %d bytes does not fit", len(text))
	}
	b := make([]byte, recordSize)
	copy(b[8:], text)
	seal(b)
	return b, nil
}

func checksum(b []byte) uint32 { return crc32.ChecksumIEEE(b[8:]) }

func seal(b []byte) {
	binary.BigEndian.PutUint32(b, checksum(b))
	// Never zero, so that an empty slot is not taken for a record.
	binary.BigEndian.PutUint32(b[4:], recordSize)
}

func sealed(b []byte) bool {
	return binary.BigEndian.Uint32(b) == checksum(b) && binary.BigEndian.Uint32(b[4:]) == recordSize
}
