package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"

	"bkp/internal/apply"
	"bkp/internal/catalog"
	"bkp/internal/guardian"
	"bkp/internal/host"
	"bkp/internal/journal"
	"bkp/internal/ui/text"
	"bkp/lang"
)

type statusCmd struct{}

// Help is shown by bkp status --help.
func (statusCmd) Help() string {
	return `Shows whether a run is under way, whether one was interrupted and what it left,
whether a guardian still tries to unlock, which instances are locked, when each
was last backed up, and when a backup of it was last proven to restore. Exits with
3 when an instance may have been left locked.

Examples:
  bkp status

` + exitCodes
}

// status is what --json prints.
type status struct {
	Event      string       `json:"event"`
	Running    bool         `json:"running"`
	Unfinished []unfinished `json:"unfinished"`
	// Guardians go on trying to unlock for a run that died or gave up.
	Guardians []guardian.Waiting `json:"guardians"`
	Instances []instanceStatus   `json:"instances"`
}

type unfinished struct {
	Run         string    `json:"run"`
	Instance    string    `json:"instance"`
	Started     time.Time `json:"started"`
	MayBeLocked bool      `json:"may_be_locked"`
}

type instanceStatus struct {
	Address string     `json:"address"`
	Locked  bool       `json:"locked"`
	Owner   string     `json:"owner,omitempty"`
	Error   string     `json:"error,omitempty"`
	Last    string     `json:"last_backup,omitempty"`
	LastAt  *time.Time `json:"last_backup_at,omitempty"`
	// LastProven is the newest drill that proved a backup.
	LastProven *catalog.Drill `json:"last_proven,omitempty"`
}

func (c *statusCmd) Run(ctx context.Context, s *session) error {
	if err := s.load(); err != nil {
		return err
	}
	st, unreadable := s.status(ctx)
	s.doubtClock(s.config.Instances)
	show := s.showStatus
	if s.JSON {
		show = func(st status) error { return s.stream().Write(st) }
	}
	if err := show(st); err != nil {
		return err
	}
	for _, u := range st.Unfinished {
		if u.MayBeLocked {
			return fmt.Errorf("%w: run %s was interrupted while it held the lock of %s", apply.ErrMayBeLocked, u.Run, u.Instance)
		}
	}
	return unreadableJournal(unreadable)
}

// status is complete but for the records that its error tells of.
func (s *session) status(ctx context.Context) (status, error) {
	var unreadable error
	st := status{Event: "status", Running: s.running(), Unfinished: []unfinished{}, Guardians: guardians(s.guardianDir()), Instances: []instanceStatus{}}
	if !st.Running { // a running one is unfinished by nature
		var runs []journal.Run
		runs, unreadable = journal.Unfinished(s.journalDir())
		for _, r := range runs {
			st.Unfinished = append(st.Unfinished, unfinished{string(r.ID), r.Instance, r.Started, r.MayBeLocked})
		}
	}
	entries, _ := s.catalog().List()
	for _, i := range s.config.Instances {
		is := s.lockState(ctx, i)
		for _, e := range entries {
			if e.Manifest.Of(i.Name, i.URL) && e.Status == catalog.Complete {
				is.Last, is.LastAt = string(e.Manifest.ID), &e.Manifest.Created
				break
			}
		}
		is.LastProven = s.lastProven(i)
		st.Instances = append(st.Instances, is)
	}
	return st, unreadable
}

func (s *session) lockState(ctx context.Context, i *lang.Instance) instanceStatus {
	is := instanceStatus{Address: i.Address}
	client, err := s.client(i)
	if err != nil {
		is.Error = err.Error()
		return is
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	owner, locked, err := client.LockOwner(ctx)
	if err != nil {
		is.Error = err.Error()
	}
	is.Locked, is.Owner = locked, owner.Name
	return is
}

// guardians is never nil: in JSON, none is an empty list.
func guardians(dir string) []guardian.Waiting {
	return append([]guardian.Waiting{}, guardian.WaitingIn(dir)...)
}

// running reports whether another process holds the state folder, without
// making anything.
func (s *session) running() bool {
	path := filepath.Join(s.config.StateDir, "lock")
	if _, err := os.Stat(path); err != nil {
		return false
	}
	l := flock.New(path, flock.SetFlag(os.O_RDONLY|host.NonBlock))
	ok, err := l.TryRLock()
	if ok {
		_ = l.Unlock()
	}
	return err == nil && !ok
}

func (s *session) showStatus(st status) error {
	w := text.Visible(s.io.Out)
	if st.Running {
		_, _ = fmt.Fprintln(w, s.out.Style.Bold("a run is under way"))
	} else {
		_, _ = fmt.Fprintln(w, "no run is under way")
	}
	for _, u := range st.Unfinished {
		what := "what it started is cleaned up by the next bkp apply"
		if u.MayBeLocked {
			what = s.out.Style.Red("it held the lock")
		}
		_, _ = fmt.Fprintf(w, "run %s was interrupted: %s\n", u.Run, what)
	}
	for _, g := range st.Guardians {
		_, _ = fmt.Fprintf(w, "guardian of run %s (process %d) tries to unlock %s since %s\n", g.Run, g.PID, g.URL, g.Since.Local().Format(time.DateTime))
	}
	var rows [][]string
	for _, i := range st.Instances {
		state, last := "not locked", "never"
		if i.Locked {
			state = "locked"
			if i.Owner != "" {
				state += " by " + i.Owner
			}
		}
		if i.Error != "" {
			state = "unknown: " + i.Error
		}
		if i.LastAt != nil {
			last = fmt.Sprintf("%s, %s ago", i.Last, text.Duration(time.Since(*i.LastAt).Round(time.Second)))
		}
		proven := "never"
		if d := i.LastProven; d != nil {
			proven = fmt.Sprintf("%s, %s ago", d.Backup, text.Duration(time.Since(d.At).Round(time.Second)))
		}
		rows = append(rows, []string{i.Address, state, last, proven})
	}
	return s.out.Table([]string{"INSTANCE", "STATE", "LAST BACKUP", "LAST PROVEN RESTORE"}, rows)
}
