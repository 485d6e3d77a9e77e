package planner

import (
	"context"

	"bkp/internal/plan"
	"bkp/internal/retention"
	"bkp/providers"
)

// Store plans to store m, which was captured before: archives and retention
// alone. Neither the instance nor what was captured is looked at, for nothing
// is asked of them any more.
func Store(ctx context.Context, r Request, m providers.Manifest) (Result, error) {
	p := &planning{Request: r, result: Result{Plan: plan.Plan{
		Instance: r.Name, Address: r.Address, URL: r.URL, Version: m.BitbucketVersion,
	}}}
	var total providers.Estimate
	for _, a := range m.Artifacts {
		total = total.Plus(providers.Estimate{Files: a.Files, Bytes: a.Bytes})
	}
	if err := p.lookAtArchives(ctx, total); err != nil {
		return p.result, err
	}
	for _, c := range p.archives {
		p.found(c.address, c.report.Findings...)
	}
	p.checkStateDir()
	p.checkSpace()
	err := p.layOutPrune(ctx, p.layOutStore(nil), retention.Item{ID: string(m.ID), Time: m.ID.Time(), Sizes: m.Sizes()})
	p.warnings()
	return p.result, err
}
