package providers

import (
	"context"
	"time"
)

// Notifier sends notices of what becomes of runs to people, or to a service that
// watches for them. It is never called while bkp holds the lock of the instance that
// the notice is about, and what it returns changes the outcome of no run.
type Notifier interface {
	// Wants reports whether the block asks for notices like this one. It touches
	// nothing.
	Wants(n Notice) bool

	// Notify sends a notice and returns once the other side took it. It MUST return
	// soon after ctx has ended, MUST end by itself after the time that its block
	// gives, and MUST NOT have a secret in its error. It may be called several times
	// at once. A notice may arrive twice, if the answer to it was lost.
	Notify(ctx context.Context, n Notice) error
}

// Occasion is why there is a notice. The text is what an attribute on has.
type Occasion string

// The occasions.
const (
	// Begun is the beginning of a run, for services that notice silence.
	Begun Occasion = "begun"
	// Success is a run that did all it should.
	Success Occasion = "success"
	// Warned is a success during which something was warned of.
	Warned Occasion = "warning"
	// Failure is a run that did not do all it should.
	Failure Occasion = "failure"
	// MayBeLocked comes first and at once: users may be locked out.
	MayBeLocked Occasion = "may_be_locked"
	// Recovered says that an interrupted run was cleaned up after.
	Recovered Occasion = "recovery"
	// DrillFailed is a backup that was not proven to restore.
	DrillFailed Occasion = "drill_failed"
	// Overdue is an instance whose last backup or proof is too old.
	Overdue Occasion = "overdue"
)

// Occasions are those that a block can choose from.
func Occasions() []string {
	return []string{string(Success), string(Warned), string(Failure), string(MayBeLocked), string(Recovered), string(DrillFailed), string(Overdue)}
}

// Operation is what the notice is about.
type Operation string

// The operations.
const (
	OfBackup   Operation = "backup"
	OfDrill    Operation = "drill"
	OfVerify   Operation = "verification"
	OfRecovery Operation = "recovery"
	OfPrune    Operation = "prune"
	OfStatus   Operation = "status"
)

// Notice is what happened, as plain data. No text of it holds a secret: the
// engine replaces those of the configuration.
type Notice struct {
	Occasion  Occasion  `json:"occasion"`
	Operation Operation `json:"operation"`
	// Instance is its name, URL its base URL.
	Instance string `json:"instance"`
	URL      string `json:"url"`
	// Run is the id of the backup, "" without one.
	Run string `json:"run,omitempty"`
	// Host is the name of the machine that bkp runs on, Tool the version of bkp.
	Host string `json:"host"`
	Tool string `json:"bkp"`
	// At is when it happened.
	At time.Time `json:"at"`
	// Summary is one line, Detail what happened in full, Remedy what to do.
	Summary string `json:"summary"`
	Detail  string `json:"detail,omitempty"`
	Remedy  string `json:"remedy,omitempty"`
	// Took is how long the run took, LockWindow how long users were locked out; 0
	// is unknown.
	Took       time.Duration `json:"took_ns,omitempty"`
	LockWindow time.Duration `json:"lock_window_ns,omitempty"`
	// Bytes are stored, in the archives together.
	Bytes int64 `json:"bytes,omitempty"`
	// Stored are the places where the backup lies, Removed the ids that retention
	// removed.
	Stored  []string `json:"stored,omitempty"`
	Removed []string `json:"removed,omitempty"`
	// Warnings are those of the run, Standing those that its plan had already.
	Warnings []string `json:"warnings,omitempty"`
	Standing []string `json:"standing_warnings,omitempty"`
	// Report is where people find the report, "" if the block names no place.
	Report string `json:"report,omitempty"`
}

// Meter takes figures for monitoring. It is never called while bkp holds the lock
// of their instance, and what it returns changes the outcome of no run.
type Meter interface {
	// Record replaces all figures of the instance by m. A reader sees those of
	// before or those of now, never a part. It MUST return soon after ctx has ended,
	// and MUST NOT have a secret in its error.
	Record(ctx context.Context, m Measures) error
}

// Measures are the figures of one instance.
type Measures struct {
	// Instance is its name, URL its base URL.
	Instance, URL string
	// Families in the order in which they are to be shown.
	Families []Family
}

// Family is one figure, once or for several subjects.
type Family struct {
	// Name is in base units and lower case, such as bkp_lock_window_seconds.
	Name string
	// Help is one line.
	Help string
	// Samples are at least one.
	Samples []Sample
}

// Sample is a value with what distinguishes it from others of its family.
type Sample struct {
	// Labels in the order in which they are shown; not that of the instance, which
	// the Meter adds.
	Labels []Label
	Value  float64
}

// Label is a name with a value.
type Label struct{ Name, Value string }
