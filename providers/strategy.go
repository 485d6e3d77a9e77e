package providers

import "context"

// Strategy captures and restores one kind of state.
//
// Every method takes a context and MUST return soon after it ends. One value
// serves one run; Capture and Finish of a run are called on the same value,
// Discard may be called on a fresh one in another process.
type Strategy interface {
	// Check looks, and changes nothing. What is wrong goes into the report;
	// the error is for a check that could not be carried out. It may be called
	// more than once, at plan time and again before apply.
	Check(ctx context.Context) (Report, error)

	// Capture fixes the point in time. It runs under the lock, once drained:
	// it MUST do nothing that could be done before or after, and MUST NOT
	// report success unless the artifact is exactly the state at one instant
	// between its call and its return.
	Capture(ctx context.Context, b BackupID) (Artifact, error)

	// Discard removes whatever Prepare, Capture or Finish started for b, from
	// the id alone. It MUST be idempotent, MUST work in a new process after a
	// crash, and treats nothing left as success.
	Discard(ctx context.Context, b BackupID) error

	// Restore brings back what the artifact holds, from a.Tree or a.Ref. It
	// MUST refuse a target that is not empty, and MUST leave the target as it
	// was when it fails.
	Restore(ctx context.Context, a Artifact) error
}

// Preparer works live, before the lock: whatever makes Capture shorter.
type Preparer interface {
	// Prepare runs while users write. It may be called twice for one backup.
	Prepare(ctx context.Context, b BackupID) error
}

// Warmer makes good what went stale since Prepare, while others prepared: a
// connection that was closed for being idle, files that changed meanwhile.
type Warmer interface {
	// Warm is called live, when every Prepare is done and right before the lock.
	// It MUST be quick. An error ends the run before anybody is locked out.
	Warm(ctx context.Context) error
}

// Expecter is told before Prepare what the plan saw of it.
type Expecter interface {
	// Expect takes the facts of the Check that the plan rests on. Prepare MUST
	// fail if what they identify is something else by now.
	Expect(facts map[string]string)
}

// Comparer knows from earlier backups what to expect.
type Comparer interface {
	// Compare is called after Check, on the same value, with the artifacts of
	// earlier backups, the newest first. An error among the findings stops the
	// plan, unless the operator accepts it.
	Compare(earlier []Artifact) []Finding
}

// Finisher turns a fixed point in time into files, after the unlock.
type Finisher interface {
	// Finish returns the artifact with its tree. It is called on the value
	// whose Capture returned a.
	Finish(ctx context.Context, a Artifact) (Artifact, error)
}

// RestorePrefix begins the names of all that a restore makes for a while.
const RestorePrefix = ".bkp-restore-"

// Leaver makes more for its Restore than the target: a file with a password, a
// copy beside the target.
type Leaver interface {
	// Leavings are the paths of what a Restore of a that is killed may leave.
	// Their last names begin with RestorePrefix; they are removed by whoever
	// comes next.
	Leavings(a Artifact) []string
}

// Sweeper removes what a run that was cut off left half made, and nothing that
// it captured: the rest of Discard has to wait, because the backup is good and
// lies in this strategy alone. Idempotent; works in a new process.
type Sweeper interface {
	Sweep(ctx context.Context) error
}

// Pruner keeps backups of its own that retention must reach, such as volume
// snapshots.
type Pruner interface {
	List(ctx context.Context) ([]Artifact, error)
	// Delete is idempotent.
	Delete(ctx context.Context, a Artifact) error
}

// RestoreChecker checks, without changing anything, that Restore can work:
// tools, the target's emptiness, space.
type RestoreChecker interface {
	CheckRestore(ctx context.Context, a Artifact) (Report, error)
}

// Stager names the folder into which an artifact is to be unpacked before
// Restore, so that Restore need not copy it again: beside the target, on its
// file system. The caller creates and, on failure, removes it. A strategy
// without this ability gets a folder below its work folder.
type Stager interface{ StageDir(b BackupID) string }

// Retargeter restores elsewhere than configured: another folder, another
// database.
type Retargeter interface {
	// Retarget returns a strategy that restores to target and is otherwise
	// the same. The receiver stays as it was.
	Retarget(target string) (Strategy, error)
}

// Rooted is a home strategy that knows the folder of the home on this machine.
type Rooted interface{ Root() string }

// Sourced is a strategy that reads live files on this machine: its folders
// must not hold the archive or the state folder.
type Sourced interface{ Sources() []string }

// Located is an archiver that stores in a folder of this machine.
type Located interface{ Destination() string }

// Releaser holds something between Capture and Finish that MUST be let go at
// the end of the run, whatever happened: a connection, a mount, a watch.
// Release is idempotent.
type Releaser interface{ Release() error }

// Archiver stores backups and brings them back.
type Archiver interface {
	// Check looks at the destination, and changes nothing. The estimate is the
	// sum of what is to be stored.
	Check(ctx context.Context, e Estimate) (Report, error)

	// Store writes the trees of m's artifacts and m itself. Nothing that List
	// shows exists before all of it is safe on disk. It returns m with the
	// artifacts' digests and sizes filled in and Stored telling what was
	// written.
	Store(ctx context.Context, m Manifest) (Manifest, error)

	// List returns the manifests of complete backups of the instance that it was
	// opened for, newest first; without a name in Env.Instance, of all. What cannot
	// be read is a finding, not an error.
	List(ctx context.Context) ([]Manifest, []Finding, error)

	// Verify reads every stored byte of the backup and compares it with its
	// digests. Damage is a finding of severity error, and a warning tells that
	// there are no digests; an unknown id is an error that wraps ErrNotFound.
	Verify(ctx context.Context, b BackupID) ([]Finding, error)

	// Fetch unpacks the artifacts for which dir returns a folder; dir returns
	// "" for those to skip. Nothing is ever written outside these folders.
	// Digests are checked; on a mismatch Fetch fails. An unknown id is an
	// error that wraps ErrNotFound.
	Fetch(ctx context.Context, b BackupID, dir func(Artifact) string) (Manifest, error)

	// Delete removes the backup. Idempotent.
	Delete(ctx context.Context, b BackupID) error

	// Discard removes what an interrupted Store of b left, but not a complete
	// backup. Idempotent; works in a new process.
	Discard(ctx context.Context, b BackupID) error
}

// Rebuilder is an archiver that can make the record of a backup again, when it
// is lost, from the backup itself.
type Rebuilder interface {
	// Rebuild reads every backup without its record to the last byte, and makes
	// the record again if all digests in it fit; from then on List shows it. It
	// returns the ids of those. What cannot be made good is a finding.
	Rebuild(ctx context.Context) ([]BackupID, []Finding, error)
}

// Reserver is an archiver whose destination several state folders may share.
// Reserve makes b this state folder's: until Store has stored it or Discard is
// called, everybody else gets an error that wraps ErrTaken, and so does whoever
// asks for the id of a backup that is there. It is atomic, and may be called
// again. Store MUST NOT replace a backup of somebody else, and Discard MUST
// leave alone what somebody else reserved.
type Reserver interface {
	Reserve(ctx context.Context, b BackupID) error
}
