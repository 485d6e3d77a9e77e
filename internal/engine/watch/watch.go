// Package watch is what others learn of a run while it goes and at its end: how far
// it is, what was warned of, how long its steps took, and that the instance may be
// locked.
//
// It leaves out who learns of it: the engine sends notices, writes figures and shows
// the state of the run.
package watch

import (
	"slices"
	"sync"
	"time"

	"bkp/internal/event"
	"bkp/internal/records/running"
	"bkp/providers"
)

// writeEvery is how often progress is written down for bkp status.
const writeEvery = time.Second

// Run is an event.Sink that notes what a run says. It is to be fed by a queue of its
// own, because it writes a file.
type Run struct {
	// Show, if not nil, takes how far the run is.
	Show func(running.Step)
	// Alarm, if not nil, is called once, when the instance may be locked. It MUST NOT
	// block.
	Alarm func(message string)

	mu       sync.Mutex
	warnings []string
	steps    []Step
	under    []running.Step
	shown    time.Time
	locked   bool
	summary  event.Event
}

// Step is one that ended.
type Step struct {
	Address, Phase string
	Took           time.Duration
	Failed         bool
}

// Facts are what a run came to.
type Facts struct {
	Warnings []string
	Steps    []Step
	// Window is the time that users were locked out.
	Window  time.Duration
	Removed []string
	Stored  []providers.Stored
}

// Emit implements event.Sink.
func (r *Run) Emit(e event.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch e.Kind {
	case event.Warning:
		r.warn(e)
	case event.MayBeLocked:
		if r.Alarm != nil {
			r.Alarm(e.Error)
		}
	case event.StepStarted:
		r.under = append(r.under, running.Step{Address: e.Address, Phase: e.Phase, Message: e.Message, Started: e.Time, Locked: r.locked})
	case event.StepProgress:
		r.progress(e)
	case event.StepDone, event.StepFailed:
		r.steps = append(r.steps, Step{e.Address, e.Phase, e.Elapsed, e.Kind == event.StepFailed})
		r.under = slices.DeleteFunc(r.under, func(s running.Step) bool { return s.Address == e.Address && s.Phase == e.Phase })
	case event.Locked, event.Unlocked:
		r.locked = e.Kind == event.Locked
		for i := range r.under {
			r.under[i].Locked = r.locked
		}
	case event.Summary:
		r.summary = e
	case event.Note:
		return
	}
	r.show(e.Time, e.Kind != event.StepProgress)
}

func (r *Run) warn(e event.Event) {
	text := e.Message
	if e.Address != "" {
		text = e.Address + ": " + text
	}
	if !slices.Contains(r.warnings, text) {
		r.warnings = append(r.warnings, text)
	}
}

// progress is of the newest step of a component: it has one at a time.
func (r *Run) progress(e event.Event) {
	for i := range slices.Backward(r.under) {
		if s := &r.under[i]; s.Address == e.Address {
			s.Files, s.Bytes, s.TotalFiles, s.TotalBytes = e.Files, e.Bytes, e.TotalFiles, e.TotalBytes
			return
		}
	}
}

// show writes down the step that began last; it is what the run waits for most often.
func (r *Run) show(now time.Time, always bool) {
	if r.Show == nil || len(r.under) == 0 || !always && now.Sub(r.shown) < writeEvery {
		return
	}
	r.shown = now
	r.Show(r.under[len(r.under)-1])
}

// Facts returns what was noted so far.
func (r *Run) Facts() Facts {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := Facts{Warnings: slices.Clone(r.warnings), Steps: slices.Clone(r.steps)}
	f.Window, _ = r.summary.Details["lock_window_ns"].(time.Duration)
	f.Removed, _ = r.summary.Details["removed"].([]string)
	f.Stored, _ = r.summary.Details["stored"].([]providers.Stored)
	return f
}
