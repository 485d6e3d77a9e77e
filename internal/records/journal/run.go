package journal

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"bkp/providers"
)

// Run is what the records of a run come to.
type Run struct {
	ID       providers.BackupID
	Instance string
	URL      string
	// Asked is where the lock was asked for.
	Asked   string
	Started time.Time
	// Ended is true once the run has nothing left to clean up.
	Ended  bool
	Failed bool
	Error  string
	// MayBeLocked is true from the intent to lock until the unlock.
	MayBeLocked bool
	// UnlockToken and CancelToken are "" when the reply was never recorded.
	UnlockToken, CancelToken string
	// Components are the addresses with a step that was started and that were
	// not discarded since.
	Components []string
	// Artifacts that were captured, by address.
	Artifacts map[string]providers.Artifact
}

// Fold sums up the records of run id.
func Fold(id providers.BackupID, records []Record) Run {
	r := Run{ID: id, Instance: id.Instance(), Started: id.Time(), Artifacts: map[string]providers.Artifact{}}
	for _, rec := range records {
		r.add(rec)
	}
	return r
}

func (r *Run) add(rec Record) {
	if rec.URL != "" {
		r.Instance, r.URL = rec.Instance, rec.URL
	}
	switch rec.Type {
	case RunStarted:
		r.Started = rec.Time
		r.Ended = false
	case StepStarted:
		if !slices.Contains(r.Components, rec.Address) {
			r.Components = append(r.Components, rec.Address)
		}
	case StepDone:
		if rec.Artifact != nil {
			r.Artifacts[rec.Address] = *rec.Artifact
		}
	case LockIntent:
		r.Asked = cmp.Or(rec.Asked, r.URL)
		r.MayBeLocked = true
	case Locked:
		r.MayBeLocked, r.UnlockToken = true, rec.UnlockToken
	case TaskStarted:
		r.CancelToken = rec.CancelToken
	case LockRefused, Unlocked:
		r.MayBeLocked, r.UnlockToken, r.CancelToken = false, "", ""
	case Discarded:
		r.Components = slices.DeleteFunc(r.Components, func(a string) bool { return a == rec.Address })
	case RunDone, RunFailed:
		r.Ended, r.Failed, r.Error = true, rec.Type == RunFailed, rec.Error
	case StepFailed:
	}
}

// Load reads and folds one run.
func Load(dir string, id providers.BackupID) (Run, error) {
	records, err := Read(dir, id)
	return Fold(id, records), err
}

// Unfinished returns the runs that were interrupted or may have left an instance
// locked, oldest first. It is meaningful only while no run is in progress. The
// error names records that cannot be read; it does not hide the others.
func Unfinished(dir string) ([]Run, error) {
	ids, err := IDs(dir)
	if err != nil {
		return nil, err
	}
	var out []Run
	var unreadable error
	for _, id := range ids {
		r, err := Load(dir, id)
		if err != nil {
			unreadable = errors.Join(unreadable, fmt.Errorf("run %s: %w", id, err))
		}
		// Of a damaged record, what stands before the damage may hold a token.
		if err != nil && !r.MayBeLocked {
			continue
		}
		if !r.Ended || r.MayBeLocked {
			out = append(out, r)
		}
	}
	return out, unreadable
}
