package cli

import (
	"context"

	"bkp/internal/problem"
)

type recoverCmd struct{ lockFlags }

// Help is shown by bkp recover --help.
func (recoverCmd) Help() string {
	return `Cleans up after runs that were interrupted by a power cut or kill -9: unlocks
their instances, discards what they had started, and marks them as failed. The
next bkp apply does the same before it begins; run recover when the machine boots,
so that users need not wait for the next backup. It also removes what an
interrupted drill (bkp verify --drill), copy or restore left.

Examples:
  bkp recover
  bkp -chdir /etc/bkp recover       (a systemd unit at boot)

` + exitCodes("", ExitMayBeLocked, ExitRunning, exitCrashed)
}

func (c *recoverCmd) Run(ctx context.Context, s *session) error {
	if err := s.load(); err != nil {
		return s.stillLockedThough(err)
	}
	s.lockTimeout = c.LockTimeout
	lock, err := s.engine().Lock(ctx, "recover")
	if err != nil {
		return s.engine().StillLocked(err)
	}
	defer func() { _ = lock.Unlock() }()
	found, err := s.engine().Recover(ctx)
	s.engine().WarnOfUnfinished()
	rerr := problem.Join(s.engine().CleanRestore(ctx), s.engine().CleanCopy(ctx))
	left, cerr := s.engine().CleanDrill()
	if left != "" && cerr == nil {
		s.say("a drill was interrupted; %s was removed", left)
	}
	if err == nil && found == 0 {
		s.say("no interrupted runs")
	}
	return problem.Join(err, rerr, cerr)
}
