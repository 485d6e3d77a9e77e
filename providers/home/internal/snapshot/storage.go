package snapshot

import (
	"context"
	"slices"
	"time"

	"bkp/internal/problem"
	"bkp/providers"
)

// Storage takes snapshots of volumes of one kind. Every method takes a context
// and MUST return soon after it ends. Errors and findings say the cause, such as
// who holds what is busy, and what to do. Unless a method says otherwise, it is
// called live: before the lock or after it.
type Storage interface {
	// Find returns the volume that a folder lies on, and where in it: a path with
	// slashes, "" for the volume's root. It changes nothing. A folder on anything
	// else is a *problem.Problem.
	Find(ctx context.Context, dir string) (v Volume, rel string, err error)

	// Nested lists the folders below dir, which lies on v, that a snapshot of v
	// shows empty because they are volumes of their own: subvolumes, child
	// datasets that are mounted there or are not. What the list of mounts has need
	// not be among them, nor what is nested in one of them. It changes nothing.
	Nested(ctx context.Context, v Volume, dir string) ([]string, error)

	// Check looks whether snapshots of the volumes can be taken, read, deleted and,
	// for the time until they are, carried: rights, space, quotas, the health of a
	// pool. It changes nothing. The error is for a check that could not be carried
	// out.
	Check(ctx context.Context, volumes []Volume) ([]providers.Finding, error)

	// Atomic reports whether Take takes the snapshots of all of them at one
	// instant.
	Atomic(volumes []Volume) bool

	// Prepare does whatever makes Take shorter and must not happen under the lock:
	// bring to disk what is not yet there, check space again, make the place of the
	// snapshots with its tag. It is called for a tag without anything there.
	Prepare(ctx context.Context, tag Tag, volumes []Volume) error

	// Warm does what of Prepare goes stale soon, right before the lock.
	Warm(ctx context.Context, volumes []Volume) error

	// Take takes the snapshots, one of each volume and in their order: all in one
	// call where the system has it, else one after the other. It is called under
	// the lock, after Prepare and on the same value, and MUST NOT wait for anything
	// that could be done later. Each snapshot MUST bear the tag from the moment
	// that it exists, so that Sets finds it whatever happens.
	Take(ctx context.Context, tag Tag, volumes []Volume) ([]Snapshot, error)

	// Sets lists what is there with a tag, of every owner. It finds it on the storage
	// alone: in a new process, after a reboot, without a state folder. A set may be
	// incomplete or have no snapshot at all, if somebody was interrupted. What
	// cannot be read is a finding. It changes nothing.
	Sets(ctx context.Context) ([]Set, []providers.Finding, error)

	// Mount makes a snapshot readable at dir, an empty folder, and cannot be
	// written through it. An error MUST leave nothing mounted. The caller unmounts
	// dir, and calls Release.
	Mount(ctx context.Context, s Snapshot, dir string) error

	// Release undoes what Mount did besides mounting, such as activating a volume,
	// unless it is in use by another mount. Idempotent; works in a new process.
	Release(ctx context.Context, s Snapshot) error

	// Intact returns a *problem.Problem if the snapshot is gone, or does not hold any more
	// what it did when it was taken, such as one that ran out of space. It is asked
	// after everything was read.
	Intact(ctx context.Context, s Snapshot) error

	// Keep stores a manifest with the set, from where Sets has it again: it appears
	// whole or not at all. From then on the set is kept. Idempotent.
	Keep(ctx context.Context, s Set, manifest []byte) error

	// Delete removes the snapshots of a set and then the tag, so that what it could
	// not remove is found again. It never touches what has another tag. Idempotent.
	Delete(ctx context.Context, s Set) error
}

// Absenter is a storage that knows volumes which are not mounted.
type Absenter interface {
	// Absent returns a problem that names the volume which belongs at dir, or above it,
	// and is not mounted there; nil if nothing has it. It changes nothing.
	Absent(ctx context.Context, dir string) (*problem.Problem, error)
}

// Completer is a storage that goes on with a snapshot after it was taken, such as a
// service that copies its blocks. What is captured is pending until then.
type Completer interface {
	// Await waits a while until Sets shows the snapshots of a tag, one of each volume, which
	// were just taken. That it does not is no error.
	Await(ctx context.Context, t Tag, volumes []Volume) error

	// Complete waits, as long as it takes, until all of the set can be read, and marks it as
	// that. A *problem.Problem means that it never will be. It may be called again, in
	// another process too.
	Complete(ctx context.Context, s Set) error

	// Discarded notes that a backup was discarded, whether Sets shows what was taken for it or
	// not yet: it is Abandoned from now on. A later Prepare for the backup takes that back.
	Discarded(b providers.BackupID) error

	// Abandoned reports whether a set of this state folder that is not kept is of no use to
	// anybody. Any other may be of a backup that is finished later, and the next run leaves it.
	Abandoned(s Set) bool
}

// Sweeper is a storage that makes more than mounts, such as volumes, to have a snapshot
// read.
type Sweeper interface {
	// Sweep removes what a dead process of this state folder made so and did not
	// release, and leaves alone what is in use. Idempotent.
	Sweep(ctx context.Context) error
}

// Sharer is a storage whose snapshots may lie on the file system of the home, so that
// files elsewhere on it can share their blocks.
type Sharer interface{ SharesBlocks() bool }

// Volume is what a storage takes snapshots of: a subvolume, a dataset, a logical
// volume. It is plain data.
type Volume struct {
	// ID is its identity, which neither a reboot nor another name changes: a UUID
	// or a GUID. Two folders lie on one volume if these are equal.
	ID string `json:"id"`
	// Name is what an administrator calls it: vg0/home, tank/home, or the path of a
	// subvolume. It may change.
	Name string `json:"name"`
	// Root is where its root is mounted now, "" if it is not.
	Root string `json:"-"`
}

// Tag says whose a set of snapshots is. Its texts are of letters, digits and
// ._- alone.
type Tag struct {
	// Backup and Address of the component.
	Backup  providers.BackupID `json:"backup"`
	Address string             `json:"address"`
	// Owner is the state folder of the machine that took them: another one must
	// not clean them up.
	Owner string `json:"owner"`
}

// Snapshot is one of a volume. It is plain data.
type Snapshot struct {
	// Volume that it was taken of; Root is not set.
	Volume Volume `json:"volume"`
	// ID is its identity, "" from a Take that would wait for it. Name is that by
	// which the storage has it now.
	ID   string `json:"id"`
	Name string `json:"name"`
	// Generation of the storage in which it was taken, such as a createtxg: of two
	// snapshots of one instant it is the same. "" where the storage has none, or where it
	// takes too long to find out under the lock.
	Generation string `json:"generation,omitempty"`
	// At is when it was there, at the latest.
	At time.Time `json:"at"`
}

// Set is the snapshots with one tag.
type Set struct {
	Tag       Tag
	Snapshots []Snapshot
	// Manifest is what Keep stored, nil if the set is not kept.
	Manifest []byte
	// Doomed is set while a set is being deleted, or if that was interrupted: it is not kept.
	Doomed bool
}

// Kept reports whether the set stays until its backup is deleted.
func (s Set) Kept() bool { return s.Manifest != nil }

// of returns the snapshot of a volume.
func (s Set) of(volume string) (Snapshot, bool) {
	i := slices.IndexFunc(s.Snapshots, func(sn Snapshot) bool { return sn.Volume.ID == volume })
	if i < 0 {
		return Snapshot{}, false
	}
	return s.Snapshots[i], true
}

// MountOptions are those of a file system that is mounted a second time, from its
// snapshot. Its log is replayed first, into the space of the snapshot or into the
// volume that was made of it.
func MountOptions(fstype string) string {
	const options = "ro,nosuid,nodev,noexec"
	if fstype == "xfs" {
		return options + ",nouuid" // the home has the same one
	}
	return options
}
