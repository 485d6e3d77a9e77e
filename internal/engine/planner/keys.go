package planner

import (
	"context"
	"fmt"
	"slices"

	"bkp/internal/problem"
	"bkp/providers"
)

// keys warns of recipients whose secret keys nobody has seen to decrypt anything:
// a key that is lost is noticed only when it is needed. Before the first encrypted
// backup there is nothing to prove it with. What is wrong with the recipients
// themselves the archive's check has said.
func (p *planning) keys(ctx context.Context) {
	for _, a := range p.Archives {
		e, ok := providers.As[providers.Encrypter](a.Archiver)
		if !ok {
			continue
		}
		recipients, err := e.Recipients(ctx)
		if err != nil {
			continue
		}
		for _, r := range recipients {
			if backup := p.newestFor(a.Address, r); backup != "" && p.ProvenKeys[r].At.IsZero() {
				p.found(a.Address, *problem.Warn("secret key was never proven",
					fmt.Sprintf("backups are encrypted for %s, and none was decrypted with its secret key in a drill", r),
					fmt.Sprintf("run a drill with the file of that key:\n\n    bkp verify --drill --identity FILE %s\n", backup)))
			}
		}
	}
}

// newestFor is the last backup that an archive has encrypted for a recipient, ""
// without one.
func (p *planning) newestFor(archive, recipient string) string {
	var newest providers.Manifest
	for _, m := range p.History {
		s, _ := m.In(archive)
		if s.Sealed != nil && slices.Contains(s.Sealed.Recipients, recipient) && m.Created.After(newest.Created) {
			newest = m
		}
	}
	return string(newest.ID)
}
