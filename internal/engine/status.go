package engine

import (
	"cmp"
	"context"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"bkp/internal/engine/guardian"
	"bkp/internal/records/catalog"
	"bkp/internal/records/journal"
	"bkp/internal/records/running"
	"bkp/lang"
)

// Status is how a state folder and its instances stand; --json prints it.
type Status struct {
	Event   string `json:"event"`
	Running bool   `json:"running"`
	// Run is the one in progress, as far as it is known.
	Run        *running.Record `json:"run,omitempty"`
	Unfinished []Unfinished    `json:"unfinished"`
	// Guardians go on trying to unlock for a run that died or gave up.
	Guardians []guardian.Waiting `json:"guardians"`
	Instances []InstanceStatus   `json:"instances"`
	// Overdue is what is older than it may be; it is there only if that was asked for.
	Overdue []Overdue `json:"overdue,omitempty"`
}

// Unfinished is a run that was interrupted.
type Unfinished struct {
	Run         string    `json:"run"`
	Instance    string    `json:"instance"`
	Started     time.Time `json:"started"`
	MayBeLocked bool      `json:"may_be_locked"`
}

// InstanceStatus is how one instance stands.
type InstanceStatus struct {
	Address string `json:"address"`
	Locked  bool   `json:"locked"`
	Owner   string `json:"owner,omitempty"`
	// Self: Owner is the account of bkp.
	Self   bool       `json:"locked_by_bkp,omitempty"`
	Error  string     `json:"error,omitempty"`
	Last   string     `json:"last_backup,omitempty"`
	LastAt *time.Time `json:"last_backup_at,omitempty"`
	// Damaged are the backups in which the last verification of an archive found
	// damage, the newest first.
	Damaged []string `json:"damaged,omitempty"`
	// LastProven is the newest drill that proved a backup.
	LastProven *catalog.Drill `json:"last_proven,omitempty"`
}

// Status is complete except for the records that its error names.
func (eng *Engine) Status(ctx context.Context) (Status, error) {
	var unreadable error
	st := Status{Event: "status", Running: eng.Running(), Unfinished: []Unfinished{}, Guardians: guardians(eng.guardianDir()), Instances: []InstanceStatus{}}
	if st.Running {
		st.Run, _ = running.Read(eng.Config.StateDir) // that there is one counts more than what it is
	}
	if !st.Running { // a running one is unfinished by nature
		var runs []journal.Run
		runs, unreadable = journal.Unfinished(eng.journalDir())
		for _, r := range runs {
			st.Unfinished = append(st.Unfinished, Unfinished{string(r.ID), r.Instance, r.Started, r.MayBeLocked})
		}
	}
	entries, _ := eng.Catalog().List()
	states := eng.lockStates(ctx, "")
	for n, i := range eng.Config.Instances {
		is := states[n]
		for _, e := range entries {
			if !e.Manifest.Of(i.Name, i.URL) || e.Status != catalog.Complete {
				continue
			}
			if is.LastAt == nil {
				is.Last, is.LastAt = string(e.Manifest.ID), &e.Manifest.Created
			}
			if len(e.Damaged) > 0 {
				is.Damaged = append(is.Damaged, string(e.Manifest.ID))
			}
		}
		is.LastProven = eng.LastProven(i)
		st.Instances = append(st.Instances, is)
	}
	return st, unreadable
}

// askedAtOnce bounds how many instances are asked at the same time whether they are
// locked.
const askedAtOnce = 64

// lockStates asks all instances at the same time, in their order. at is the address to
// ask in place of the configured one, "" for none.
func (eng *Engine) lockStates(ctx context.Context, at string) []InstanceStatus {
	out := make([]InstanceStatus, len(eng.Config.Instances))
	var g errgroup.Group
	g.SetLimit(askedAtOnce)
	for n, i := range eng.Config.Instances {
		g.Go(func() error {
			out[n] = eng.lockState(ctx, i, at)
			return nil
		})
	}
	_ = g.Wait() // each has its error
	return out
}

func (eng *Engine) lockState(ctx context.Context, i *lang.Instance, at string) InstanceStatus {
	is := InstanceStatus{Address: i.Address}
	if unknown := eng.Config.Open()[i.Address]; len(unknown) > 0 {
		is.Error = strings.Join(unknown, " and ") + " not known to this shell, so Bitbucket was not asked"
		return is
	}
	client, err := eng.clientAt(i, cmp.Or(at, i.Addresses()[0]))
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
	is.Locked, is.Owner, is.Self = locked, owner.Name, owner.Self
	return is
}

// guardians is never nil: in JSON, none is an empty list.
func guardians(dir string) []guardian.Waiting {
	return append([]guardian.Waiting{}, guardian.WaitingIn(dir)...)
}
