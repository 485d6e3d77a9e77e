package providers

import (
	"context"
	"errors"
)

// Strategy captures one kind of state. It embeds Base for the verbs that it does
// not need; which ones a plan shows as steps is data of its definition: see Does.
//
// Every method takes a context and MUST return soon after it ends. One value
// serves one run, in the order of the methods; Discard, Sweep and Finish of a
// Pending artifact may be called on a fresh one in another process.
type Strategy interface {
	// Paths are what the strategy reads on this machine. It touches nothing.
	Paths() Paths

	// Check looks, and changes nothing. What is wrong goes into the report;
	// the error is for a check that could not be carried out. It may be called
	// more than once, at plan time and again before apply.
	Check(ctx context.Context) (Report, error)

	// Compare is called after Check, on the same value, with the artifacts of
	// earlier backups, the newest first. An error among the findings stops the
	// plan, unless the operator accepts it.
	Compare(earlier []Artifact) []Finding

	// Expect takes, before Prepare, the facts of the Check that the plan rests
	// on. Prepare MUST fail if what they identify is something else by now.
	Expect(facts map[string]string)

	// Prepare works live, before the lock: whatever makes Capture shorter. Users
	// write meanwhile. It may be called twice for one backup.
	Prepare(ctx context.Context, b BackupID) error

	// Warm is called live, when every Prepare is done and right before the lock.
	// It makes good what went stale since Prepare, while others prepared: a
	// connection that was closed for being idle, files that changed meanwhile. It
	// MUST be quick. An error ends the run before anybody is locked out.
	Warm(ctx context.Context) error

	// Capture fixes the point in time. It runs under the lock, once drained:
	// it MUST do nothing that could be done before or after, and MUST NOT
	// report success unless the artifact is exactly the state at one instant
	// between its call and its return.
	Capture(ctx context.Context, b BackupID) (Artifact, error)

	// Finish turns a fixed point in time into what can be kept, after the unlock,
	// and returns the artifact with its trees or where it lies. It is called on
	// the value whose Capture returned a; if a is Pending, or Remade, it may be
	// called again, in another process too.
	Finish(ctx context.Context, a Artifact) (Artifact, error)

	// Sweep removes what an interrupted run left half made, and nothing that
	// it captured: the rest of Discard has to wait, because the backup is good and
	// lies in this strategy alone. Idempotent; works in a new process.
	Sweep(ctx context.Context) error

	// Discard removes whatever Prepare, Capture or Finish started for b, from
	// the id alone. It MUST be idempotent, MUST work in a new process after a
	// crash, and treats nothing left as success.
	Discard(ctx context.Context, b BackupID) error

	// Restorer returns the way back to target: a folder for a home, a database's
	// name, or "" for where the configuration has the state. The error wraps
	// ErrElsewhere if the strategy restores to no other target. It touches nothing.
	Restorer(target string) (Restorer, error)

	// Close ends what is held between Capture and Finish, whatever happened: a
	// connection, a mount, a watch. It is called at the end of the run, maybe
	// while a verb is still leaving, and is idempotent.
	Close() error
}

// Restorer brings back what an artifact holds. It may be used without the
// strategy that it came from.
type Restorer interface {
	// Check looks whether Restore of a can work, and changes nothing: tools, the
	// target's emptiness, space. Its report's Does has the verb Restore.
	Check(ctx context.Context, a Artifact) (Report, error)

	// Stage names the folder into which b's trees are to be unpacked before
	// Restore, so that Restore need not copy them again: beside the target, on its
	// file system. The caller creates and removes it. "" if any folder will do.
	Stage(b BackupID) string

	// Leavings are the paths of what a Restore of a that is killed may leave, but
	// for the stage: a file with a password, a copy beside the target. Their last
	// names begin with RestorePrefix; they are removed by whoever comes next.
	Leavings(a Artifact) []string

	// Restore brings back a, from its trees or its Ref. It MUST refuse a target
	// that is not empty, and MUST leave the target as it was when it fails.
	Restore(ctx context.Context, a Artifact) error
}

// RestorePrefix begins the names of all that a restore makes for a while.
const RestorePrefix = ".bkp-restore-"

// ErrElsewhere is wrapped by errors of a strategy that restores only to where its
// configuration has the state.
var ErrElsewhere = errors.New("it cannot be restored elsewhere")

// Paths are what a strategy reads on this machine.
type Paths struct {
	// Home is the folder of the home, "" for a strategy of something else.
	Home string
	// Live are the folders whose files Bitbucket writes. They MUST NOT hold an
	// archive or the state folder.
	Live []string
}

// Base is what a strategy has that needs no more than Check, Capture, Discard and
// Restorer. It is embedded.
type Base struct{}

// Paths implements Strategy: there are none.
func (Base) Paths() Paths { return Paths{} }

// Compare implements Strategy: there is nothing to compare.
func (Base) Compare([]Artifact) []Finding { return nil }

// Expect implements Strategy: nothing is expected.
func (Base) Expect(map[string]string) {}

// Prepare implements Strategy: there is nothing to prepare.
func (Base) Prepare(context.Context, BackupID) error { return nil }

// Warm implements Strategy: nothing goes stale.
func (Base) Warm(context.Context) error { return nil }

// Finish implements Strategy: what was captured is finished.
func (Base) Finish(_ context.Context, a Artifact) (Artifact, error) { return a, nil }

// Sweep implements Strategy: nothing is left half made.
func (Base) Sweep(context.Context) error { return nil }

// Close implements Strategy: nothing is held.
func (Base) Close() error { return nil }

// BaseRestorer is what a restorer has that checks nothing and makes nothing
// besides its target. It is embedded.
type BaseRestorer struct{}

// Check implements Restorer: there is nothing to check.
func (BaseRestorer) Check(context.Context, Artifact) (Report, error) { return Report{}, nil }

// Stage implements Restorer: any folder will do.
func (BaseRestorer) Stage(BackupID) string { return "" }

// Leavings implements Restorer: there are none.
func (BaseRestorer) Leavings(Artifact) []string { return nil }

// As finds an ability that not every strategy has, such as Keeper, in s or in a
// strategy that it wraps. A strategy that wraps another has a method
// Unwrap() Strategy.
func As[A any](s Strategy) (A, bool) {
	for s != nil {
		if a, ok := s.(A); ok {
			return a, true
		}
		w, ok := s.(interface{ Unwrap() Strategy })
		if !ok {
			break
		}
		s = w.Unwrap()
	}
	var none A
	return none, false
}

// Shelf is whatever keeps backups: an archive, or a strategy whose snapshots stay
// with it.
type Shelf interface {
	// List returns the manifests of complete backups of the instance that it was
	// opened for, newest first; without a name in Env.Instance, of all. What cannot
	// be read is a finding, not an error.
	List(ctx context.Context) ([]Manifest, []Finding, error)

	// Verify looks whether the backup is there and whole, as far as that can be
	// known. Damage is a finding of severity error, and a warning says that there
	// are no digests; an unknown id is an error that wraps ErrNotFound.
	Verify(ctx context.Context, b BackupID) ([]Finding, error)

	// Delete removes the backup. Idempotent.
	Delete(ctx context.Context, b BackupID) error
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

// Located is an archiver that stores in a folder of this machine.
type Located interface{ Destination() string }

// Archiver stores backups and brings them back. Its Verify reads every stored
// byte and compares it with its digests.
type Archiver interface {
	Shelf

	// Check looks at the destination, and changes nothing. The estimate is the
	// sum of what is to be stored.
	Check(ctx context.Context, e Estimate) (Report, error)

	// Store writes the trees of m's artifacts and m itself. Nothing that List
	// shows exists before all of it is safe on disk. It returns m with the
	// artifacts' digests and sizes filled in and Stored telling what was
	// written.
	//
	// Who reads a tree holds it against its record r: the content of its files,
	// the targets of its links, and which entries there are. Anything else than
	// recorded is a *DamageError, also what the disk does not read any more, and
	// then nothing is stored. It comes after all of the tree was read, so that it
	// knows all that differs.
	Store(ctx context.Context, m Manifest, r Records) (Manifest, error)

	// Fetch unpacks the artifacts for which dir returns a folder; dir returns
	// "" for those to skip. Nothing is ever written outside these folders.
	// Digests are checked; on a mismatch Fetch fails. An unknown id is an
	// error that wraps ErrNotFound.
	Fetch(ctx context.Context, b BackupID, dir func(Artifact) string) (Manifest, error)

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
