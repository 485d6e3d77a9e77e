package cli

import (
	"context"
	"time"

	"bkp/internal/apply"
	"bkp/internal/guardian"
	"bkp/lang"
	"bkp/providers"
)

// guardGrace is how long after the end of its budget a run may still be busy
// with the unlock before it counts as hung. With a short budget it is as long as
// that: whoever promises users five seconds does not mean half a minute more.
const guardGrace = 30 * time.Second

func hungAfter(budget time.Duration) time.Duration { return budget + min(guardGrace, budget) }

// guard starts the process that unlocks if this one dies.
func (s *session) guard(i *lang.Instance, id providers.BackupID, log string) func(context.Context) (apply.Guard, error) {
	return func(ctx context.Context) (apply.Guard, error) {
		return guardian.Start(ctx, guardian.Watch{
			Instance: guardian.Instance{URL: i.Addresses()[0], Username: i.Username, Password: i.Password, Token: i.Token, CAFile: i.CAFile},
			Run:      id, Journal: s.journalDir(), Log: log, Within: hungAfter(i.Lock.Budget), Waits: s.guardianDir(),
		})
	}
}
