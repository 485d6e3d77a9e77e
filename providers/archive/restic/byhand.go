package restic

import (
	"maps"
	"slices"
	"strings"

	"bkp/internal/host"
	"bkp/providers"
)

var _ providers.ByHand = (*archive)(nil)

// ByHand implements providers.ByHand: each snapshot is restored into a folder of its
// own.
func (a *archive) ByHand(m providers.Manifest) (commands, needs []string) {
	stored, _ := m.In(a.env.Address)
	for _, address := range slices.Sorted(maps.Keys(stored.Parts)) {
		for _, o := range stored.Parts[address].Objects {
			for id := range strings.SplitSeq(o.Name, ",") {
				if id != "" {
					commands = append(commands, "restic --repo "+host.ShellWord(a.cfg.Repository)+" restore "+id+` --target "$work"/`+host.ShellWord(address)+"/"+id[:min(len(id), shortID)])
				}
			}
		}
	}
	return commands, []string{"restic", "the password of the repository", "the credentials of its store"}
}

// shortID is how long the ids are that restic itself shows.
const shortID = 8
