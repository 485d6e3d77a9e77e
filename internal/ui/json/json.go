// Package json is how bkp speaks to programs: one object a line.
package json

import (
	"encoding/json"
	"io"
	"sync"

	"bkp/internal/event"
)

// Stream writes objects, each on a line of its own. It is safe for concurrent
// use.
type Stream struct {
	mu  sync.Mutex
	enc *json.Encoder
}

// NewStream returns a stream to out.
func NewStream(out io.Writer) *Stream {
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	return &Stream{enc: enc}
}

// Emit implements event.Sink.
func (s *Stream) Emit(e event.Event) { _ = s.Write(e) }

// Write writes any object.
func (s *Stream) Write(v any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.enc.Encode(v)
}
