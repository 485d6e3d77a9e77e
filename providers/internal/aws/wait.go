package aws

import (
	"context"
	"time"
)

const (
	firstPause   = 50 * time.Millisecond
	longestPause = 15 * time.Second
)

// showing is how long Amazon may take to show what was made: its answers come from copies
// of its state, and some are behind.
const showing = 20 * time.Second

// Unseen is something that was made and may not be shown yet. Its zero value is ready.
type Unseen struct{ since time.Time }

// Missing reports whether it is missing, and not just not shown, after one more look that
// showed it or did not.
func (u *Unseen) Missing(shown bool) bool {
	switch {
	case shown:
		u.since = time.Time{}
	case u.since.IsZero():
		u.since = time.Now()
	}
	return !shown && time.Since(u.since) >= showing
}

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
