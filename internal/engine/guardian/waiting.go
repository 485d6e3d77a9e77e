package guardian

import (
	"encoding/json"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"

	"bkp/providers"
)

// Waiting is a guardian that is alive and goes on trying to unlock, because its
// bkp died or gave up.
type Waiting struct {
	PID   int                `json:"pid"`
	Run   providers.BackupID `json:"run"`
	URL   string             `json:"url"`
	Since time.Time          `json:"since"`
}

// WaitingIn returns the guardians that a folder records and that are alive. The
// record of one that was killed is not locked any more, and is left out.
func WaitingIn(dir string) []Waiting {
	var out []Waiting
	files, _ := filepath.Glob(filepath.Join(dir, "*.json"))
	for _, file := range files {
		lock := flock.New(file, flock.SetFlag(os.O_RDONLY))
		free, err := lock.TryRLock()
		if err != nil || free {
			_ = lock.Close()
			continue
		}
		var w Waiting
		if text, err := os.ReadFile(file); err == nil && json.Unmarshal(text, &w) == nil {
			out = append(out, w)
		}
	}
	return out
}

// declare records that the child goes on by itself, until withdraw is called.
// That it cannot is no reason not to unlock.
func (c *child) declare(now time.Time) (withdraw func()) {
	if c.watch.Waits == "" {
		return func() {}
	}
	if err := os.MkdirAll(c.watch.Waits, 0o700); err != nil {
		c.log("bkp status cannot show this process: %v", err)
		return func() {}
	}
	file := filepath.Join(c.watch.Waits, string(c.watch.Run)+".json")
	lock := flock.New(file, flock.SetPermissions(0o600))
	text, err := json.Marshal(Waiting{PID: os.Getpid(), Run: c.watch.Run, URL: c.watch.URL, Since: now.UTC()})
	if err == nil {
		_, err = lock.TryLock()
	}
	if err == nil {
		err = os.WriteFile(file, text, 0o600)
	}
	if err != nil {
		c.log("bkp status cannot show this process: %v", err)
	}
	return func() {
		_ = os.Remove(file)
		_ = lock.Close()
	}
}
