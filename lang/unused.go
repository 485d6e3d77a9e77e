package lang

import "slices"

// unused warns of blocks to which nothing refers: a new archive that no instance names
// is one that nothing is stored in. A block with for_each is one, unless only some of
// what it stands for is used.
func (l *loader) unused() {
	if l.diags.HasErrors() || l.incomplete {
		return // who refers to what is not known
	}
	for _, v := range l.vertices {
		var addresses []string
		for _, c := range v.components {
			addresses = append(addresses, c.Address)
		}
		for _, r := range v.retentions {
			addresses = append(addresses, r.Address)
		}
		left := slices.DeleteFunc(slices.Clone(addresses), func(a string) bool { return l.used[a] })
		if len(left) == len(addresses) && len(left) > 1 {
			left = []string{v.address()}
		}
		for _, address := range left {
			l.config.review = append(l.config.review, warningAt(&v.rng, "Block is not used",
				"Nothing refers to "+address+", so that it has no effect.", "Refer to it, or remove it."))
		}
	}
}
