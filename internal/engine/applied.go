package engine

import (
	"path/filepath"
	"time"

	"bkp/internal/engine/plan"
	"bkp/internal/records/leftover"
	"bkp/providers"
)

// appliedPlan is the newest saved plan that made a backup of an instance. That
// plan, and every older one, is stale: what it would remove, and what it says of
// the lock window, was decided before that backup was there.
type appliedPlan struct {
	Created time.Time          `json:"created"`
	Backup  providers.BackupID `json:"backup"`
}

// ahead reports whether the clock was wrong when the plan was made, or is wrong now.
func (a appliedPlan) ahead(now time.Time) bool { return a.Created.After(now.Add(clockTolerance)) }

// covers reports whether a plan made at that time is stale by a. One that is ahead of
// the clock counts for itself alone: every other would be older until the clock has
// caught up.
func (a appliedPlan) covers(created, now time.Time) bool {
	if a.ahead(now) {
		return created.Equal(a.Created)
	}
	return !created.After(a.Created)
}

func (eng *Engine) appliedPath() string { return filepath.Join(eng.Config.StateDir, "applied.json") }

// applied are the newest applied plans, by instance and URL.
func (eng *Engine) applied() (map[string]appliedPlan, error) {
	known := map[string]appliedPlan{}
	_, err := leftover.Load(eng.appliedPath(), &known)
	return known, err
}

func subject(p plan.Plan) string { return p.Instance + " " + p.URL }

// remember records that a saved plan made a backup. The caller holds the run lock.
func (eng *Engine) remember(saved plan.File, p plan.Plan, id providers.BackupID) error {
	known, err := eng.applied()
	if err != nil {
		return err
	}
	if last := known[subject(p)]; saved.Created.After(last.Created) || last.ahead(time.Now()) {
		known[subject(p)] = appliedPlan{saved.Created, id}
	}
	return leftover.Save(eng.appliedPath(), known)
}

// appliedAlready are the backups that were made from the plan, or from a later
// one.
func (eng *Engine) appliedAlready(saved plan.File) ([]plan.Change, error) {
	known, err := eng.applied()
	var out []plan.Change
	for _, p := range saved.Plans {
		if last, ok := known[subject(p)]; ok && last.covers(saved.Created, time.Now()) {
			out = append(out, plan.Change{Ground: plan.GroundFacts, Address: p.Address, Key: "applied as", New: string(last.Backup), Added: true})
		}
	}
	return out, err
}
