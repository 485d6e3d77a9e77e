// Package problem gives every error and finding of bkp one shape: a constant
// summary, the specific detail, and the remedy.
//
// It leaves out how a problem is printed (internal/ui) and which exit code it
// leads to (internal/cli).
package problem

import (
	"errors"
	"fmt"
)

// Severity reports whether a problem stops a run.
type Severity string

const (
	// Error stops a plan from being applied.
	Error Severity = "error"
	// Warning does not stop the run.
	Warning Severity = "warning"
)

// Problem is one thing that is wrong. It is an error, and also a finding of a
// check.
type Problem struct {
	Severity Severity `json:"severity"`
	// Summary is constant for a kind of problem, so that it can be searched for.
	Summary string `json:"summary"`
	// Detail names what exactly was seen: the path, the address, the reply.
	Detail string `json:"detail,omitempty"`
	// Remedy says what to do. Commands to copy stand on lines of their own.
	Remedy string `json:"remedy,omitempty"`

	cause error
}

// New returns a problem of severity Error.
func New(summary, detail, remedy string) *Problem {
	return &Problem{Severity: Error, Summary: summary, Detail: detail, Remedy: remedy}
}

// Warn returns a problem of severity Warning.
func Warn(summary, detail, remedy string) *Problem {
	return &Problem{Severity: Warning, Summary: summary, Detail: detail, Remedy: remedy}
}

// Wrap returns a problem of severity Error whose detail is err's text and
// which unwraps to err.
func Wrap(err error, summary, remedy string) *Problem {
	return &Problem{Severity: Error, Summary: summary, Detail: err.Error(), Remedy: remedy, cause: err}
}

// Wrapf is Wrap with a detail of its own, to which err's text is added.
func Wrapf(err error, summary, remedy, format string, args ...any) *Problem {
	detail := fmt.Sprintf(format, args...) + ": " + err.Error()
	return &Problem{Severity: Error, Summary: summary, Detail: detail, Remedy: remedy, cause: err}
}

// Error gives summary and detail on one line; the remedy is left to the view.
func (p *Problem) Error() string {
	if p.Detail == "" {
		return p.Summary
	}
	return p.Summary + ": " + p.Detail
}

// Unwrap returns the cause, or nil.
func (p *Problem) Unwrap() error { return p.cause }

// Remedy returns the remedy of the first problem in err's chain, or "".
func Remedy(err error) string {
	var p *Problem
	if errors.As(err, &p) {
		return p.Remedy
	}
	return ""
}
