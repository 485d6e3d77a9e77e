// Package event is what a run says while it goes: plain data, sent to one
// Sink. The views (internal/ui) decide how it looks.
package event

import "time"

// Kind is the kind of an event. The text is part of the JSON output.
type Kind string

// The kinds of events. Steps are the nodes of a plan.
const (
	StepStarted  Kind = "step_started"
	StepProgress Kind = "step_progress"
	StepDone     Kind = "step_done"
	StepFailed   Kind = "step_failed"
	// Locked is sent once the instance is locked for users, Unlocked once it
	// is open again; Elapsed of Unlocked is the lock window.
	Locked   Kind = "locked"
	Unlocked Kind = "unlocked"
	// Note is a line for the operator, Warning one that wants attention.
	Note    Kind = "note"
	Warning Kind = "warning"
	// Summary ends a run.
	Summary Kind = "summary"
)

// Event is one thing that happened.
type Event struct {
	Time    time.Time `json:"time"`
	Kind    Kind      `json:"event"`
	Node    string    `json:"node,omitempty"`
	Address string    `json:"address,omitempty"`
	Phase   string    `json:"phase,omitempty"`
	Message string    `json:"message,omitempty"`
	Error   string    `json:"error,omitempty"`
	// Elapsed is how long the step took.
	Elapsed time.Duration `json:"elapsed_ns,omitempty"`
	// Bytes and Files count work done, Total* the work there is; a total of 0
	// is unknown.
	Bytes      int64 `json:"bytes,omitempty"`
	Files      int64 `json:"files,omitempty"`
	TotalBytes int64 `json:"total_bytes,omitempty"`
	TotalFiles int64 `json:"total_files,omitempty"`
	// Instance is the name of the instance that a run of apply backs up.
	Instance string `json:"instance,omitempty"`
	// Backup is the id of the backup that the run makes or restores.
	Backup string `json:"backup,omitempty"`
	// Details holds figures of a summary, such as the parts of the lock window.
	Details map[string]any `json:"details,omitempty"`
}

// Sink takes events. Emit MUST be safe for concurrent use and MUST NOT block
// for long: it is called under the lock.
type Sink interface{ Emit(Event) }

// Discard is a Sink that drops everything.
type Discard struct{}

// Emit implements Sink.
func (Discard) Emit(Event) {}
