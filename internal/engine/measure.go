package engine

import (
	"context"
	"slices"
	"time"

	"bkp/internal/engine/figures"
	"bkp/internal/engine/watch"
	"bkp/internal/problem"
	"bkp/internal/records/catalog"
	"bkp/internal/records/journal"
	"bkp/lang"
	"bkp/providers"
)

// recordRun keeps how the last run of each kind ended, so that a drill does not
// forget what became of the last backup.
func (eng *Engine) recordRun(i *lang.Instance, of providers.Operation, began time.Time, err error, facts watch.Facts) error {
	r := catalog.Run{Began: began.UTC(), Ended: time.Now().UTC(), Succeeded: err == nil, Warnings: len(facts.Warnings), Window: facts.Window}
	if err != nil {
		r.Error = eng.hide(err.Error())
	}
	for _, s := range facts.Steps {
		r.Steps = append(r.Steps, catalog.RunStep{Address: s.Address, Phase: s.Phase, Took: s.Took})
	}
	if err := eng.Catalog().PutLastRun(catalog.Subject{Instance: i.Name, URL: i.URL}, string(of), r); err != nil {
		return problem.Wrap(err, "how the run ended was not recorded", "let the user that runs bkp write the state folder")
	}
	return nil
}

// measure gives the figures of an instance to monitoring, and returns what went
// wrong.
func (eng *Engine) measure(ctx context.Context, i *lang.Instance) []error {
	if eng.Offline || len(i.Metrics) == 0 {
		return nil
	}
	m := figures.Of(eng.standingOf(i))
	return eng.reportAll(ctx, i, "figures were not recorded", addressesOf(i.Metrics), func(ctx context.Context, made any) error {
		to, ok := made.(providers.Meter)
		if !ok {
			return problem.New("not a place for figures", i.Address, "")
		}
		return to.Record(ctx, m)
	})
}

// standingOf is what the records say of an instance. What cannot be read counts as not
// there: status and list report it.
func (eng *Engine) standingOf(i *lang.Instance) figures.Standing {
	st := figures.Standing{
		Instance: i.Name, URL: i.URL, Tool: eng.Version, MaxProofAge: i.Drill.MaxAge,
		Shelves: slices.Compact(addressesOf(i.Shelves())),
	}
	entries, _ := eng.Catalog().List()
	for _, e := range entries {
		if e.Manifest.Of(i.Name, i.URL) && e.Status != catalog.Superseded {
			st.Backups = append(st.Backups, e)
		}
	}
	st.Proven, _ = eng.Catalog().LastProven(i.Name, i.URL)
	st.Last, _ = eng.Catalog().LastRuns(catalog.Subject{Instance: i.Name, URL: i.URL})
	runs, unreadable := journal.Unfinished(eng.journalDir())
	st.MayBeLocked = unreadable != nil || slices.ContainsFunc(runs, func(r journal.Run) bool { return r.Instance == i.Name && r.MayBeLocked })
	return st
}
