package planner

import (
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"bkp/internal/problem"
)

// Lint reports risky combinations that the configuration alone shows. It
// touches nothing, so that a reviewer's machine can do it too. Plan begins
// with it.
func Lint(r Request) []Finding {
	var out []Finding
	found := func(address string, p *problem.Problem) { out = append(out, Finding{address, *p}) }
	if host, ok := plainHost(r.URL); ok {
		found(r.Address, problem.Warn("credentials travel in plain text",
			fmt.Sprintf("bkp talks to %s over http, and anyone on the network path can read the password", host), "use https in url"))
	}
	out = append(out, kept(r)...)
	out = append(out, live(r)...)
	out = append(out, lintNodes(r)...)
	targets := r.targets()
	for _, a := range r.Archives {
		if a.Retention == nil && !a.Definition.Empty {
			found(a.Address, problem.Warn("no retention", "backups will pile up there until the storage is full", "add retention = retention.NAME to the instance or to the archive"))
		}
	}
	for _, address := range slices.Sorted(maps.Keys(targets)) {
		for _, source := range r.sources() {
			if below(targets[address], source) {
				found(address, nested(targets[address], source))
			}
		}
	}
	return out
}

// plainHost is the host of a URL that is neither encrypted nor this machine.
func plainHost(text string) (string, bool) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" || u.Hostname() == "localhost" {
		return "", false
	}
	if ip, err := netip.ParseAddr(u.Hostname()); err == nil && ip.IsLoopback() {
		return "", false
	}
	return u.Hostname(), true
}

// sources are the folders of this machine that are backed up.
func (r Request) sources() []string {
	var out []string
	for _, part := range r.Parts {
		if part.On == "" && len(r.Open[part.Address]) == 0 {
			out = append(out, part.Strategy.Paths().Live...)
		}
	}
	return out
}

// targets are the folders of this machine that a run fills, by address: the
// state folder and the archives. As of sources, those are left out whose
// values are out of reach.
func (r Request) targets() map[string]string {
	out := map[string]string{stateAddress: r.StateDir}
	for _, a := range r.Archives {
		if folder := a.Archiver.Destination().Folder; folder != "" && len(r.Open[a.Address]) == 0 {
			out[a.Address] = folder
		}
	}
	return out
}

// stateAddress stands for the state folder in findings.
const stateAddress = "bkp"

// nested refuses an archive or a state folder inside what is backed up: each
// run would back up the one before.
func nested(target, source string) *problem.Problem {
	return problem.New("folder inside the home", fmt.Sprintf("%s lies inside %s, which is backed up", target, source),
		"choose a folder outside, preferably on another disk")
}

// below compares paths by their names alone.
func below(path, folder string) bool {
	rel, err := filepath.Rel(folder, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}
