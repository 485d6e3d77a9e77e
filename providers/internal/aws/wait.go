package aws

import (
	"context"
	"time"
)

const (
	firstPause   = 50 * time.Millisecond
	longestPause = 15 * time.Second
)

// Wait asks until done says so, less often the longer it takes. It has no limit of its
// own: a first snapshot of a large volume takes hours.
func Wait(ctx context.Context, done func() (bool, error)) error {
	for pause := firstPause; ; pause = min(pause*3/2, longestPause) {
		ok, err := done()
		if ok || err != nil {
			return err
		}
		t := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			t.Stop()
			return context.Cause(ctx)
		case <-t.C:
		}
	}
}
