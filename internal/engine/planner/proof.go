package planner

import (
	"fmt"
	"time"

	"bkp/internal/engine/plan"
	"bkp/internal/problem"
)

// proof shows which restore was proven last, and warns when that is too long
// ago. Before the first backup there is nothing to prove.
func (p *planning) proof() {
	p.result.Plan.LastProven = p.LastProven
	if p.MaxProofAge == 0 || len(p.History) == 0 {
		return
	}
	remedy := fmt.Sprintf("prove the newest backup, preferably on a schedule; or set max_age in the drill block of %s:\n\n    bkp verify --drill %s\n", p.Address, p.newest())
	if p.LastProven == nil {
		p.found(p.instance(), *problem.Warn("no backup has been proven to restore", fmt.Sprintf("backups of %s: %d, and none was restored on trial", p.Address, len(p.History)), remedy))
		return
	}
	if age := p.Now().Sub(p.LastProven.At); age > p.MaxProofAge {
		p.found(p.instance(), *problem.Warn("the last proven restore is old",
			fmt.Sprintf("%s was restored on trial %s ago, and max_age is %s", p.LastProven.Backup, age.Round(time.Minute), plan.Duration(p.MaxProofAge).Short()), remedy))
	}
}

// newest is the id of the last backup.
func (p *planning) newest() string {
	newest := p.History[0].ID
	for _, m := range p.History {
		if m.ID.Time().After(newest.Time()) {
			newest = m.ID
		}
	}
	return string(newest)
}
