package cli

import (
	"context"
	"errors"
	"os"
	"slices"
	"strconv"

	"bkp/internal/plan"
	"bkp/internal/problem"
	"bkp/internal/ui/text"
)

// staleError refuses a saved plan and tells what changed.
type staleError struct {
	*problem.Problem
	changes []plan.Change
}

// Unwrap returns the problem, which has the remedy.
func (e *staleError) Unwrap() error { return e.Problem }

func stale(changes []plan.Change, remedy string) error {
	return &staleError{problem.New("the plan is stale", "since it was made there changed\n"+text.Changes(changes), remedy), changes}
}

func readPlan(path string) (plan.File, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return plan.File{}, problem.Wrap(err, "the plan cannot be read", "make one with:\n\n    bkp plan --out "+path)
	}
	again := "make a new one:\n\n    bkp plan --out " + path
	f, err := plan.Decode(b)
	var format *plan.FormatError
	if errors.As(err, &format) {
		if format.Format > plan.Format {
			again = "use bkp " + format.Tool + ", which made it, or " + again
		}
		return plan.File{}, stale([]plan.Change{
			{Ground: plan.GroundFormat, Key: "format_version", Old: strconv.Itoa(format.Format), New: strconv.Itoa(plan.Format)},
			{Ground: plan.GroundTool, Key: "version", Old: format.Tool, New: Version()},
		}, again)
	}
	if err != nil {
		return plan.File{}, problem.Wrapf(err, "the plan cannot be used", again, "%s", path)
	}
	return f, nil
}

// stillHolds checks everything again and refuses a plan whose ground moved.
func (s *session) stillHolds(ctx context.Context, saved plan.File, parallelism int) (*planned, error) {
	const remedy = "make a new plan and read it:\n\n    bkp plan --out FILE"
	var targets []string
	s.acceptedHomes = map[string]bool{}
	gone := saved
	gone.Tool, gone.Config, gone.ConfigDigest, gone.Plans = s.version, s.config.Resolved(), s.config.Digest(), slices.Clone(saved.Plans)
	for _, p := range saved.Plans {
		s.acceptedHomes[p.Instance] = p.AcceptChangedHome
		if _, ok := s.config.Instance(p.Instance); !ok {
			gone.Plans = slices.DeleteFunc(gone.Plans, func(q plan.Plan) bool { return q.Instance == p.Instance })
			continue
		}
		targets = append(targets, p.Instance)
	}
	if len(targets) < len(saved.Plans) {
		return nil, stale(plan.Stale(saved, gone), remedy)
	}
	now, err := s.plan(ctx, targets, parallelism)
	if err != nil {
		return nil, err
	}
	if changes := plan.Stale(saved, now.file); len(changes) > 0 {
		return nil, stale(changes, remedy)
	}
	now.file = saved
	return now, nil
}
