package proxy

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path"
	"strings"
	"time"

	"bkp/internal/lab/sandbox"
)

// Stage is where the instance stands when a call arrives.
type Stage string

// The stages of a backup. A running task counts although the lock is gone.
const (
	Open     Stage = "open"     // not locked, no task
	Locked   Stage = "locked"   // locked, no task yet
	Draining Stage = "draining" // the task runs
	Drained  Stage = "drained"  // the task runs, both latches are drained
	Ended    Stage = "ended"    // locked, the task has ended
)

// stageOf is the stage of a state.
func stageOf(s sandbox.State) Stage {
	switch {
	case s.Task != nil && s.Task.State == sandbox.Running && s.Database == sandbox.Drained && s.SCM == sandbox.Drained:
		return Drained
	case s.Task != nil && s.Task.State == sandbox.Running:
		return Draining
	case s.Locked() && s.Task != nil:
		return Ended
	case s.Locked():
		return Locked
	}
	return Open
}

// Rule is what happens to some calls. What it does not name it does not care
// about: the zero value lets everything pass.
type Rule struct {
	// Call by its name; Method and Path, a pattern of path.Match that the end of
	// the path must fit from one of its slashes on, for anything else.
	Call   sandbox.Call `json:"call,omitempty"`
	Method string       `json:"method,omitempty"`
	Path   string       `json:"path,omitempty"`
	// At is the stage of the instance when the first such call arrives; what
	// comes after that counts at whatever stage. After is a stage in which the
	// instance must have been seen by a call before, since the rules were set.
	At    Stage `json:"at,omitempty"`
	After Stage `json:"after,omitempty"`

	// From and To count the calls that fit all of the above, from 1; 0 is the
	// first, and without end.
	From int `json:"from,omitempty"`
	To   int `json:"to,omitempty"`
	// For is how long the rule holds from the first call that it disturbed; 0 is
	// for ever.
	For sandbox.Duration `json:"for,omitempty"`

	// Delay passes first, even when the client has given up.
	Delay sandbox.Duration `json:"delay,omitempty"`
	// Pass the call on to the instance, whose reply is dropped if there is an
	// Answer.
	Pass   bool    `json:"pass,omitempty"`
	Answer *Answer `json:"answer,omitempty"`
}

var stages = map[Stage]bool{"": true, Open: true, Locked: true, Draining: true, Drained: true, Ended: true}

// check returns what is wrong with the rule.
func (r Rule) check() error {
	_, err := path.Match(r.Path, "")
	switch {
	case err != nil:
		return fmt.Errorf("path %q: %w", r.Path, err)
	case !stages[r.At] || !stages[r.After]:
		return fmt.Errorf("there is no stage %q", cmp.Or(r.After, r.At))
	case r.From < 0 || r.To < 0 || r.For < 0 || r.Delay < 0:
		return errors.New("from, to, for and delay cannot be negative")
	case r.To > 0 && r.To < r.From:
		return fmt.Errorf("from %d to %d is no range", r.From, r.To)
	case !r.Pass && r.Answer == nil:
		return errors.New("without an answer the call must be passed on")
	}
	return nil
}

// fits reports whether the rule is about a call, at whatever stage.
func (r Rule) fits(call sandbox.Call, req *http.Request) bool {
	return (r.Call == "" || r.Call == call) && (r.Method == "" || r.Method == req.Method) && (r.Path == "" || endFits(r.Path, req.URL.Path))
}

// endFits compares as much of the path's end as the pattern has elements.
func endFits(pattern, text string) bool {
	pattern = strings.TrimPrefix(pattern, "/")
	elements := strings.Split(strings.TrimPrefix(text, "/"), "/")
	first := max(len(elements)-strings.Count(pattern, "/")-1, 0)
	ok, err := path.Match(pattern, strings.Join(elements[first:], "/"))
	return err == nil && ok
}

// row is a rule with its past.
type row struct {
	Rule
	seen, disturbed int
	first           time.Time // when it disturbed first
}

// begins reports whether the stage is right, or was once.
func (r *row) begins(at Stage, before map[Stage]bool) bool {
	return r.seen > 0 || (r.At == "" || r.At == at) && (r.After == "" || before[r.After])
}

// applies counts a call that fits, and reports whether it is to be disturbed.
func (r *row) applies(now time.Time) bool {
	r.seen++
	switch {
	case r.seen < r.From, r.To > 0 && r.seen > r.To:
		return false
	case r.first.IsZero():
		r.first = now
	case r.For > 0 && now.Sub(r.first) >= time.Duration(r.For):
		return false
	}
	r.disturbed++
	return true
}

// Parse decodes a table of rules from JSON. An unknown name is an error.
func Parse(text []byte) ([]Rule, error) {
	var rules []Rule
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&rules); err != nil {
		return nil, err
	}
	return rules, check(rules)
}

func check(rules []Rule) error {
	for i, r := range rules {
		if err := r.check(); err != nil {
			return fmt.Errorf("rule %d: %w", i+1, err)
		}
	}
	return nil
}
