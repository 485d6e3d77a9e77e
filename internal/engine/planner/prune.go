package planner

import (
	"fmt"

	"bkp/internal/engine/plan"
	"bkp/internal/problem"
	"bkp/internal/records/retention"
	"bkp/providers"
)

// thisBackup stands for the backup that the plan is about.
const thisBackup = "this backup"

// asItem is that backup, as large as it is likely to be.
func (p *planning) asItem() retention.Item {
	sizes := map[string]int64{}
	for i, c := range p.parts {
		if about(p.Parts[i].Definition).Measured {
			sizes[providers.SizeBytes(c.address)] = c.report.Estimate.Bytes
			if n := c.report.Repositories; n != nil {
				sizes[providers.SizeRepositories(c.address)] = int64(*n)
			}
		}
	}
	return retention.Item{ID: thisBackup, Sizes: sizes}
}

func pruneArgs(p retention.Policy) plan.PruneArgs {
	return plan.PruneArgs{KeepLast: p.KeepLast, MinSize: p.MinSize, Remove: []string{}}
}

// warnOfSmall is for the nights after one that the operator accepted.
func (p *planning) warnOfSmall(keep []retention.Decision) {
	for _, d := range keep {
		if d.ID == thisBackup && d.Small != "" {
			p.found(p.Retention.Address, *problem.Warn("this backup is suspiciously small", d.Small+": keep_last does not count it, so that larger backups are kept",
				"check that all file systems of the home are mounted; if it is as small as it should be, lower min_size until the larger backups have been removed"))
		}
	}
}

// smallText names the newest of the backups that do not count.
func smallText(keep []retention.Decision) string {
	n, text := 0, ""
	for _, d := range keep {
		if d.Small == "" {
			continue
		}
		if n++; n == 1 {
			text = fmt.Sprintf("; %s does not count, it is suspiciously small (%s)", d.ID, d.Small)
		}
	}
	if n > 1 {
		text += fmt.Sprintf(", and %d more", n-1)
	}
	return text
}
