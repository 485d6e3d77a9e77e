package planner

import (
	"context"

	"bkp/internal/engine/plan"
	"bkp/internal/records/retention"
	"bkp/providers"
)

// Store plans to go on with m, which was captured before: to finish what is
// pending, and to store all. Neither the instance nor what was captured is looked
// at, for nothing is asked of them any more.
func Store(ctx context.Context, r Request, m providers.Manifest) (Result, error) {
	p := &planning{Request: r, result: Result{Plan: plan.Plan{
		Instance: r.Name, Address: r.Address, URL: r.URL, Version: m.BitbucketVersion,
	}}}
	if err := p.lookAtArchives(ctx, func(Archive) providers.Estimate { return stored(m) }); err != nil {
		return p.result, err
	}
	for _, c := range p.archives {
		p.found(c.address, c.report.Findings...)
	}
	p.checkStateDir()
	p.checkSpace()
	err := p.layOutPrune(ctx, p.layOutStore(p.layOutPending(m)), retention.Item{ID: string(m.ID), Time: m.ID.Time(), Sizes: m.Sizes()})
	p.warnings()
	return p.result, err
}

// stored is how much of m other archives have; of what none has yet it is not
// known.
func stored(m providers.Manifest) providers.Estimate {
	var total providers.Estimate
	for _, a := range m.Artifacts {
		p, _ := m.Part(a.Address)
		total = total.Plus(providers.Estimate{Files: p.Files, Bytes: p.Bytes})
	}
	return total
}

// layOutPending writes the steps that finish what is pending, and make trees
// readable again.
func (p *planning) layOutPending(m providers.Manifest) (finished []plan.NodeID) {
	for _, a := range m.Artifacts {
		if a.Life != providers.Pending && !a.Remade() {
			continue
		}
		n := plan.NewNode(plan.Finish, a.Address, usual(providers.Finish, a.Address))
		p.result.Plan.After = append(p.result.Plan.After, n)
		finished = append(finished, n.ID)
	}
	return finished
}
