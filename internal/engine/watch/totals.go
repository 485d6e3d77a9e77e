package watch

import (
	"sync"

	"bkp/internal/engine/plan"
	"bkp/internal/event"
)

// Totals is an event.Sink that adds to the progress of a step how much there is to do,
// where the step itself does not know but its beginning said so. It is safe for
// concurrent use.
type Totals struct {
	// Next takes the events.
	Next event.Sink

	mu      sync.Mutex
	todo    map[string]plan.Size
	counted map[string]plan.Size
}

// NewTotals returns one for a run.
func NewTotals(next event.Sink) *Totals {
	return &Totals{Next: next, todo: map[string]plan.Size{}, counted: map[string]plan.Size{}}
}

// Emit implements event.Sink.
func (t *Totals) Emit(e event.Event) {
	switch e.Kind {
	case event.StepStarted:
		t.mu.Lock()
		t.todo[e.Address] = plan.Size{Files: e.TotalFiles, Bytes: e.TotalBytes}
		t.mu.Unlock()
	case event.StepProgress:
		e = t.filled(e)
	default:
	}
	t.Next.Emit(e)
}

// filled has totals that are never less than what is done: an estimate may be too low.
func (t *Totals) filled(e event.Event) event.Event {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counted[e.Address] = plan.Size{Files: e.Files, Bytes: e.Bytes}
	todo := t.todo[e.Address]
	if e.TotalFiles > 0 || e.TotalBytes > 0 || todo.Bytes == 0 {
		return e
	}
	e.TotalBytes = max(todo.Bytes, e.Bytes)
	if todo.Files > 0 {
		e.TotalFiles = max(todo.Files, e.Files)
	}
	return e
}

// Counted is what a component last said to have done.
func (t *Totals) Counted(address string) (plan.Size, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	size, known := t.counted[address]
	return size, known && size.Bytes > 0
}
