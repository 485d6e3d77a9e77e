package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"bkp/internal/host"
	"bkp/internal/plan"
	"bkp/internal/problem"
	"bkp/internal/ui/text"
	"bkp/lang"
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

// elsewhereOut is the remedy where a file must stay as it is.
const elsewhereOut = "save the plan in another file:\n\n    bkp plan --out tonight.bkpplan\n"

// placeForPlan refuses a file for a plan whose content would be lost, and a name
// that is that of configuration, whether there is such a file or not. "" is no
// file.
func placeForPlan(path string) error {
	if path == "" {
		return nil
	}
	if what := configuration(path); what != "" {
		return usageError{problem.New("a plan is not saved there", fmt.Sprintf("%s is the name of %s", path, what), elsewhereOut)}
	}
	if err := plan.Replaceable(path); err != nil {
		return problem.Wrap(err, "the plan cannot be saved", elsewhereOut)
	}
	return nil
}

// configuration names what a file of this name is to bkp, "" if it is nothing
// that people write.
func configuration(path string) string {
	name := strings.ToLower(filepath.Base(path))
	switch {
	case lang.IsSource(name):
		return "configuration"
	case lang.IsValues(name):
		return "a file of values"
	}
	return ""
}

// maxPlan bounds what is read of a saved plan, in bytes.
const maxPlan = 256 << 20

func readPlan(path string) (plan.File, error) {
	switch configuration(path) {
	case "":
	case "configuration":
		return plan.File{}, usageError{problem.New("not a plan", path+" is configuration, not a plan",
			"bkp reads all configuration of its folder by itself: leave the file out, and choose the folder with -chdir")}
	default:
		return plan.File{}, usageError{problem.New("not a plan", path+" is a file of values, not a plan", "give it with --var-file "+path)}
	}
	b, err := host.ReadRegular(path, maxPlan)
	if err != nil {
		return plan.File{}, problem.Wrap(err, "the plan cannot be read", "make one with:\n\n    bkp plan --out FILE")
	}
	again := "make a new one:\n\n    bkp plan --out FILE"
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

// savedHolds is stillHolds for a plan from a file, which is followed once.
func (s *session) savedHolds(ctx context.Context, saved plan.File, parallelism int) (*planned, error) {
	changes, err := s.appliedAlready(saved)
	if err != nil {
		return nil, err
	}
	if len(changes) > 0 {
		return nil, stale(changes, staleRemedy)
	}
	p, err := s.stillHolds(ctx, saved, parallelism)
	if err == nil {
		p.saved = true
	}
	return p, err
}

const staleRemedy = "make a new plan and read it:\n\n    bkp plan --out FILE"

// stillHolds checks everything again and refuses a plan whose ground moved.
func (s *session) stillHolds(ctx context.Context, saved plan.File, parallelism int) (*planned, error) {
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
		return nil, stale(plan.Stale(saved, gone), staleRemedy)
	}
	now, err := s.plan(ctx, targets, parallelism)
	if err != nil {
		return nil, err
	}
	// An instance that cannot be backed up now does not make the plan of the others
	// stale: it is left out, and said at the end.
	there := map[string]bool{}
	for _, p := range now.file.Plans {
		there[p.Instance] = true
	}
	saved.Plans = slices.DeleteFunc(slices.Clone(saved.Plans), func(p plan.Plan) bool { return !there[p.Instance] })
	if changes := plan.Stale(saved, now.file); len(changes) > 0 {
		return nil, stale(changes, staleRemedy)
	}
	now.file = saved
	return now, nil
}
