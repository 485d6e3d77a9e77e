package planner

import (
	"fmt"
	"slices"

	"bkp/internal/problem"
	"bkp/providers"
)

// abroad refuses an archive that is to store trees of another machine, and cannot
// read them.
func (p *planning) abroad() {
	for _, part := range p.Parts {
		if part.On == "" || !slices.Contains(part.Definition.Yields(), providers.Staged) {
			continue
		}
		for _, a := range p.Archives {
			if a.Definition.ReadsFar || !a.keeps(part) {
				continue
			}
			p.found(a.Address, *problem.New("archive cannot read another machine", fmt.Sprintf("%s runs on %s, and %s stores trees of this machine alone", part.Address, part.On, a.Definition.Name()),
				"use an archive that reads them: docs/guides/hosts.md names those"))
		}
	}
}
