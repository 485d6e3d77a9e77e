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
	// Compare is called after Check, on the same value, with what earlier backups
	// have of the component, the newest first. An error among the findings stops the
	// plan, unless the operator accepts it.
	Compare(earlier []Earlier) []Finding
}

// Earlier is an artifact of an earlier backup, and the copy that an archive has of
// it; nil if none has.
type Earlier struct {
	Artifact
	Copy *Part
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

// Keeper is a strategy whose artifacts may stay with it. List, Verify and Delete
// are about those that Keep kept, and about no others.
type Keeper interface {
	Shelf

	// Keep makes what a stands for stay until Delete, with m, by which List finds it
	// again from the storage alone. It returns a as Native. Discard MUST leave alone
	// what was kept. Idempotent, and works in a new process.
	Keep(ctx context.Context, m Manifest, a Artifact) (Artifact, error)
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

// Releaser holds something between Capture and Finish that MUST be let go at
// the end of the run, whatever happened: a connection, a mount, a watch.
// Release is idempotent.
type Releaser interface{ Release() error }
