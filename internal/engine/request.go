package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bkp/internal/engine/plan"
	"bkp/internal/engine/planner"
	"bkp/internal/engine/prune"
	"bkp/internal/host"
	"bkp/internal/records/catalog"
	"bkp/lang"
	"bkp/providers"
)

// records are what the state folder says of earlier runs, read once for all
// instances.
type records struct {
	entries []catalog.Entry
	proven  map[catalog.Subject]catalog.Drill
	pins    map[providers.BackupID]catalog.Pin
	keys    map[string]catalog.KeyProof
}

// retained is what retention must know of an instance's backups.
func (r records) retained(i *lang.Instance) prune.Known {
	var last *catalog.Drill
	if d, ok := r.proven[catalog.Subject{Instance: i.Name, URL: i.URL}]; ok {
		last = &d
	}
	return prune.Collect(r.pins, last, r.entries, time.Now())
}

// records of an offline command are empty. What cannot be read is no reason not
// to plan: list reports it.
func (eng *Engine) records() records {
	if eng.Offline {
		return records{}
	}
	entries, _ := eng.Catalog().List()
	proven, err := eng.Catalog().Proven()
	if err != nil {
		eng.warnOfDrill(err)
	}
	pins, err := eng.Catalog().Pins()
	if err != nil {
		eng.warn("pins cannot be read, so that no backup will be removed: "+err.Error(), "repair or remove the file")
	}
	keys, err := eng.Catalog().Keys()
	if err != nil {
		eng.warn("proofs of keys cannot be read: "+err.Error(), "remove the file, and run the drills with --identity again")
	}
	return records{entries, proven, pins, keys}
}

func (eng *Engine) request(o *opened, known records) planner.Request {
	r := planner.Request{
		Name: o.instance.Name, Address: o.instance.Address, URL: o.instance.URL,
		DrainTimeout: o.instance.Lock.DrainTimeout, Budget: o.instance.Lock.Budget, Grace: o.instance.Lock.Grace,
		ZeroDowntime: o.instance.ZeroDowntime, MaxSkew: o.instance.MaxSkew,
		Observer: o.client, Parts: o.parts, Archives: o.archives, Copies: o.copies, Known: known.retained(o.instance), Refers: eng.refers(o.instance),
		Absent: o.instance.Absent,
		Open:   eng.Config.Open(), StateDir: eng.Config.StateDir, Disk: &host.Host{}, Now: time.Now,
	}
	r.AcceptChangedHome = eng.AcceptChangedHome || eng.accepted[o.instance.Name]
	if !eng.Offline {
		r.ProvenKeys = known.keys
		r.MaxProofAge = o.instance.Drill.MaxAge
		r.History, r.Elsewhere = known.history(o.instance)
		if d, ok := known.proven[catalog.Subject{Instance: o.instance.Name, URL: o.instance.URL}]; ok {
			r.LastProven = &plan.Proof{Backup: string(d.Backup), At: d.At}
		}
	}
	return r
}

// history are the good backups of an instance, and how many there are of others
// of its name, by their URL.
func (r records) history(i *lang.Instance) (own []providers.Manifest, elsewhere map[string]int) {
	elsewhere = map[string]int{}
	for _, e := range r.entries {
		switch m := e.Manifest; {
		case m.Of(i.Name, i.URL):
			own = append(own, m)
		case m.Instance == i.Name:
			elsewhere[m.URL]++
		}
	}
	return own, elsewhere
}

// interruptedBy replaces the bare cancellation of a signal by its reason.
func interruptedBy(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil && errors.Is(err, context.Canceled) && !errors.Is(err, ErrInterrupted) {
		return fmt.Errorf("%w: %w", ErrInterrupted, err)
	}
	return err
}
