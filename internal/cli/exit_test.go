package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"github.com/hashicorp/go-multierror"

	"bkp/internal/bitbucket"
	"bkp/internal/engine"
	"bkp/internal/engine/apply"
	"bkp/internal/engine/plan"
	"bkp/internal/problem"
	"bkp/internal/ui/text"
	"bkp/providers"
)

func exitOf(err error) (int, string) {
	var out bytes.Buffer
	s := &session{ctx: context.Background(), page: text.Page{Out: &out}}
	return s.exit(err), out.String()
}

func TestExit(t *testing.T) {
	boom := errors.New("boom")
	fixable := problem.New("tool not found", "rsync", "install rsync")
	cases := map[string]struct {
		err  error
		code int
		said string
	}{
		"nothing":           {nil, ExitDone, ""},
		"any error":         {boom, ExitFailed, "boom"},
		"a remedy":          {fixable, ExitFailed, "hint: install rsync"},
		"may be locked":     {fmt.Errorf("%w: %w", apply.ErrMayBeLocked, boom), ExitMayBeLocked, "bkp unlock"},
		"locked and remedy": {multierror.Append(fixable, apply.ErrMayBeLocked), ExitMayBeLocked, "bkp unlock"},
		"remedy and locked": {multierror.Append(fixable, apply.ErrMayBeLocked), ExitMayBeLocked, "install rsync"},
		"after the capture": {fmt.Errorf("%w: %w", apply.ErrAfterCapture, boom), ExitAfterCapture, "boom"},
		"worst first":       {problem.Join(apply.ErrAfterCapture, apply.ErrMayBeLocked), ExitMayBeLocked, "bkp unlock"},
		"running":           {engine.ErrRunning, ExitRunning, "bkp status"},
		"usage":             {problem.Usagef("no %s", "plan"), ExitUsage, "no plan"},
		"steps":             {errSteps, ExitSteps, ""},
		"reported":          {errReported, ExitFailed, ""},
		"drain timeout":     {fmt.Errorf("%w: %w", bitbucket.ErrDrain, apply.ErrDrainTimeout), ExitFailed, "drain_timeout"},
		"budget":            {apply.ErrBudget, ExitFailed, "raise budget"},
		"drain":             {bitbucket.ErrDrain, ExitFailed, "Bitbucket's log"},
		"lost":              {bitbucket.ErrLost, ExitFailed, "Run again"},
		"locked":            {bitbucket.ErrLocked, ExitFailed, "wait until it is unlocked"},
		"not found":         {providers.ErrNotFound, ExitFailed, "bkp list --refresh"},
		"damaged plan":      {plan.ErrDamaged, ExitFailed, "bkp plan --out"},
		"interrupted":       {fmt.Errorf("%w: %w", engine.ErrInterrupted, context.Canceled), ExitFailed, "interrupted"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			code, said := exitOf(c.err)
			if code != c.code || !strings.Contains(said, c.said) || c.said == "" && said != "" {
				t.Errorf("code %d, want %d; said %q, want %q", code, c.code, said, c.said)
			}
		})
	}
}

// Whatever was about to be opened, and whatever its remedy says, the limit of open
// files is what to raise.
func TestTheLimitOfOpenFilesIsNamed(t *testing.T) {
	open := &fs.PathError{Op: "open", Path: "/backup", Err: syscall.EMFILE}
	_, said := exitOf(problem.Wrap(open, "archives cannot be listed", "let the user that runs bkp read it"))
	if !strings.Contains(said, "ulimit -n") || strings.Contains(said, "let the user") {
		t.Errorf("said %q", said)
	}
	_, said = exitOf(fmt.Errorf("%w: %w", apply.ErrMayBeLocked, open))
	if !strings.Contains(said, "ulimit -n") || !strings.Contains(said, "bkp unlock") {
		t.Errorf("said %q", said)
	}
}

func TestTheCauseComesFirst(t *testing.T) {
	err := fmt.Errorf("before: %w; behind", multierror.Append(errors.New("cause"), errors.New("aftermath")))
	_, said := exitOf(err)
	want := "bkp: error: before: cause\nbkp: error: afterwards: aftermath\nbkp: error: afterwards: behind\n"
	if said != want {
		t.Errorf("said %q", said)
	}
}

func TestWhatTwoInstancesFailedAtIsSaid(t *testing.T) {
	first := multierror.Append(errors.New("first"), errors.New("aftermath"))
	_, said := exitOf(errors.Join(problem.Join(first, nil, errors.New("second")))) // as kong hands it over
	want := "bkp: error: first\nbkp: error: afterwards: aftermath\nbkp: error: second\n"
	if said != want {
		t.Errorf("said %q", said)
	}
}
