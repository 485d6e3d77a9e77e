package providers

import "context"

// Shelf is whatever keeps backups: an archive, or a strategy whose snapshots stay
// with it.
type Shelf interface {
	// List returns the manifests of complete backups of the instance that it was
	// opened for, newest first; without a name in Env.Instance, of all. What cannot
	// be read is a finding, not an error.
	List(ctx context.Context) ([]Manifest, []Finding, error)

	// Verify looks whether the backup is there and whole, as far as that can be
	// known. Damage is a finding of severity error, and a warning says that there
	// are no digests; an unknown id is an error that wraps ErrNotFound. One that wraps
	// ErrNoIdentity says that the digests fit, and that the identities of this run do
	// not decrypt it.
	Verify(ctx context.Context, b BackupID) ([]Finding, error)

	// Delete removes the backup. Idempotent.
	Delete(ctx context.Context, b BackupID) error
}

// Archiver stores backups and brings them back, each part by itself. Its Verify
// reads every stored byte and compares it with its digests, or the share of them
// that it is configured to, another one each time, and then says so in a warning of
// Env. Several state folders may share its destination.
type Archiver interface {
	Shelf

	// Destination is where it stores, without a look at it.
	Destination() Destination

	// Check looks at the destination, and leaves it as it was; a store shows what it
	// can do only by an object that is made and removed. The estimate is the sum of
	// what is to be stored.
	Check(ctx context.Context, e Estimate) (Report, error)

	// Reserve makes b this state folder's: until Store has stored it or Discard is
	// called, everybody else gets an error that wraps ErrTaken, and so does a caller that
	// asks for the id of a backup that is there. It is atomic, and may be called
	// again. Store MUST NOT replace a backup of somebody else, and Discard MUST
	// leave alone what somebody else reserved.
	Reserve(ctx context.Context, b BackupID) error

	// Store keeps m and the artifacts that it takes, each as a part of its own.
	// Nothing that List shows exists before all of it is safe on disk. m stays as it
	// is; what was stored is in the result. A Store of what is there already, whole,
	// returns what is there.
	//
	// Who reads a tree holds it against its record r: the content of its files,
	// the targets of its links, and which entries there are. Anything else than
	// recorded is a *DamageError, also what the disk does not read any more, and
	// then nothing is stored. It comes after all of the tree was read, so that it
	// knows all that differs.
	Store(ctx context.Context, m Manifest, r Records) (Stored, error)

	// Fetch unpacks the artifacts for which dir returns a folder, and reads no
	// others; dir returns "" for those to skip. Nothing is ever written outside
	// these folders. Digests are checked; on a mismatch Fetch fails. An unknown id
	// is an error that wraps ErrNotFound.
	Fetch(ctx context.Context, b BackupID, dir func(Artifact) string) (Manifest, error)

	// Discard removes what an interrupted Store of b left, but not a complete
	// backup, and gives up a reservation of this state folder. Idempotent; works in
	// a new process.
	Discard(ctx context.Context, b BackupID) error

	// Rebuild reads every backup whose record is lost to the last byte, and makes
	// the record again if all digests in it fit; from then on List shows it. It
	// returns the ids of those. What cannot be made good is a finding. What is being
	// stored at the time is none of its business.
	Rebuild(ctx context.Context) ([]BackupID, []Finding, error)
}

// Chooser is an archiver that keeps what some strategies capture, and not all that lives as it
// takes.
type Chooser interface {
	// Keeps reports whether it keeps what the strategy at an address captures. It asks nobody.
	Keeps(address string) bool
}

// Reserver is an archiver by which a run notices that the place was replaced since it
// began: another disk is mounted there, or none is any more.
type Reserver interface {
	// Reserved reports whether b is this state folder's, as Reserve left it.
	Reserved(ctx context.Context, b BackupID) (bool, error)
}

// Sharer is an archiver that shares the blocks of what it stores, so that it counts
// where that lies.
type Sharer interface {
	// CheckFrom is Check that knows the Trees of the reports on what is to be stored.
	CheckFrom(ctx context.Context, trees []string, e Estimate) (Report, error)
}

// Destination is where an archive stores. It is empty for one that leaves what was
// captured in its place.
type Destination struct {
	// Name is how an operator knows it: a path or a URL. Two archives of one name
	// store in the same place.
	Name string
	// Folder of this machine, "" if it is none.
	Folder string
	// Protected is set if what was stored cannot be deleted with the credentials
	// that bkp uses, as far as that is known.
	Protected bool
}

// InPlace is embedded by an archiver that leaves what was captured where it is: it
// has no destination, and so no ids to reserve and no records to lose there.
type InPlace struct{}

// Destination implements Archiver.
func (InPlace) Destination() Destination { return Destination{} }

// Reserve implements Archiver.
func (InPlace) Reserve(context.Context, BackupID) error { return nil }

// Rebuild implements Archiver.
func (InPlace) Rebuild(context.Context) ([]BackupID, []Finding, error) { return nil, nil, nil }
