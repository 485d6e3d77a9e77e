package database_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bkp/providers"
	"bkp/providers/database"
)

// TestASilentDatabaseEndsTheDump: a dump that brings nothing is given up, and
// one that brings a little now and then is not.
func TestASilentDatabaseEndsTheDump(t *testing.T) {
	for name, c := range map[string]struct {
		every, ends time.Duration
		wrong       string
	}{
		"silent from the beginning": {every: 24 * time.Hour, ends: 24 * time.Hour, wrong: "stalled"},
		"slow":                      {every: 14 * time.Minute, ends: 24 * time.Hour},
		"soon done":                 {every: 24 * time.Hour, ends: 14 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begun := time.Now()
				size := func() providers.Progress { return providers.Progress{Bytes: int64(time.Since(begun) / c.every)} }
				var reported providers.Progress
				report := func(p providers.Progress) { reported = p }
				err := database.Watch(t.Context(), report, size, func(ctx context.Context) error {
					select {
					case <-ctx.Done():
						return context.Cause(ctx)
					case <-time.After(c.ends):
						return nil
					}
				})
				took := time.Since(begun)
				switch {
				case c.wrong == "" && (err != nil || took != c.ends || reported != size()):
					t.Errorf("ended after %s with %v, reported %+v", took, err, reported)
				case c.wrong != "" && (err == nil || !strings.Contains(err.Error(), c.wrong) || took > 16*time.Minute):
					t.Errorf("ended after %s with %v", took, err)
				}
			})
		})
	}
}

// TestWatchHonoursItsContext: the reason of the caller comes out.
func TestWatchHonoursItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reason := errors.New("enough")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, reason)
		defer cancel()
		nothing := func() providers.Progress { return providers.Progress{} }
		err := database.Watch(ctx, func(providers.Progress) {}, nothing, func(ctx context.Context) error {
			<-ctx.Done()
			return context.Cause(ctx)
		})
		if !errors.Is(err, reason) {
			t.Errorf("error %v", err)
		}
	})
}
