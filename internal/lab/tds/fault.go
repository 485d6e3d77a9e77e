package tds

import (
	"context"
	"errors"
	"strings"
)

// Places of faults that are no batch.
const (
	AtConnect = "connect"
	AtLogin   = "login"
)

// Fault disturbs one message of a client, once.
type Fault struct {
	// At is AtConnect, AtLogin, or words that a batch has.
	At string
	// Skip is how many such messages pass before.
	Skip int

	// Refuse is answered, and nothing is done.
	Refuse *Error
	// Cut ends the connection, and nothing is done.
	Cut bool
	// Lose ends the connection when all is done, in place of the answer.
	Lose bool
	// Hold keeps the message until it is closed, or the client gives up.
	Hold <-chan struct{}
	// Held, if not nil, is closed when the message has come.
	Held chan<- struct{}
}

// errCut ends a connection without a word.
var errCut = errors.New("the connection is cut")

// Disturb adds a fault.
func (s *Server) Disturb(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &f)
}

// Undisturbed reports how many faults did not come to pass.
func (s *Server) Undisturbed() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.faults)
}

// fault returns the next fault of a message, nil for none.
func (s *Server) fault(at string) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, f := range s.faults {
		switch {
		case f.At != at && (f.At == AtConnect || f.At == AtLogin || !strings.Contains(at, f.At)):
		case f.Skip > 0:
			f.Skip--
		default:
			s.faults = append(s.faults[:i:i], s.faults[i+1:]...)
			return f
		}
	}
	return nil
}

// before is what a fault does to a message that has come.
func (f *Fault) before(ctx context.Context) error {
	if f == nil {
		return nil
	}
	if f.Held != nil {
		close(f.Held)
	}
	if f.Hold != nil {
		select {
		case <-f.Hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if f.Cut {
		return errCut
	}
	if f.Refuse != nil {
		return f.Refuse
	}
	return nil
}

// after is what it does to the answer.
func (f *Fault) after() error {
	if f != nil && f.Lose {
		return errCut
	}
	return nil
}
