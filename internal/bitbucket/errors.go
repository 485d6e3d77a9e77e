package bitbucket

import (
	"errors"
	"fmt"
	"net/http"
)

var (
	// ErrUnknown says that the call may or may not have taken effect.
	ErrUnknown = errors.New("no usable reply; whether the call took effect is unknown")
	// ErrUnderWay is wrapped beside ErrUnknown when the call may yet take
	// effect: its reply was not waited for to the end.
	ErrUnderWay = errors.New("the call may still take effect")
	// ErrLocked says that somebody else holds the instance's lock.
	ErrLocked = errors.New("the instance is locked already")
	// ErrDrain says that Bitbucket gave up draining, or somebody cancelled the backup.
	ErrDrain = errors.New("the drain did not succeed")
	// ErrLost says that the lock or the backup task is not ours any more, as
	// the instance itself says.
	ErrLost = errors.New("the lock was lost while it was held")
	// ErrUnproven says that a call was made, and that the instance itself did
	// not confirm its effect.
	ErrUnproven = errors.New("the instance does not confirm it")
)

// StatusError is a reply outside 2xx.
type StatusError struct {
	Call   string
	Status int
	// Message is what Bitbucket said, or "".
	Message string
	// Location of a redirect that was not followed.
	Location string

	owner Owner
	// refusal: the reply has the form of Bitbucket's own errors.
	refusal bool
}

// Error names the call, the status and Bitbucket's words.
func (e *StatusError) Error() string {
	text := fmt.Sprintf("%s: %d %s", e.Call, e.Status, http.StatusText(e.Status))
	if e.Location != "" {
		text += ", redirected to " + e.Location
	}
	if e.Message != "" {
		text += ": " + e.Message
	}
	return text
}

// ReplyError is a 2xx reply that cannot be understood.
type ReplyError struct {
	Call string
	// Start of the reply; "" where it may hold a token.
	Start string
	Cause error
}

// Error names the call and shows how the reply begins.
func (e *ReplyError) Error() string {
	text := fmt.Sprintf("%s: the reply cannot be understood (%v)", e.Call, e.Cause)
	if e.Start != "" {
		text += fmt.Sprintf(": %q", e.Start)
	}
	return text
}

// Unwrap returns why it cannot be understood.
func (e *ReplyError) Unwrap() error { return e.Cause }

// status returns the HTTP status in err's chain, or 0.
func status(err error) int {
	var s *StatusError
	if errors.As(err, &s) {
		return s.Status
	}
	return 0
}

// denied: Bitbucket answers 401 for missing permissions too, so the two are
// treated alike.
func denied(err error) bool {
	s := status(err)
	return s == http.StatusUnauthorized || s == http.StatusForbidden
}
