package planner

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"bkp/internal/problem"
	"bkp/providers"
)

// abroad refuses an archive that is to store trees of another machine, and cannot
// read them.
func (p *planning) abroad() {
	for _, part := range p.Parts {
		if !part.treesAbroad() {
			continue
		}
		for _, a := range p.Archives {
			if a.Definition.ReadsFar || a.Definition.StoresThere || !a.keeps(part) {
				continue
			}
			p.found(a.Address, *problem.New("archive cannot read another machine", fmt.Sprintf("%s runs on %s, and %s stores trees of this machine alone", part.Address, part.On, a.Definition.Name()),
				"use an archive that reads them: docs/guides/hosts.md names those"))
		}
	}
}

// treesAbroad reports whether the part's trees will lie on another machine.
func (p Part) treesAbroad() bool {
	return p.On != "" && slices.Contains(p.Definition.Yields(), providers.Staged)
}

// lookFromThere has an archive that is to be written by other machines checked from
// each of these, and says in its report who stores.
func (p *planning) lookFromThere(ctx context.Context, a Archive, r *providers.Report) error {
	w, ok := providers.As[providers.Worker](a.Archiver)
	if !ok || !a.Definition.StoresThere {
		return nil
	}
	first := map[string]string{} // the part by which a machine is asked
	for i, part := range p.Parts {
		failed := i < len(p.parts) && p.parts[i].report.Failed()
		if _, asked := first[part.On]; !asked && part.treesAbroad() && a.keeps(part) && !failed {
			first[part.On] = part.Address
		}
	}
	machines := slices.Sorted(maps.Keys(first))
	reports := make([]providers.Report, len(machines))
	g, ctx := errgroup.WithContext(ctx)
	for i, on := range machines {
		g.Go(func() error {
			report, err := w.CheckThere(ctx, first[on])
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err != nil {
				report.Add(problem.Wrap(err, "the store cannot be checked from the other machine", problem.Remedy(err)))
			}
			reports[i] = report
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	here := slices.Clone(r.Findings)
	for i, on := range machines {
		for _, f := range reports[i].Findings {
			if slices.ContainsFunc(here, func(have providers.Finding) bool { return have.Summary == f.Summary }) {
				continue // it is so from here, too
			}
			f.Detail = "from " + on + ": " + f.Detail
			r.Add(&f)
		}
	}
	if len(machines) > 0 && r.Does[providers.Store] != "" {
		r.Does[providers.Store] += ", straight from " + strings.Join(machines, ", ")
	}
	return nil
}
