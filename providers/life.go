package providers

import "slices"

// Life says how long an artifact lives and who keeps it. The table in
// docs/design/architecture.md says what follows from it.
type Life string

// The lives of an artifact.
const (
	// Transient artifacts can be finished by this process alone: an exported
	// database snapshot.
	Transient Life = "transient"
	// Pending artifacts outlive the process, and must still be finished: a
	// storage snapshot that is being written. Finish may be called again, in
	// another process.
	Pending Life = "pending"
	// Staged artifacts are trees on a host that an archive copies: a working
	// copy, a dump, a mounted snapshot.
	Staged Life = "staged"
	// Native artifacts are kept by their strategy until they are deleted.
	Native Life = "native"
	// Contained artifacts lie in another artifact of the same backup.
	Contained Life = "contained"
	// External artifacts stand for what somebody else backs up: nothing of them
	// is in the backup.
	External Life = "external"
)

// Yields is for a strategy whose finished artifacts may have one of these lives.
// Without it they are Staged.
func Yields(lives ...Life) Option { return func(d *Definition) { d.yields = lives } }

// Yields are the lives that a finished artifact may have.
func (d Definition) Yields() []Life {
	switch {
	case d.Empty:
		return []Life{External}
	case d.Inside != nil:
		return []Life{Contained}
	case d.yields == nil:
		return []Life{Staged}
	}
	return slices.Clone(d.yields)
}

// Takes is for an archive that keeps artifacts of these lives. Without it, it
// keeps Staged ones.
func Takes(lives ...Life) Option { return func(d *Definition) { d.takes = lives } }

// Takes are the lives of the artifacts that an archive keeps.
func (d Definition) Takes() []Life {
	if d.takes == nil {
		return []Life{Staged}
	}
	return slices.Clone(d.takes)
}
