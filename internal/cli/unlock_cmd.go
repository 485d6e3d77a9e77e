package cli

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"bkp/internal/engine/apply"
	"bkp/internal/event"
	"bkp/internal/problem"
)

type unlockCmd struct {
	lockFlags
	URL string `name:"url" placeholder:"URL" help:"Address of the instance, or of one node behind its proxy, instead of the configured ones."`
}

// Help is shown by bkp unlock --help.
func (unlockCmd) Help() string {
	return `Searches the journal for runs that were interrupted while they held a lock,
cancels or completes their backup task, unlocks, and checks that the instance is
back in service. It does not touch a lock that no run of this state folder took, and
fails if there is one.

The instance is found by its name. The address that the run used is tried first, then
its maintenance_url and its url. --url replaces them all.

Examples:
  bkp unlock
  bkp unlock --url http://node1.example.com:7990

` + exitCodes("failed, or locked by somebody else", ExitMayBeLocked, ExitRunning, exitCrashed)
}

func (c *unlockCmd) Run(ctx context.Context, s *session) error {
	at := strings.TrimRight(c.URL, "/")
	if at != "" {
		if u, err := url.Parse(at); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return problem.Usagef("--url %s is not an http or https address", c.URL)
		}
	}
	if err := s.load(); err != nil {
		return s.stillLockedThough(err)
	}
	s.lockTimeout = c.LockTimeout
	lock, err := s.engine().Lock(ctx, "unlock")
	if err != nil {
		return s.engine().StillLocked(err)
	}
	defer func() { _ = lock.Unlock() }()
	found, err := s.engine().Unlock(ctx, at)
	if !found && err == nil {
		err = s.engine().LockedOtherwise(ctx, at)
	}
	if !found && err == nil {
		s.say("no run of this state folder holds a lock")
	}
	return err
}

// stillLockedThough is stillLocked for a configuration that could not be loaded,
// such as for a variable that is not set at boot, and where the state folder is
// known all the same.
func (s *session) stillLockedThough(err error) error {
	s.offline, s.unset = true, true
	config, diags := s.read()
	s.offline, s.unset = false, false
	if diags.HasErrors() || !config.StateDirKnown() {
		return err
	}
	s.config = config
	if still := s.engine().StillLocked(err); errors.Is(still, apply.ErrMayBeLocked) {
		s.warn("a run was interrupted, and may have left its instance locked", "fix the configuration, then:\n\n    bkp unlock")
		return still
	}
	return err
}

// say prints a line about what was done.
func (s *session) say(format string, args ...any) {
	message := fmt.Sprintf(format, args...)
	if s.JSON {
		s.stream().Emit(event.Event{Time: time.Now(), Kind: event.Note, Message: message})
		return
	}
	_, _ = fmt.Fprintln(s.io.Err, message)
}
