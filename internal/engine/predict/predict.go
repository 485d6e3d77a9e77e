// Package predict says from earlier runs how long the next lock window will be.
// It is pure: manifests in, a prediction out.
package predict

import (
	"cmp"
	"slices"
	"time"

	"bkp/internal/engine/plan"
	"bkp/providers"
)

// last is how many runs are looked at: enough for a week of nights, and few
// enough to follow a home that grows.
const last = 10

// Window predicts from the manifests of one instance, in any order. Runs that
// held no lock do not count. With none the prediction has no runs.
func Window(history []providers.Manifest) plan.Prediction {
	history = slices.Clone(history)
	slices.SortFunc(history, func(a, b providers.Manifest) int { return b.Created.Compare(a.Created) })
	var windows []time.Duration
	var files, bytes float64
	var over time.Duration
	for _, m := range history {
		if m.LockWindow <= 0 {
			continue
		}
		if len(windows) == last {
			break
		}
		windows = append(windows, m.LockWindow)
		for _, a := range m.Artifacts {
			if a.Change == nil || a.Change.Over <= 0 {
				continue
			}
			files += float64(a.Change.Files)
			bytes += float64(a.Change.Bytes)
			over += a.Change.Over
		}
	}
	if len(windows) == 0 {
		return plan.Prediction{}
	}
	slices.SortFunc(windows, cmp.Compare[time.Duration])
	p := plan.Prediction{
		Runs: len(windows), Expected: plan.Duration(windows[len(windows)/2]),
		Low: plan.Duration(windows[0]), High: plan.Duration(windows[len(windows)-1]),
	}
	if over > 0 {
		p.FilesPerMinute = files / over.Minutes()
		p.BytesPerMinute = bytes / over.Minutes()
	}
	return p
}

// Exceeds reports whether a run like one of the last would come close to the
// budget: within a fifth of it.
func Exceeds(p plan.Prediction, budget plan.Duration) bool {
	return p.Runs > 0 && budget > 0 && p.High > budget-budget/5
}
