package planner

import (
	"slices"
	"strings"
	"sync"

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
	for i, found := range p.compared() {
		part := p.Parts[i]
		for _, f := range found {
			if p.AcceptChangedHome && f.Severity == problem.Error {
				f.Severity = problem.Warning
				f.Summary += " (accepted)"
			}
			p.found(part.Address, f)
		}
	}
}

// compared is what each part finds in comparing itself with earlier backups. All are
// asked at once: each on another machine answers after a way there and back.
func (p *planning) compared() [][]providers.Finding {
	out := make([][]providers.Finding, len(p.Parts))
	var all sync.WaitGroup
	for i, part := range p.Parts {
		all.Go(func() { out[i] = part.Strategy.Compare(p.earlier(part)) })
	}
	all.Wait()
	return out
}

// earlier are the artifacts of a part in earlier backups, the newest first. An
// instance has one of most kinds, whatever its address was then; where it has
// several, the name counts, whatever the strategy was.
func (p *planning) earlier(part Part) []providers.Earlier {
	same := func(address string) bool { return kind(address) == kind(part.Address) }
	if about(part.Definition).Several {
		same = func(address string) bool {
			return kind(address) == kind(part.Address) && named(address) == named(part.Address)
		}
	}
	var out []providers.Earlier
	for _, m := range newestFirst(p.History) {
		if !m.Of(p.Name, p.URL) {
			continue
		}
		for _, a := range m.Artifacts {
			if !same(a.Address) {
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

// named is the name of the component at an address, with its key.
func named(address string) string {
	_, rest, _ := strings.Cut(address, ".")
	_, name, _ := strings.Cut(rest, ".")
	return name
}

func newestFirst(history []providers.Manifest) []providers.Manifest {
	out := slices.Clone(history)
	slices.SortStableFunc(out, func(a, b providers.Manifest) int { return b.ID.Time().Compare(a.ID.Time()) })
	return out
}
