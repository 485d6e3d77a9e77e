package planner

import (
	"cmp"
	"fmt"
	"strings"

	"bkp/internal/engine/plan"
	"bkp/internal/records/retention"
	"bkp/providers"
)

// Offline lays out a plan without a look at anything: no check of a strategy
// is called, no instance observed, no folder read. The steps are those that
// the strategies offer; what is left to be checked is listed. r.Observer may
// be nil.
func Offline(r Request) (Result, error) {
	p := &planning{Request: r, result: Result{Plan: plan.Plan{
		Instance: r.Name, Address: r.Address, URL: r.URL, Facts: map[string]map[string]string{}, Refers: r.Refers, Absent: r.Absent,
	}}}
	p.parts = make([]checked, len(p.Parts))
	p.archives = make([]checked, len(p.Archives))
	p.result.Findings = Lint(r)
	stored := p.layOut()
	for _, a := range p.Archives {
		if a.Retention == nil {
			continue
		}
		if err := p.addPrune(a, nil, usualPrune(a.Retention.Policy), stored); err != nil {
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
		add(part.Address, cmp.Or(about(part.Definition).Unchecked, unchecked))
	}
	for _, a := range p.Archives {
		add(a.Address, cmp.Or(about(a.Definition).Unchecked, unchecked))
	}
	for address := range p.retentions() {
		if len(p.Open[address]) > 0 {
			add(address, "which backups retention removes")
		}
	}
	add(stateAddress, "that the state folder can be written, free disk space, that the archives are on other disks than the home and outside of it")
}

// kind is the name of the kind of the component at an address.
func kind(address string) string {
	k, _, _ := strings.Cut(address, ".")
	return k
}

// about is what is known of the kind of a strategy.
func about(d providers.Definition) providers.About {
	if d.Kind == nil {
		return providers.About{}
	}
	return d.Kind.About()
}

// unchecked is for a kind without a text of its own for what could not be checked.
const unchecked = "what the strategy needs: tools, permissions, what is there"

// usual says what a step does when no check could describe it precisely.
func usual(verb providers.Verb, address string) string {
	what := strings.ReplaceAll(kind(address), "_", " ")
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
	if at := a.Archiver.Destination().Name; at != "" && len(p.Open[a.Address]) == 0 {
		return "store in " + at
	}
	return "store"
}

// retentions are the addresses of the blocks by which archives are pruned.
func (p *planning) retentions() map[string]bool {
	out := map[string]bool{}
	for _, a := range p.Archives {
		if a.Retention != nil {
			out[a.Retention.Address] = true
		}
	}
	return out
}

func usualPrune(policy retention.Policy) string {
	if policy.Empty() {
		return "remove the backups that retention does not keep"
	}
	return fmt.Sprintf("keep %s, remove the others", policy)
}
