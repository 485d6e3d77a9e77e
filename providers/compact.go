package providers

import "context"

// Compacter is an archiver whose Delete gives no space back by itself: what several
// backups share stays until somebody looks for what none of them needs.
type Compacter interface {
	// Compact removes what no backup needs, and what nobody else in the same
	// destination does. It may take hours, and nothing can be stored meanwhile, so it is
	// no part of a run that makes a backup. It is bounded: what is left when it
	// returns without an error is for the next time. When it is killed, no backup is
	// harmed.
	Compact(ctx context.Context) error
}
