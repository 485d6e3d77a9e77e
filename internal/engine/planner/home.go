package planner

import (
	"slices"

	"bkp/internal/problem"
	"bkp/providers"
)

// compare asks the parts whether they are what earlier backups of the same
// instance hold. What the operator accepts becomes a warning, so that the plan
// shows it.
func (p *planning) compare() {
	p.result.Plan.AcceptChangedHome = p.AcceptChangedHome
	if p.AcceptChangedHome {
		p.found(p.instance(), *problem.Warn("a changed home is accepted", "--accept-changed-home was given: this backup is made even if most of the home is gone",
			"do not use it in unattended runs"))
	}
	for _, part := range p.Parts {
		for _, f := range part.Strategy.Compare(p.earlier(kind(part.Address))) {
			if p.AcceptChangedHome && f.Severity == problem.Error {
				f.Severity = problem.Warning
				f.Summary += " (accepted)"
			}
			p.found(part.Address, f)
		}
	}
}

// earlier are the artifacts of a kind in earlier backups, the newest first. An
// instance has one of each kind, whatever its address was then.
func (p *planning) earlier(k string) []providers.Earlier {
	var out []providers.Earlier
	for _, m := range newestFirst(p.History) {
		if !m.Of(p.Name, p.URL) {
			continue
		}
		for _, a := range m.Artifacts {
			if kind(a.Address) != k {
				continue
			}
			e := providers.Earlier{Artifact: a}
			if p, ok := m.Part(a.Address); ok {
				e.Copy = &p
			}
			out = append(out, e)
		}
	}
	return out
}

func newestFirst(history []providers.Manifest) []providers.Manifest {
	out := slices.Clone(history)
	slices.SortStableFunc(out, func(a, b providers.Manifest) int { return b.ID.Time().Compare(a.ID.Time()) })
	return out
}
