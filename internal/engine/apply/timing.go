package apply

import (
	"fmt"
	"strings"
	"time"

	"bkp/internal/engine/plan"
)

// timing is how long a step took, or took so far.
type timing struct {
	node  plan.Node
	begun time.Time
	took  time.Duration
	ended bool
}

// clock notes that a step began, and returns what notes its end.
func (r *Run) clock(n plan.Node, begun time.Time) (done func(time.Duration)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := len(r.steps)
	r.steps = append(r.steps, timing{node: n, begun: begun})
	return func(took time.Duration) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.steps[i].took, r.steps[i].ended = took, true
	}
}

// underWay reports what the lock window was spent on so far, and what is not at
// its end.
func (r *Run) underWay() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []string
	for _, s := range r.steps {
		switch s.node.Phase {
		case plan.Start, plan.Drain, plan.Capture:
		default:
			continue
		}
		name := fmt.Sprintf("%s %s", s.node.Phase, s.node.Address)
		if s.ended {
			out = append(out, fmt.Sprintf("%s took %s", name, s.took.Round(time.Millisecond)))
		} else {
			out = append(out, fmt.Sprintf("%s had taken %s and was not done", name, time.Since(s.begun).Round(time.Millisecond)))
		}
	}
	return strings.Join(out, ", ")
}
