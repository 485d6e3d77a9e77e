package journal

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"bkp/internal/host"
	"bkp/providers"
)

// Format is the format of the records; readers refuse a newer one.
const Format = 1

// maxRecord bounds what is read of one run, in bytes: many times what a run
// with a step for each of a thousand components writes.
const maxRecord = 256 << 20

// Type of a record.
type Type string

// The types of records.
const (
	RunStarted  Type = "run_started"
	StepStarted Type = "step_started"
	StepDone    Type = "step_done"
	StepFailed  Type = "step_failed"
	// LockIntent comes before the request to lock: from here on the instance
	// may be locked.
	LockIntent  Type = "lock_intent"
	LockRefused Type = "lock_refused"
	Locked      Type = "locked"
	TaskStarted Type = "task_started"
	// Unlocked: nothing of ours holds the instance any more.
	Unlocked  Type = "unlocked"
	Discarded Type = "discarded"
	RunDone   Type = "run_done"
	RunFailed Type = "run_failed"
)

// Record is one line. Fields that do not belong to its type are empty.
type Record struct {
	Format int       `json:"format"`
	Time   time.Time `json:"time"`
	Type   Type      `json:"type"`

	Instance string `json:"instance,omitempty"`
	URL      string `json:"url,omitempty"`
	// Asked is where the lock is asked for, if that is not URL.
	Asked   string `json:"asked,omitempty"`
	Node    string `json:"node,omitempty"`
	Address string `json:"address,omitempty"`
	Error   string `json:"error,omitempty"`

	UnlockToken string              `json:"unlock_token,omitempty"`
	CancelToken string              `json:"cancel_token,omitempty"`
	Artifact    *providers.Artifact `json:"artifact,omitempty"`
}

// Journal appends to the record of one run. It is safe for concurrent use.
type Journal struct {
	mu   sync.Mutex
	file *os.File
	now  func() time.Time
}

// ErrExists says that a run of the same id was recorded already.
var ErrExists = errors.New("a run with this id exists")

// Create begins the record of run id in folder dir, which it makes.
func Create(dir string, id providers.BackupID) (*Journal, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path(dir, id), os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("%w: %s", ErrExists, id)
	}
	if err != nil {
		return nil, err
	}
	// The file's own entry must survive a crash of the machine too.
	if err := host.SyncDir(dir); err != nil {
		_ = f.Close()
		return nil, err
	}
	return &Journal{file: f, now: time.Now}, nil
}

// Open goes on with the record of run id.
func Open(dir string, id providers.BackupID) (*Journal, error) {
	if err := dropTorn(path(dir, id)); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path(dir, id), os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	return &Journal{file: f, now: time.Now}, nil
}

// dropTorn truncates a last line without its end, so that what is appended
// stays readable.
func dropTorn(name string) error {
	b, err := host.ReadRegular(name, maxRecord)
	if err != nil {
		return err
	}
	if end := bytes.LastIndexByte(b, '\n') + 1; end < len(b) {
		return os.Truncate(name, int64(end))
	}
	return nil
}

// Note appends a record. It survives a crash of bkp, but perhaps not of the
// machine.
func (j *Journal) Note(r Record) error { return j.append(r, false) }

// Sync appends a record and returns once it is safe on disk.
func (j *Journal) Sync(r Record) error { return j.append(r, true) }

func (j *Journal) append(r Record, sync bool) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	r.Format, r.Time = Format, j.now().UTC()
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	// One write, so that a crash tears at most this line.
	if _, err := j.file.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	if !sync {
		return nil
	}
	if err := j.file.Sync(); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	return nil
}

// Close closes the file.
func (j *Journal) Close() error { return j.file.Close() }

// Remove removes the record of run id. None is success.
func Remove(dir string, id providers.BackupID) error {
	if _, err := providers.ParseBackupID(string(id)); err != nil {
		return err
	}
	err := os.Remove(path(dir, id))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

func path(dir string, id providers.BackupID) string { return filepath.Join(dir, string(id)+".jsonl") }

// Read returns the records of a run. A torn last line is left out; anything
// else that cannot be read is an error.
func Read(dir string, id providers.BackupID) ([]Record, error) {
	b, err := host.ReadRegular(path(dir, id), maxRecord)
	if err != nil {
		return nil, err
	}
	return parse(b)
}

func parse(b []byte) ([]Record, error) {
	if end := bytes.LastIndexByte(b, '\n') + 1; end < len(b) {
		b = b[:end]
	}
	var out []Record
	lines := bufio.NewScanner(bytes.NewReader(b))
	lines.Buffer(nil, 16<<20)
	for n := 1; lines.Scan(); n++ {
		var r Record
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return out, fmt.Errorf("journal line %d cannot be read: %w", n, err)
		}
		if r.Format > Format {
			return out, fmt.Errorf("journal line %d has format %d, this version reads %d: use a newer bkp", n, r.Format, Format)
		}
		out = append(out, r)
	}
	return out, lines.Err()
}

// IDs lists the runs that have a record, oldest first.
func IDs(dir string) ([]providers.BackupID, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []providers.BackupID
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".jsonl")
		if id, err := providers.ParseBackupID(name); ok && err == nil {
			out = append(out, id)
		}
	}
	slices.SortFunc(out, func(a, b providers.BackupID) int { return a.Time().Compare(b.Time()) })
	return out, nil
}
