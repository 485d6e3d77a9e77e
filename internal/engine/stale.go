package engine

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"bkp/internal/engine/plan"
	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/lang"
)

// StaleError refuses a saved plan.
type StaleError struct {
	*problem.Problem
	// Changes are what changed since it was made.
	Changes []plan.Change
}

// Unwrap returns the problem, which has the remedy.
func (e *StaleError) Unwrap() error { return e.Problem }

func stale(changes []plan.Change, remedy string) error {
	return &StaleError{problem.New("the plan is stale", "these values changed since it was made\n"+describeChanges(changes), remedy), changes}
}

// The commands that make plans, for remedies.
const (
	MakesBackupPlan  = "bkp plan"
	MakesRestorePlan = "bkp restore ID"
)

// ElsewhereOut is the remedy where a file must stay as it is; command makes the plan.
func ElsewhereOut(command string) string {
	return "save the plan in another file:\n\n    " + command + " --out tonight.bkpplan\n"
}

// PlaceForPlan refuses a file for a plan whose content would be lost, and a name
// that is that of configuration, whether there is such a file or not. "" is no
// file.
func PlaceForPlan(path, command string) error {
	if path == "" {
		return nil
	}
	if what := configuration(path); what != "" {
		return problem.Usage(problem.New("the plan cannot be saved there", fmt.Sprintf("%s is the name of %s", path, what), ElsewhereOut(command)))
	}
	if err := plan.Replaceable(path); err != nil {
		return problem.Wrap(err, "the plan cannot be saved", ElsewhereOut(command))
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

// ReadPlan reads a plan that was saved; version is that of this bkp, and command
// makes such plans. It refuses what is not a plan, and one of another format as stale.
func ReadPlan(path, version, command string) (plan.File, error) {
	switch configuration(path) {
	case "":
	case "configuration":
		return plan.File{}, problem.Usage(problem.New("not a plan", path+" is configuration, not a plan",
			"bkp reads all configuration of its folder by itself: leave the file out, and choose the folder with -chdir"))
	default:
		return plan.File{}, problem.Usage(problem.New("not a plan", path+" is a file of values, not a plan", "give it with --var-file "+path))
	}
	b, err := host.ReadRegular(path, maxPlan)
	if err != nil {
		return plan.File{}, problem.Wrap(err, "the plan cannot be read", "make one with:\n\n    "+command+" --out FILE")
	}
	again := "make a new one:\n\n    " + command + " --out FILE"
	f, err := plan.Decode(b)
	var format *plan.FormatError
	if errors.As(err, &format) {
		if format.Format > plan.Format {
			again = "use bkp " + format.Tool + ", which made it, or " + again
		}
		return plan.File{}, stale([]plan.Change{
			{Ground: plan.GroundFormat, Key: "format_version", Old: strconv.Itoa(format.Format), New: strconv.Itoa(plan.Format)},
			{Ground: plan.GroundTool, Key: "version", Old: format.Tool, New: version},
		}, again)
	}
	if err != nil {
		return plan.File{}, problem.Wrapf(err, "the plan cannot be used", again, "%s", path)
	}
	return f, nil
}

// SavedHolds is StillHolds for a plan from a file, which is followed once.
func (eng *Engine) SavedHolds(ctx context.Context, saved plan.File, parallelism int) (*Planned, error) {
	for _, p := range saved.Plans {
		if p.Restore != nil {
			return nil, problem.Usage(problem.New("not a plan of a backup", "it restores "+p.Restore.Backup, "carry it out with:\n\n    bkp restore FILE"))
		}
	}
	changes, err := eng.appliedAlready(saved)
	if err != nil {
		return nil, err
	}
	if len(changes) > 0 {
		return nil, stale(changes, staleRemedy)
	}
	p, err := eng.StillHolds(ctx, saved, parallelism)
	if err == nil {
		p.saved = true
	}
	return p, err
}

const staleRemedy = "make a new plan and read it:\n\n    bkp plan --out FILE"

// StillHolds checks everything again and refuses a plan whose ground moved.
func (eng *Engine) StillHolds(ctx context.Context, saved plan.File, parallelism int) (*Planned, error) {
	var targets []string
	eng.accepted = map[string]bool{}
	gone := saved
	gone.Tool, gone.Config, gone.ConfigDigest, gone.Plans = eng.Version, eng.Config.Resolved(), eng.Config.Digest(), slices.Clone(saved.Plans)
	for _, p := range saved.Plans {
		eng.accepted[p.Instance] = p.AcceptChangedHome
		if _, ok := eng.Config.Instance(p.Instance); !ok {
			gone.Plans = slices.DeleteFunc(gone.Plans, func(q plan.Plan) bool { return q.Instance == p.Instance })
			continue
		}
		targets = append(targets, p.Instance)
	}
	if len(targets) < len(saved.Plans) {
		return nil, stale(plan.Stale(saved, gone), staleRemedy)
	}
	now, err := eng.Plan(ctx, targets, parallelism)
	if err != nil {
		return now, err
	}
	// An instance that cannot be backed up now does not make the plan of the others
	// stale: it is left out, and said at the end.
	there := map[string]bool{}
	for _, p := range now.File.Plans {
		there[p.Instance] = true
	}
	saved.Plans = slices.DeleteFunc(slices.Clone(saved.Plans), func(p plan.Plan) bool { return !there[p.Instance] })
	if changes := plan.Stale(saved, now.File); len(changes) > 0 {
		return nil, stale(changes, staleRemedy)
	}
	now.File = saved
	return now, nil
}
