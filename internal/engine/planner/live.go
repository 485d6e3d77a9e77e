package planner

import (
	"fmt"

	"github.com/hashicorp/go-version"

	"bkp/internal/problem"
	"bkp/providers"
)

// live finds what keeps an instance from being backed up without a lock: every part
// has to be of one instant by itself, or lie in one that is.
func live(r Request) []Finding {
	if !r.ZeroDowntime {
		return nil
	}
	var out []Finding
	for _, p := range r.Parts {
		if detail := r.notAtOnce(p); detail != "" {
			out = append(out, Finding{p.Address, *problem.New("no backup without a lock", detail,
				"remove zero_downtime from "+r.Address+", or declare a home that takes snapshots of its storage and a database that is captured at one instant")})
		}
	}
	return out
}

// notAtOnce says why a part is not of one instant while users work; "" if it is.
func (r Request) notAtOnce(p Part) string {
	d := p.Definition
	switch {
	case !captures(p):
		return p.Address + " is backed up by other means, at an instant that bkp does not know"
	case d.NeedsAtomic, d.Live: // what holds the first has to be live itself, or is refused
		return ""
	case d.Atomic:
		return fmt.Sprintf("%s is captured by %s, whose snapshots may lack what was written and had not reached the disk yet, such as the objects of a push", p.Address, d.Name())
	case d.Inside != nil:
		return p.Address + " writes its files in the home while they are captured, and may not be readable afterwards"
	default:
		return fmt.Sprintf("%s is captured by %s, which takes no instant while users write", p.Address, d.Name())
	}
}

// firstLive is the first version of Bitbucket whose integrity checks bring home and
// database together after a restore (Atlassian, "Using Bitbucket Zero Downtime
// Backup").
var firstLive = version.Must(version.NewVersion("4.8"))

// tooOldForLive says that the instance must be locked. Without an answer of the
// instance there is no version, which is a finding of its own.
func (p *planning) tooOldForLive(running string) []providers.Finding {
	if !p.ZeroDowntime || running == "" {
		return nil
	}
	v, err := version.NewVersion(running)
	if err == nil && v.Core().GreaterThanOrEqual(firstLive) {
		return nil
	}
	return []providers.Finding{*problem.New("Bitbucket is too old for a backup without a lock", fmt.Sprintf("%s runs version %s, and only %s or newer repairs what users changed during the capture", p.URL, running, firstLive),
		"remove zero_downtime")}
}
