// Package json is how bkp speaks to programs: one object a line.
package json

import (
	"encoding/json"
	"io"
	"sync"
	"time"

	"bkp/internal/event"
)

// Stream writes objects, each on a line of its own. It is safe for concurrent
// use.
type Stream struct {
	mu  sync.Mutex
	enc *json.Encoder
	// said is when a component's progress was last written.
	said map[string]time.Time
}

// pace is how often the progress of a component is written.
const pace = time.Second

// NewStream returns a stream to out.
func NewStream(out io.Writer) *Stream {
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	return &Stream{enc: enc, said: map[string]time.Time{}}
}

// Emit implements event.Sink. Of progress it writes one object a second and
// component.
func (s *Stream) Emit(e event.Event) {
	if e.Kind == event.StepProgress && !s.due(e) {
		return
	}
	_ = s.Write(e)
}

func (s *Stream) due(e event.Event) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := e.Instance + " " + e.Address // instances may share a component
	if e.Time.Sub(s.said[key]) < pace {
		return false
	}
	s.said[key] = e.Time
	return true
}

// Write writes any object.
func (s *Stream) Write(v any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.enc.Encode(v)
}

// Failure is an error that ends a command, with the exit code.
type Failure struct {
	// Event is "error".
	Event string `json:"event"`
	Error string `json:"error"`
	// Hint says what to do; it may be "".
	Hint     string `json:"hint"`
	ExitCode int    `json:"exit_code"`
}
