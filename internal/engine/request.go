package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bkp/internal/engine/plan"
	"bkp/internal/engine/planner"
	"bkp/internal/host"
	"bkp/internal/records/catalog"
	"bkp/internal/records/retention"
	"bkp/lang"
	"bkp/providers"
)

// records are what the state folder says of earlier runs, read once for all
// instances.
type records struct {
	entries []catalog.Entry
	proven  map[catalog.Subject]catalog.Drill
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
	return records{entries, proven}
}

func (eng *Engine) request(o *opened, known records) planner.Request {
	r := planner.Request{
		Name: o.instance.Name, Address: o.instance.Address, URL: o.instance.URL,
		DrainTimeout: o.instance.Lock.DrainTimeout, Budget: o.instance.Lock.Budget, Grace: o.instance.Lock.Grace,
		Observer: o.client, Parts: o.parts, Archives: o.archives, Refers: eng.refers(o.instance),
		Open: eng.Config.Open(), StateDir: eng.Config.StateDir, Disk: &host.Host{}, Now: time.Now,
	}
	r.AcceptChangedHome = eng.AcceptChangedHome || eng.accepted[o.instance.Name]
	if !eng.Offline {
		r.MaxProofAge = o.instance.Drill.MaxAge
		r.History, r.Elsewhere = known.history(o.instance)
		if d, ok := known.proven[catalog.Subject{Instance: o.instance.Name, URL: o.instance.URL}]; ok {
			r.LastProven = &plan.Proof{Backup: string(d.Backup), At: d.At}
		}
	}
	if ret, ok := eng.Config.Retention(o.instance.Retention.Address); ok {
		r.Retention = &planner.Retention{Address: ret.Address, Policy: retention.Policy{KeepLast: ret.KeepLast, MinSize: ret.MinSize}}
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
