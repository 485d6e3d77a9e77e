package recovery_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"bkp/internal/bitbucket"
	"bkp/internal/engine/recovery"
	"bkp/internal/records/journal"
)

// silent is an instance that never answers.
type silent struct{}

func (silent) Release(ctx context.Context, _ bitbucket.Lease) error { <-ctx.Done(); return ctx.Err() }

func (silent) LockOwner(ctx context.Context) (bitbucket.Owner, bool, error) {
	<-ctx.Done()
	return bitbucket.Owner{}, false, ctx.Err()
}

func TestAnInstanceThatIsDownIsNotTriedForever(t *testing.T) {
	dir := t.TempDir()
	r := left(t, dir, journal.Record{Type: journal.LockIntent}, journal.Record{Type: journal.Locked, UnlockToken: "token"})
	synctest.Test(t, func(t *testing.T) {
		if err := recovery.Release(t.Context(), dir, r, silent{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}
