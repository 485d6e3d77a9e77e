package remote

import (
	"context"
	"errors"
	"syscall"

	"bkp/internal/problem"
	"bkp/providers"
)

// wireError is an error on its way. What its receiver acts on survives: the
// problem's summary and remedy, the errors of the contract, a damage.
type wireError struct {
	Text    string                 `json:"text"`
	Problem *problem.Problem       `json:"problem,omitempty"`
	Is      []string               `json:"is,omitempty"`
	Damage  *providers.DamageError `json:"damage,omitempty"`
	// Cause is that of the damage.
	Cause string `json:"cause,omitempty"`
}

// known are the errors by which a caller decides.
var known = map[string]error{
	"not found":   providers.ErrNotFound,
	"taken":       providers.ErrTaken,
	"elsewhere":   providers.ErrElsewhere,
	"no identity": providers.ErrNoIdentity,
	"full":        syscall.ENOSPC,
	"quota":       syscall.EDQUOT,
	"input":       syscall.EIO,
	"cancelled":   context.Canceled,
	"too late":    context.DeadlineExceeded,
}

func toWire(err error) *wireError {
	if err == nil {
		return nil
	}
	w := &wireError{Text: err.Error()}
	var p *problem.Problem
	if errors.As(err, &p) {
		w.Problem = p
	}
	for name, e := range known {
		if errors.Is(err, e) {
			w.Is = append(w.Is, name)
		}
	}
	var damage *providers.DamageError
	if errors.As(err, &damage) {
		plain := *damage
		if plain.Cause != nil {
			w.Cause, plain.Cause = plain.Cause.Error(), nil
		}
		w.Damage = &plain
	}
	return w
}

// farError is an error that came from another machine.
type farError struct {
	text    string
	wrapped []error
}

// Error is the text that it had there, with the machine before it.
func (e *farError) Error() string { return e.text }

// Unwrap returns what it wrapped there, as far as anybody acts on it.
func (e *farError) Unwrap() []error { return e.wrapped }

// on is the error as it is here.
func (w *wireError) on(machine string) error {
	if w == nil {
		return nil
	}
	out := &farError{text: "on " + machine + ": " + w.Text}
	if w.Problem != nil {
		out.wrapped = append(out.wrapped, w.Problem)
	}
	for _, name := range w.Is {
		if e, ok := known[name]; ok {
			out.wrapped = append(out.wrapped, e)
		}
	}
	if w.Damage != nil {
		if w.Cause != "" {
			w.Damage.Cause = errors.New(w.Cause)
		}
		out.wrapped = append(out.wrapped, w.Damage)
	}
	return out
}
