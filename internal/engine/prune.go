package engine

import (
	"context"
	"fmt"
	"slices"
	"time"

	"bkp/internal/engine/planner"
	"bkp/internal/engine/prune"
	"bkp/internal/event"
	"bkp/internal/problem"
	"bkp/internal/records/retention"
	"bkp/lang"
	"bkp/providers"
)

// PruneRequest says where retention is to be carried out.
type PruneRequest struct {
	// Instances are names, none for all; Archive is an address, "" for all.
	Instances []string
	Archive   string
	// MaxDelete, if not nil, is used instead of max_delete of the configuration.
	MaxDelete *int
	// Preview, if not 0, is how far the forecast looks; see Pruning.Ahead.
	Preview time.Duration
}

// Pruning is what the retention of one archive decides about the backups of one
// instance.
type Pruning struct {
	Instance  string `json:"instance"`
	Archive   string `json:"archive"`
	Retention string `json:"retention"`
	// Rules is the policy in words.
	Rules     string               `json:"rules"`
	Decisions []retention.Decision `json:"-"`
	// Ahead is what becomes of the backups if one follows every Every.
	Ahead retention.Ahead `json:"-"`
	Every time.Duration   `json:"every_ns"`

	archiver providers.Archiver
}

// Removes are the ids of the backups to remove.
func (p Pruning) Removes() []providers.BackupID {
	var out []providers.BackupID
	for _, d := range p.Decisions {
		if !d.Keep {
			out = append(out, providers.BackupID(d.ID))
		}
	}
	return out
}

// lookAhead is how far kept-until is worked out.
const lookAhead = 5 * 366 * 24 * time.Hour

// PlanPrune decides about every backup in the archives that have a retention. It
// changes nothing. Archives that cannot be read are an error.
func (eng *Engine) PlanPrune(ctx context.Context, r PruneRequest) ([]Pruning, error) {
	instances, err := eng.Instances(r.Instances)
	if err != nil {
		return nil, err
	}
	if err := knownArchive(r.Archive, instances); err != nil {
		return nil, err
	}
	var out []Pruning
	for _, i := range instances {
		o, err := eng.open(i, event.Discard{}, 1)
		if err != nil {
			return nil, err
		}
		of, err := eng.pruningsOf(ctx, r, i, o.shelves())
		o.close()
		if err != nil {
			return nil, interruptedBy(ctx, err)
		}
		out = append(out, of...)
	}
	if len(out) == 0 {
		return nil, problem.New("nothing is pruned", "no archive that was asked for has a retention", "add retention = retention.NAME to the instance or to the archive")
	}
	return out, nil
}

// knownArchive refuses an address that is none of an archive of the instances; "" is
// all of them.
func knownArchive(address string, instances []*lang.Instance) error {
	var known []string
	for _, i := range instances {
		known = append(known, addressesOf(i.Shelves())...)
	}
	if address == "" || slices.Contains(known, address) {
		return nil
	}
	slices.Sort(known)
	return unknown("archive", address, slices.Compact(known))
}

func (eng *Engine) pruningsOf(ctx context.Context, r PruneRequest, i *lang.Instance, archives []planner.Archive) ([]Pruning, error) {
	known, err := prune.Read(eng.Catalog(), i.Name, i.URL, time.Now())
	if err != nil {
		return nil, problem.Wrap(err, "the catalog cannot be read", "repair or remove the file: until then nothing is removed")
	}
	var out []Pruning
	for _, a := range archives {
		if a.Retention == nil || r.Archive != "" && r.Archive != a.Address {
			continue
		}
		p, err := eng.pruning(ctx, r, i, a, known)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

func (eng *Engine) pruning(ctx context.Context, r PruneRequest, i *lang.Instance, a planner.Archive, known prune.Known) (Pruning, error) {
	p := Pruning{Instance: i.Name, Archive: a.Address, Retention: a.Retention.Address, Rules: a.Retention.Policy.String(), archiver: a.Archiver}
	items, findings, err := known.Items(ctx, a.Address, a.Archiver, i.Name, i.URL)
	if err != nil {
		return p, fmt.Errorf("%s: %w", a.Address, err)
	}
	for _, f := range findings {
		eng.warn(a.Address+": "+f.Summary+": "+f.Detail, f.Remedy)
	}
	now, policy := time.Now(), a.Retention.Policy
	if r.MaxDelete != nil {
		policy.MaxDelete = *r.MaxDelete
	}
	if p.Decisions, err = retention.Decide(policy, items, now); err != nil {
		return p, err
	}
	if n := len(p.Removes()); r.Preview == 0 && policy.MaxDelete > 0 && n > policy.MaxDelete {
		return p, problem.New("retention would remove too many backups",
			fmt.Sprintf("%s removes %s from %s, and max_delete allows %d in one run", p.Retention, problem.Counted(n, "backup"), a.Address, policy.MaxDelete),
			fmt.Sprintf("look at what it would remove:\n\n    bkp prune --preview 1d\n\nand if that is right:\n\n    bkp prune --max-delete %d", n))
	}
	p.Every = retention.Interval(items)
	span := lookAhead
	if r.Preview > 0 {
		span = r.Preview
		p.Every = max(p.Every, (span / retention.MaxSteps).Round(time.Hour))
	}
	p.Ahead, err = retention.Look(policy, items, now, p.Every, span)
	return p, err
}

// Prune removes what was decided, and returns how many backups are gone. The
// caller holds the run lock.
func (eng *Engine) Prune(ctx context.Context, plan []Pruning) (int, error) {
	gone := 0
	var failed []error
	for _, i := range eng.Config.Instances {
		of := slices.DeleteFunc(slices.Clone(plan), func(p Pruning) bool { return p.Instance != i.Name })
		if len(of) == 0 {
			continue
		}
		n, err := eng.pruneOf(ctx, i, of)
		gone += n
		if err != nil {
			failed = append(failed, err)
		}
	}
	return gone, interruptedBy(ctx, problem.Join(failed...))
}

// pruneOf is Prune for one instance.
func (eng *Engine) pruneOf(ctx context.Context, i *lang.Instance, plan []Pruning) (gone int, err error) {
	w := eng.watch(ctx, i, providers.OfPrune, nil, eng.warnOf)
	defer func() { w.end(ctx, err) }()
	var failed []error
	for _, p := range plan {
		removed, err := prune.Remove(ctx, eng.Catalog(), p.Archive, p.archiver, p.Removes())
		for _, id := range removed {
			w.removed = append(w.removed, string(id))
		}
		if err != nil {
			failed = append(failed, err)
		}
	}
	return len(w.removed), problem.Join(failed...)
}

// NotPruned notifies that retention was not carried out because of err.
func (eng *Engine) NotPruned(ctx context.Context, targets []string, err error) {
	instances, unknown := eng.Instances(targets)
	if unknown != nil || ctx.Err() != nil {
		return
	}
	var ends []ending
	for _, i := range instances {
		ends = append(ends, ending{i, err})
	}
	eng.endAll(ctx, providers.OfPrune, ends)
}

// Compact removes what no backup needs from the archives of a plan that give no space
// back by themselves, and returns their addresses. It may take hours. The caller holds
// the run lock.
func (eng *Engine) Compact(ctx context.Context, plan []Pruning) ([]string, error) {
	var done []string
	var failed []error
	seen := map[string]bool{}
	for _, p := range plan {
		c, ok := providers.As[providers.Compacter](p.archiver)
		at := p.archiver.Destination().Name
		if !ok || seen[at] {
			continue
		}
		seen[at] = true
		if err := c.Compact(ctx); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", p.Archive, err))
			continue
		}
		done = append(done, p.Archive)
	}
	return done, interruptedBy(ctx, problem.Join(failed...))
}

// Held returns why a backup is kept whatever its retention says, "" if nothing
// holds it.
func (eng *Engine) Held(id providers.BackupID) string {
	pins, err := eng.Catalog().Pins()
	if pin, ok := pins[id]; err == nil && ok && pin.Holds(time.Now()) {
		return pin.String()
	}
	return ""
}

// KnownBackup refuses an id that neither the catalog nor an archive knows.
func (eng *Engine) KnownBackup(ctx context.Context, id providers.BackupID) error {
	_, err := eng.Entry(ctx, id)
	return err
}
