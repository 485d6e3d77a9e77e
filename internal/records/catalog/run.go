package catalog

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"bkp/internal/host"
)

// Run is how the last run of a kind ended, whether it made a backup or not.
type Run struct {
	Began     time.Time `json:"began"`
	Ended     time.Time `json:"ended"`
	Succeeded bool      `json:"succeeded"`
	// Error is what it failed with, Warnings how often it warned.
	Error    string `json:"error,omitempty"`
	Warnings int    `json:"warnings,omitempty"`
	// Window is how long users were locked out, also by a run that failed.
	Window time.Duration `json:"lock_window_ns,omitempty"`
	Steps  []RunStep     `json:"steps,omitempty"`
}

// RunStep is how long a step took.
type RunStep struct {
	Address string        `json:"address"`
	Phase   string        `json:"phase"`
	Took    time.Duration `json:"took_ns"`
}

func (c Catalog) runDir() string { return filepath.Join(c.Dir, "runs") }

// runName is of its own for each URL, because environments share names of instances:
// prod and staging may both call theirs bitbucket.
func (s Subject) runName() string {
	sum := sha256.Sum256([]byte(s.URL))
	return s.Instance + "-" + hex.EncodeToString(sum[:4])
}

// PutLastRun records how a run ended, in place of the last one of its kind.
func (c Catalog) PutLastRun(of Subject, kind string, r Run) error {
	if err := os.MkdirAll(c.runDir(), 0o700); err != nil {
		return err
	}
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(c.runDir(), of.runName()+"."+kind+".json"), append(b, '\n'))
}

// LastRuns returns the last run of each kind.
func (c Catalog) LastRuns(of Subject) (map[string]Run, error) {
	out := map[string]Run{}
	files, err := os.ReadDir(c.runDir())
	if errors.Is(err, os.ErrNotExist) {
		return out, nil
	}
	if err != nil {
		return out, err
	}
	for _, f := range files {
		kind, ok := strings.CutPrefix(strings.TrimSuffix(f.Name(), ".json"), of.runName()+".")
		if !ok || !strings.HasSuffix(f.Name(), ".json") {
			continue
		}
		b, err := host.ReadRegular(filepath.Join(c.runDir(), f.Name()), maxEntry)
		if err != nil {
			return out, err
		}
		var r Run
		if err := json.Unmarshal(b, &r); err != nil {
			return out, fmt.Errorf("%s cannot be read: %w", f.Name(), err)
		}
		out[kind] = r
	}
	return out, nil
}
