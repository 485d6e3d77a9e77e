package planner

import (
	"fmt"
	"strings"

	"bkp/internal/plan"
	"bkp/providers"
)

// Offline lays out a plan without a look at anything: no check of a strategy
// is called, no instance observed, no folder read. The steps are those that
// the strategies offer; what is left to be checked is listed. r.Observer may
// be nil.
func Offline(r Request) (Result, error) {
	p := &planning{Request: r, result: Result{Plan: plan.Plan{
		Instance: r.Name, Address: r.Address, URL: r.URL, Facts: map[string]map[string]string{},
	}}}
	p.parts = make([]checked, len(p.Parts))
	p.archives = make([]checked, len(p.Archives))
	p.result.Findings = Lint(r)
	stored := p.layOut()
	if p.Retention != nil {
		args := pruneArgs(p.Retention.Policy)
		if err := p.addPrune(args, usualPrune(args), stored); err != nil {
			return p.result, err
		}
	}
	p.leaveUnchecked()
	p.warnings()
	return p.result, nil
}

func (p *planning) leaveUnchecked() {
	add := func(address, what string) {
		if names := p.Open[address]; len(names) > 0 {
			what += "; what the environment or files there say: " + strings.Join(names, ", ")
		}
		p.result.Plan.NotChecked = append(p.result.Plan.NotChecked, plan.NotChecked{Address: address, What: what})
	}
	add(p.instance(), "that it answers, its version, that the credentials are an administrator's, that it is not locked")
	for _, part := range p.Parts {
		switch kind(part.Address) {
		case providers.KindHome:
			add(part.Address, "that its folders are there and can be read, how much there is, the tools it needs")
		case providers.KindDatabase:
			add(part.Address, "that it can be reached, its version and identity, the permissions, how much there is, the tools it needs")
		default:
			add(part.Address, "what the strategy needs: tools, permissions, what is there")
		}
	}
	for _, a := range p.Archives {
		add(a.Address, "that the destination can be written, which backups are there, the tools it needs")
	}
	if p.Retention != nil && len(p.Open[p.Retention.Address]) > 0 {
		add(p.Retention.Address, "how many backups are too many")
	}
	add(stateAddress, "that the state folder can be written, free disk space, that the archives are on other disks than the home and outside of it")
}

func kind(address string) providers.Kind {
	k, _, _ := strings.Cut(address, ".")
	return providers.Kind(k)
}

// usual tells what a step does when no check could tell it precisely.
func usual(verb providers.Verb, address string) string {
	what := "state"
	if k := kind(address); k == providers.KindHome || k == providers.KindDatabase {
		what = string(k)
	}
	switch verb {
	case providers.Prepare:
		return "get the " + what + " ready, ahead of the lock"
	case providers.Capture:
		return "fix the point in time of the " + what
	case providers.Finish:
		return "write out the " + what + " as it was at that point in time"
	default:
		return string(verb)
	}
}

func (p *planning) usualStore(a Archive) string {
	if l, ok := a.Archiver.(providers.Located); ok && len(p.Open[a.Address]) == 0 {
		return "store in " + l.Destination()
	}
	return "store"
}

func usualPrune(a plan.PruneArgs) string {
	if a.KeepLast == 0 {
		return "remove the backups that are too many"
	}
	return fmt.Sprintf("keep the last %d, remove older ones", a.KeepLast)
}
