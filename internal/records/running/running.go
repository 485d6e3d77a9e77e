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

	"github.com/google/renameio/v2/maybe"

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
	return maybe.WriteFile(path(stateDir), append(b, '\n'), 0o600)
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
	if err := os.Remove(path(stateDir)); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
