// Package running is the record of the run that holds a state folder, for bkp status
// and for who has to wait: one JSON file beside the lock.
//
// It is a convenience: whether a run is in progress is what the lock says, which the
// kernel releases. A record that a killed run left means nothing.
package running

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"time"

	"bkp/internal/host"
)

// maxRecord bounds what is read, in bytes.
const maxRecord = 1 << 20

// Record says who holds the state folder.
type Record struct {
	// Command is such as apply.
	Command string    `json:"command"`
	PID     int       `json:"pid"`
	Host    string    `json:"host"`
	Started time.Time `json:"started"`
	// Runs are those in progress, of several instances at the same time.
	Runs []Run `json:"runs,omitempty"`
}

// Run is that of one instance.
type Run struct {
	Backup   string `json:"backup"`
	Instance string `json:"instance"`
	// Step is the one that began last.
	Step *Step `json:"step,omitempty"`
}

// Set adds the run of an instance, or replaces it.
func (r *Record) Set(run Run) {
	r.Drop(run.Instance)
	r.Runs = append(r.Runs, run)
}

// Drop removes the run of an instance.
func (r *Record) Drop(instance string) {
	r.Runs = slices.DeleteFunc(r.Runs, func(run Run) bool { return run.Instance == instance })
}

// Step is a step that is in progress.
type Step struct {
	Address string    `json:"address"`
	Phase   string    `json:"phase,omitempty"`
	Message string    `json:"message,omitempty"`
	Started time.Time `json:"started"`
	// Locked is set while users are locked out.
	Locked bool `json:"locked"`
	// Files and Bytes are done, Total* are to do; a total of 0 is unknown.
	Files      int64 `json:"files,omitempty"`
	Bytes      int64 `json:"bytes,omitempty"`
	TotalFiles int64 `json:"total_files,omitempty"`
	TotalBytes int64 `json:"total_bytes,omitempty"`
}

func path(stateDir string) string { return filepath.Join(stateDir, "running.json") }

// Write replaces the record. The caller holds the lock.
func Write(stateDir string, r Record) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return replace(path(stateDir), append(b, '\n'))
}

// partial is the end of the name of a record that is being written. It is one name, so
// that a killed run leaves no more than one, which the next removes.
const partial = ".partial"

// replace writes a file by rename: status may read it at any time. It need not be safe
// on disk.
func replace(name string, data []byte) error {
	if err := remove(name + partial); err != nil {
		return err
	}
	f, err := os.OpenFile(name+partial, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return os.Rename(f.Name(), name)
}

func remove(name string) error {
	if err := os.Remove(name); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// Read returns the record, nil without one.
func Read(stateDir string) (*Record, error) {
	b, err := host.ReadRegular(path(stateDir), maxRecord)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var r Record
	if err := json.Unmarshal(b, &r); err != nil {
		return nil, err
	}
	return &r, nil
}

// Remove removes the record. The caller holds the lock; without a record it does
// nothing.
func Remove(stateDir string) error {
	return errors.Join(remove(path(stateDir)), remove(path(stateDir)+partial))
}
