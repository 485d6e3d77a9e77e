package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"

	"github.com/hashicorp/go-multierror"

	"bkp/internal/bitbucket"
	"bkp/internal/debuglog"
	"bkp/internal/engine"
	"bkp/internal/engine/apply"
	"bkp/internal/engine/drill"
	"bkp/internal/engine/plan"
	"bkp/internal/problem"
	jsonui "bkp/internal/ui/json"
	"bkp/providers"
)

// The exit codes of every command.
const (
	ExitDone         = 0
	ExitFailed       = 1
	ExitSteps        = 2
	ExitMayBeLocked  = 3
	ExitAfterCapture = 4
	ExitRunning      = 5
	ExitLost         = 6
	ExitUsage        = 80
)

// exitCrashed is what a shell shows of a process that ended by SIGABRT.
const exitCrashed = 134

// ExitCode is an exit code with its meaning.
type ExitCode struct {
	Code    int
	Meaning string
}

// exitMeanings are all exit codes, in order.
var exitMeanings = []ExitCode{
	{ExitDone, "done"},
	{ExitFailed, "failed, nothing is locked"},
	{ExitSteps, "the plan has steps (only with --detailed-exitcode)"},
	{ExitMayBeLocked, "an instance may still be locked"},
	{ExitAfterCapture, "captured, but a later step failed"},
	{ExitRunning, "another run is in progress"},
	{ExitLost, "failed after the unlock; no backup was made"},
	{ExitUsage, "usage"},
	{exitCrashed, "bkp crashed; see bkp status"},
}

// exitTitle begins the list of exit codes at the end of a command's help.
const exitTitle = "Exit codes:\n"

// exitCodes lists the exit codes of one command for its help: those that every
// command has, and more. failed is what 1 means there, "" for the usual.
func exitCodes(failed string, more ...int) string {
	out := strings.Builder{}
	out.WriteString(exitTitle)
	for _, e := range exitMeanings {
		if !slices.Contains([]int{ExitDone, ExitFailed, ExitUsage}, e.Code) && !slices.Contains(more, e.Code) {
			continue
		}
		if e.Code == ExitFailed && failed != "" {
			e.Meaning = failed
		}
		fmt.Fprintf(&out, "  %-3d %s\n", e.Code, e.Meaning)
	}
	return strings.TrimSuffix(out.String(), "\n")
}

var (
	// errSteps is no failure: it carries the exit code of --detailed-exitcode.
	errSteps = errors.New("the plan has steps")
	// errReported means that everything was said already.
	errReported = engine.ErrFound
)

// meanings is the one table from errors to exit codes and hints; the first
// that fits counts, so the worst come first.
var meanings = []struct {
	is   error
	code int
	hint string
}{
	{apply.ErrMayBeLocked, ExitMayBeLocked, "unlock it as soon as it answers:\n\n    bkp unlock\n\nA proxy or load balancer may have taken it out of service. Then give the address of the node itself, here or as maintenance_url:\n\n    bkp unlock --url http://NODE:7990"},
	{apply.ErrAfterCapture, ExitAfterCapture, ""},
	{apply.ErrLost, ExitLost, ""},
	{engine.ErrRunning, ExitRunning, "wait for it to end; see\n\n    bkp status"},
	{drill.ErrRunning, ExitRunning, "wait for it to end"},
	{problem.ErrUsage, ExitUsage, ""},
	{errSteps, ExitSteps, ""},
	{apply.ErrDrainTimeout, ExitFailed, "users with long pushes or clones keep git busy: choose a quieter hour, or raise drain_timeout in the instance's lock block"},
	{apply.ErrBudget, ExitFailed, "see above which capture was slow; raise budget in the instance's lock block if users can wait longer"},
	{bitbucket.ErrDrain, ExitFailed, "somebody cancelled the backup in Bitbucket, or draining failed there: see Bitbucket's log"},
	{bitbucket.ErrLost, ExitFailed, "the instance was restarted or unlocked during the run. What was captured is not consistent and was discarded. Run again"},
	{bitbucket.ErrLocked, ExitFailed, "wait until it is unlocked, then run again"},
	{providers.ErrNotFound, ExitFailed, "list the backups:\n\n    bkp list --refresh"},
	{plan.ErrDamaged, ExitFailed, "make a new plan:\n\n    bkp plan --out FILE"},
	{engine.ErrInterrupted, ExitFailed, ""},
	{context.Canceled, ExitFailed, ""},
}

// exit prints what there is to say about err and returns its code.
func (s *session) exit(err error) int {
	code := s.failed(err)
	log := debuglog.From(s.ctx)
	if err != nil {
		log = log.With("error", err)
	}
	log.Info("end", "exit", code)
	return code
}

func (s *session) failed(err error) int {
	if err == nil {
		return ExitDone
	}
	code, hint := ExitFailed, ""
	for _, m := range meanings {
		if errors.Is(err, m.is) {
			code, hint = m.code, m.hint
			break
		}
	}
	if errors.Is(err, errSteps) || errors.Is(err, errReported) {
		return code
	}
	if r := problem.Remedy(err); r != "" && code == ExitMayBeLocked && !strings.Contains(r, "bkp unlock") {
		hint = r + "\n\n" + hint // what fixes the cause does not unlock
	} else if r != "" {
		hint = r
	}
	if hint == "" && code == ExitUsage {
		hint = s.usage
	}
	hint = unlessLimited(err, hint)
	if s.JSON {
		var stale *engine.StaleError
		if errors.As(err, &stale) {
			_ = s.stream().Write(jsonui.NewStale(stale.Changes))
		}
		_ = s.stream().Write(jsonui.Failure{Event: "error", Error: err.Error(), Hint: hint, ExitCode: code})
		return code
	}
	for _, one := range problem.Each(err) {
		first, rest := parts(one)
		s.page.Failure(first, "")
		for _, text := range rest {
			s.page.Failure("afterwards: "+text, "")
		}
	}
	s.page.Hint(hint)
	return code
}

// unlessLimited is the remedy of an error, unless this process may not open as many
// files as it needs: then nothing else helps, whatever it was about.
func unlessLimited(err error, remedy string) string {
	if !errors.Is(err, syscall.EMFILE) && !errors.Is(err, syscall.ENFILE) && !strings.Contains(err.Error(), "too many open files") {
		return remedy
	}
	limit := "raise the limit of open files: ulimit -n 65536, or LimitNOFILE=65536 in the unit of systemd"
	if strings.Contains(remedy, "bkp unlock") || strings.Contains(remedy, "--resume") {
		return limit + "\n\n" + remedy
	}
	return limit
}

// parts separates the cause from the aftermath.
func parts(err error) (first string, rest []string) {
	var many *multierror.Error
	if !errors.As(err, &many) || len(many.Errors) == 0 {
		return err.Error(), nil
	}
	for _, e := range many.Errors[1:] {
		rest = append(rest, e.Error())
	}
	// What stands around the list, such as "captured, but ...", is kept.
	before, after, _ := strings.Cut(err.Error(), many.Error())
	if after = strings.TrimLeft(after, ":; \n"); after != "" {
		rest = append(rest, after)
	}
	return before + many.Errors[0].Error(), rest
}
