package planner

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

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

// layOutPrune names, for each archive, the backups that its retention will not
// keep once this one is stored.
func (p *planning) layOutPrune(ctx context.Context, stored []plan.NodeID, this retention.Item) error {
	for _, a := range p.Archives {
		if a.Retention == nil {
			continue
		}
		items, findings, err := p.Known.Items(ctx, a.Address, a.Archiver, p.Name, p.URL)
		if err != nil && ctx.Err() != nil {
			return err
		}
		if err != nil {
			continue // the archive's own check reports it
		}
		p.warn(a.Address, findings)
		if err := p.layOutPruneOf(a, stored, withThis(items, this, p.Now())); err != nil {
			return err
		}
	}
	return nil
}

// withThis adds this backup, which may be stored there already. Without a time it
// is the newest, as its id will be: a clock that was ahead once has left ids that
// are later than now.
func withThis(items []retention.Item, this retention.Item, now time.Time) []retention.Item {
	if this.Time.IsZero() {
		this.Time = now
		for _, other := range items {
			if !this.Time.After(other.Time) {
				this.Time = other.Time.Add(time.Second)
			}
		}
	}
	out := []retention.Item{this}
	for _, it := range items {
		if it.ID != this.ID {
			out = append(out, it)
		}
	}
	return out
}

func (p *planning) layOutPruneOf(a Archive, stored []plan.NodeID, items []retention.Item) error {
	decisions, err := retention.Decide(a.Retention.Policy, items, p.Now())
	if err != nil {
		return err
	}
	p.warnOfSmall(a, decisions)
	var remove []string
	for _, d := range decisions {
		if !d.Keep {
			remove = append(remove, d.ID)
		}
	}
	text := pruneText(a.Retention.Policy, len(items)-1, remove) + smallText(decisions)
	if limit := a.Retention.Policy.MaxDelete; limit > 0 && len(remove) > limit {
		p.found(a.Address, *tooMany(a.Retention.Address, len(remove), limit))
		text = fmt.Sprintf("remove nothing: %d backups would go, and max_delete is %d", len(remove), limit)
		remove = nil
	}
	return p.addPrune(a, remove, text, stored)
}

// tooMany warns of a retention that would remove more than it may.
func tooMany(address string, count, limit int) *problem.Problem {
	return problem.Warn("retention would remove too many backups",
		fmt.Sprintf("%s removes %s, and max_delete allows %d in one run; none is removed", address, problem.Counted(count, "backup"), limit),
		fmt.Sprintf("look at what it would remove; if that is right, remove them once by\n\n    bkp prune --max-delete %d", count))
}

func (p *planning) addPrune(a Archive, remove []string, does string, stored []plan.NodeID) error {
	policy, err := json.Marshal(a.Retention.Policy)
	if err != nil {
		return err
	}
	raw, err := json.Marshal(plan.PruneArgs{Retention: a.Retention.Address, Policy: policy, Remove: append([]string{}, remove...)})
	if err != nil {
		return err
	}
	n := plan.NewNode(plan.Prune, a.Address, does, stored...)
	n.Args = raw
	p.result.Plan.After = append(p.result.Plan.After, n)
	return nil
}

func pruneText(policy retention.Policy, have int, remove []string) string {
	text := fmt.Sprintf("keep %s; %d there now", policy, have)
	switch len(remove) {
	case 0:
		return text + ", none to remove"
	case 1:
		return text + ", remove " + remove[0]
	default:
		return fmt.Sprintf("%s, remove %s and %d more", text, remove[0], len(remove)-1)
	}
}

const thisIsSmall = "this backup is suspiciously small"

// warnOfSmall is for the nights after one that the operator accepted.
func (p *planning) warnOfSmall(a Archive, decisions []retention.Decision) {
	for _, d := range decisions {
		said := slices.ContainsFunc(p.result.Findings, func(f Finding) bool { return f.Summary == thisIsSmall })
		if d.ID == thisBackup && d.Small != "" && !said {
			p.found(a.Retention.Address, *problem.Warn(thisIsSmall, d.Small+": it does not count as a good one, so that larger ones stay",
				"check that all file systems of the home are mounted; if it is as small as it should be, lower min_size until the larger backups have been removed"))
		}
	}
}

// smallText names the newest of the backups that are kept and do not count.
func smallText(decisions []retention.Decision) string {
	n, text := 0, ""
	for _, d := range decisions {
		if d.Small == "" || !d.Keep {
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
