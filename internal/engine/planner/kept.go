package planner

import (
	"fmt"
	"slices"
	"strings"

	"bkp/internal/problem"
	"bkp/providers"
)

// kept finds what would be captured and then lost: a part that no archive of the
// instance keeps, or that is in a part which is not captured. An empty backup is
// an error.
func kept(r Request) []Finding {
	if !slices.ContainsFunc(r.Parts, captures) {
		return []Finding{{r.Address, *problem.New("nothing to back up", "every part of "+r.Address+" is declared as backed up by other means: a backup would be empty",
			"declare what to back up, such as the home; or remove the instance")}}
	}
	var out []Finding
	for _, p := range r.Parts {
		switch {
		case slices.Contains(p.Definition.Yields(), providers.Contained):
			if p.Definition.NeedsAtomic && !r.holdsAtOnce(p) {
				out = append(out, Finding{p.Address, *problem.New("files of the database change while they are copied", p.Address+" is good only in a snapshot, and the home of "+r.Address+" is copied file by file",
					"declare a home that takes snapshots, or a database that is dumped")})
			}
			if !slices.ContainsFunc(r.Parts, holdsOthers) {
				out = append(out, Finding{p.Address, *problem.New("part is in nothing that is backed up", p.Address+" is contained in another part of "+r.Address+", and none of those is captured",
					"declare the strategy of the home that holds it")})
			}
		case captures(p) && len(r.keepers(p)) == 0:
			out = append(out, Finding{p.Address, *problem.New("no archive keeps a part",
				fmt.Sprintf("%s makes a %s artifact, and no archive of %s keeps those", p.Address, words(p.Definition.Yields()), r.Address), "declare an archive that keeps it")})
		}
	}
	return out
}

// captures reports whether a part captures something itself.
func captures(p Part) bool { return !slices.Contains(p.Definition.Yields(), providers.External) }

// holdsAtOnce reports whether p lies in a part that is captured at one instant.
func (r Request) holdsAtOnce(p Part) bool {
	return slices.ContainsFunc(r.Parts, func(o Part) bool {
		return holdsOthers(o) && o.Definition.Kind == p.Definition.Inside && o.Definition.Atomic
	})
}

// holdsOthers reports whether other parts may lie in a part.
func holdsOthers(p Part) bool {
	return captures(p) && !slices.Contains(p.Definition.Yields(), providers.Contained)
}

// keepers are the archives that keep what a part yields.
func (r Request) keepers(p Part) []string {
	var out []string
	for _, a := range r.Archives {
		if a.keeps(p) {
			out = append(out, a.Address)
		}
	}
	return out
}

// keeps reports whether the archive keeps what a part yields.
func (a Archive) keeps(p Part) bool {
	if s, ok := providers.As[providers.Chooser](a.Archiver); ok && !s.Keeps(p.Address) {
		return false
	}
	return slices.ContainsFunc(a.Definition.Takes(), func(l providers.Life) bool { return slices.Contains(p.Definition.Yields(), l) })
}

func words(lives []providers.Life) string {
	var out []string
	for _, l := range lives {
		out = append(out, string(l))
	}
	return strings.Join(out, " or ")
}
