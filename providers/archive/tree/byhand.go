package tree

import (
	"bkp/internal/host"
	"bkp/providers"
	"bkp/providers/archive/internal/shelf"
	"bkp/providers/archive/place"
)

var _ providers.ByHand = (*archive)(nil)

// ByHand implements providers.ByHand.
func (a *archive) ByHand(m providers.Manifest) (commands, needs []string) {
	stored, _ := m.In(a.env.Address)
	folder := `"$work"/` + host.ShellWord(string(m.ID))
	commands = append(commands, "mkdir -p "+folder)
	for _, address := range shelf.SortedParts(stored) {
		for _, o := range stored.Parts[address].Objects {
			at := host.ShellWord(a.place.At(place.Name(m.ID, o.Name)))
			if o.Name == stored.Parts[address].Objects[0].Name {
				commands = append(commands, "cp --archive --reflink=auto "+at+" "+folder+"/")
				continue
			}
			commands = append(commands, "echo "+host.ShellWord(o.SHA256+"  "+a.place.At(place.Name(m.ID, o.Name)))+" | sha256sum --check")
		}
	}
	return commands, nil
}
