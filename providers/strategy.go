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

	// Compare is called after Check, on the same value, with what earlier backups
	// have of the component, the newest first. An error among the findings stops the
	// plan, unless the operator accepts it.
	Compare(earlier []Earlier) []Finding

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
	// names begin with RestorePrefix; they are removed by the next process.
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
func (Base) Compare([]Earlier) []Finding { return nil }

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

// As finds an ability that not every strategy, restorer or archiver has, such as Keeper, in v
// or in what it wraps. One that wraps another has a method Unwrap() S.
func As[A, S any](v S) (A, bool) {
	for any(v) != nil {
		if a, ok := any(v).(A); ok {
			return a, true
		}
		w, ok := any(v).(interface{ Unwrap() S })
		if !ok {
			break
		}
		v = w.Unwrap()
	}
	var none A
	return none, false
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
