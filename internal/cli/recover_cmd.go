package cli

import (
	"context"

	"bkp/internal/problem"
)

type recoverCmd struct{}

// Help is shown by bkp recover --help.
func (recoverCmd) Help() string {
	return `Cleans up after runs that were interrupted by a power cut or kill -9: unlocks
their instances, discards what they had started, and marks them as failed. The
next bkp apply does the same before it begins; this is for the boot of a machine,
where nobody wants to wait for the night. What an interrupted drill left
(bkp verify --drill) is removed, too, and what a restore had unpacked.

Examples:
  bkp recover
  bkp -chdir /etc/bkp recover       (a systemd unit at boot)

` + exitCodes
}

func (c *recoverCmd) Run(ctx context.Context, s *session) error {
	if err := s.load(); err != nil {
		return s.stillLockedThough(err)
	}
	lock, err := s.engine().Lock()
	if err != nil {
		return s.engine().StillLocked(err)
	}
	defer func() { _ = lock.Unlock() }()
	found, err := s.engine().Recover(ctx)
	rerr := s.engine().CleanRestore()
	left, cerr := s.engine().CleanDrill()
	if left != "" && cerr == nil {
		s.say("a drill was interrupted; %s was removed", left)
	}
	if err == nil && found == 0 {
		s.say("no interrupted runs")
	}
	return problem.Join(err, rerr, cerr)
}
